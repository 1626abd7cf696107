"""What happened to a toolbox, for a person to read later."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class ToolboxEvent(models.Model):
    """One line of a toolbox's history. ``kind`` is a word to filter by, ``text`` a sentence."""

    class Severity(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"

    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.INFO)
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=("toolbox", "-at"), name="event_of_toolbox"),)

    def __str__(self) -> str:
        return self.text
