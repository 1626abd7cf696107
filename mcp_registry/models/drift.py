"""What heartbeats found that was not as desired."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Drift(models.Model):
    """A server that was found to be other than desired, though nobody had changed it. It stays as the history of what was.

    ``deployment`` is the newest one that is to put it right; without one, the toolbox does that itself.
    """

    class What(models.TextChoices):
        MISSING = "missing"
        OLDER = "older", "older generation"
        NEWER = "newer", "newer generation than ours"
        STOPPED = "stopped", "stopped though it should run"
        RUNNING = "running", "running though it should be stopped"
        PRESENT = "present", "present though it was deleted"
        CRASHED = "crashed"
        UNHEALTHY = "unhealthy", "did not answer"

    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="drifts")
    at = models.DateTimeField(default=timezone.now)
    what = models.CharField(max_length=10, choices=What)
    phase = models.CharField(max_length=12, help_text="As it was found.")
    generation = models.PositiveBigIntegerField(help_text="That the toolbox knew; 0: none.")
    sentence = models.CharField(max_length=500, help_text="What was found, for a person.")
    deployment = models.ForeignKey("mcp_registry.Deployment", on_delete=models.SET_NULL, null=True, blank=True, related_name="drifts")
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=("server", "-at"), name="drift_of_server"),)
        constraints = (
            models.UniqueConstraint(fields=("server", "what"), condition=models.Q(repaired_at=None), name="one_open_drift_of_a_kind"),
        )

    def __str__(self) -> str:
        return self.sentence
