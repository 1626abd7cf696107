"""Who provides models, and which of them an agent thinks with."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from agentopia.lib.crypto import EncryptedJSONField

LEAST_CONTEXT = 2_000
MOST_CONTEXT = 2_000_000


class ModelProvider(models.Model):
    """An account at a provider of models, or an address that speaks as one does. Without an owner it is shared by an admin."""

    class Kind(models.TextChoices):
        OPENAI = "openai", "OpenAI, or compatible with it"
        ANTHROPIC = "anthropic", "Anthropic"
        GOOGLE = "google", "Google"
        EMBEDDED = "embedded", "The model that Agentopia runs itself"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="model_providers", help_text="Null: shared."
    )
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=60)
    base_url = models.URLField(max_length=500, blank=True, help_text="Empty: the provider's own address.")
    api_key = EncryptedJSONField(null=True, blank=True, help_text="Null: none is needed. Write-only.")
    key_set_at = models.DateTimeField(null=True, blank=True)
    default_model = models.CharField(max_length=200, blank=True)
    context_tokens = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(LEAST_CONTEXT), MaxValueValidator(MOST_CONTEXT)],
        help_text="What its models take in at once, question and answer together; null: as is known of them.",
    )
    models_known = models.JSONField(default=list, blank=True, help_text="The names that the provider listed when it was tested.")
    tested_at = models.DateTimeField(null=True, blank=True)
    test_error = models.CharField(max_length=500, blank=True, help_text="Empty after a test that succeeded.")
    enabled = models.BooleanField(default=True)
    budget_usd = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What one user may spend of it in a calendar month (UTC); null: no limit.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="provider_name_unique_to_owner", nulls_distinct=False),)

    def __str__(self) -> str:
        return self.name


class ModelChoice(models.Model):
    """A model that an agent thinks with: the first by ``position``, and the next where that one fails."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="model_choices")
    position = models.PositiveSmallIntegerField(validators=[MaxValueValidator(4)])
    provider = models.ForeignKey(ModelProvider, on_delete=models.CASCADE, related_name="choices")
    model = models.CharField(max_length=200, help_text="As its provider calls it.")

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("agent", "position"), name="one_model_choice_per_position"),)

    def __str__(self) -> str:
        return f"{self.provider}: {self.model}"
