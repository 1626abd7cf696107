"""Servers that toolboxes have and nobody here knows."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Stray(models.Model):
    """A server that a toolbox reports under an id that is not known: the database was set back, or lost. It can be adopted or removed."""

    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="strays")
    server = models.CharField(max_length=63, help_text="Its id there.")
    name = models.CharField(max_length=63, blank=True)
    phase = models.CharField(max_length=12, default="unknown")
    generation = models.PositiveBigIntegerField(default=0)
    image = models.CharField(max_length=512, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now)
    confirmed = models.BooleanField(
        default=False, help_text="Whether a second heartbeat named it: the first may have been under way while it was deleted."
    )

    class Meta:
        ordering = ("name", "server")
        constraints = (models.UniqueConstraint(fields=("toolbox", "server"), name="stray_once_on_toolbox"),)

    def __str__(self) -> str:
        return self.name or self.server
