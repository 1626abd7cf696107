"""How much may be called, wherever that is said."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models


class Limits(models.Model):
    """Null means: no limit of its own. A day is one of UTC."""

    calls_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    calls_per_day = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    cpu_seconds_per_day = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="CPU time of servers, which is what a call costs."
    )

    class Meta:
        abstract = True
