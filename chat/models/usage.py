"""What models were used for and what that cost: the ledger that budgets and sums are read from."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from chat.models.conversations import Run
from chat.models.providers import ModelProvider


class ModelUsage(models.Model):
    """What one run used of one model of one provider. It outlives all that it names but its owner.

    A run that went on with another model has a row for each. ``chat.running.using`` writes it, in one transaction with what the run counts.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="model_usage")
    agent = models.ForeignKey("agents.Agent", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    agent_name = models.CharField(max_length=100, help_text="Kept when the agent is deleted.")
    provider = models.ForeignKey(ModelProvider, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="usage")
    provider_name = models.CharField(max_length=60, help_text="Kept when the provider is deleted.")
    model = models.CharField(max_length=200, help_text="As its provider calls it.")
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="usage", help_text="Null: it was deleted."
    )
    created_at = models.DateTimeField(help_text="Of its first request, whose month all of it counts for.")
    requests = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, help_text="Null where no price is known.")

    class Meta:
        verbose_name = "use of a model"
        verbose_name_plural = "use of models"
        ordering = ("-created_at", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=("run", "provider", "model"), condition=models.Q(run__isnull=False), name="one_usage_per_run_and_model"
            ),
        )
        indexes = (
            models.Index(fields=("owner", "created_at"), name="usage_of_owner"),
            models.Index(fields=("provider", "created_at"), name="usage_of_provider"),
        )

    def __str__(self) -> str:
        return f"{self.provider_name}: {self.model}"
