"""How busy toolboxes were."""

from __future__ import annotations

from django.db import models


class Metric(models.Model):
    """How busy a toolbox was around one moment, as one of three resolutions: 15 s for an hour, 1 min for a day, 10 min for a month.

    Each resolution is a ring: a moment's place is ``slot``, and what comes a round later is written over it. So a toolbox has at most
    240 + 1,440 + 4,320 = 6,000 rows, and nothing ever has to be deleted.
    """

    class Resolution(models.IntegerChoices):
        RAW = 15
        MINUTE = 60
        TEN_MINUTES = 600

    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="metrics", db_index=False)
    resolution = models.PositiveSmallIntegerField(choices=Resolution)
    slot = models.PositiveSmallIntegerField()
    at = models.DateTimeField(help_text="The beginning of the time that it speaks of.")
    cpu_percent = models.FloatField(null=True, help_text="Of all processors together.")
    load = models.FloatField()
    memory_used_bytes = models.BigIntegerField()
    disk_used_bytes = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("toolbox", "resolution", "slot"), name="metric_ring"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} ({self.resolution} s)"


class RollUp(models.Model):
    """Until when a resolution was made from the finer one."""

    resolution = models.PositiveSmallIntegerField(primary_key=True, choices=Metric.Resolution)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.resolution} s until {self.until:%Y-%m-%d %H:%M:%S}"


SLOTS: dict[int, int] = {Metric.Resolution.RAW: 240, Metric.Resolution.MINUTE: 1440, Metric.Resolution.TEN_MINUTES: 4320}
"""How many moments each resolution keeps."""
