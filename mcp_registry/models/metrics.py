"""What servers use."""

from __future__ import annotations

from django.db import models


class ServerMetric(models.Model):
    """What a server used in one span of time, at one of two resolutions: 1 min for a day, 10 min for a week.

    Each resolution is a ring, as that of `toolboxes.models.Metric`: a server has at most 1,440 + 1,008 rows. Figures that cannot be told
    are None; ``restarts`` and ``out_of_memory_kills`` are those of the span alone. ``seconds`` is how much of it was told: bytes divided by
    it are a rate. It may be more than the span after a time in which nobody listened, which is told all at once.
    """

    class Resolution(models.IntegerChoices):
        MINUTE = 60
        TEN_MINUTES = 600

    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="metrics", db_index=False)
    resolution = models.PositiveSmallIntegerField(choices=Resolution)
    slot = models.PositiveSmallIntegerField()
    at = models.DateTimeField(help_text="The beginning of the time that it speaks of.")
    seconds = models.FloatField(default=0, help_text="For which there are figures.")
    cpu_percent = models.FloatField(null=True, help_text="Of one core, on average.")
    memory_bytes = models.BigIntegerField(null=True)
    memory_limit_bytes = models.BigIntegerField(null=True)
    received_bytes = models.BigIntegerField(null=True, help_text="Over the network, in these seconds.")
    sent_bytes = models.BigIntegerField(null=True, help_text="Over the network, in these seconds.")
    restarts = models.PositiveIntegerField(default=0)
    out_of_memory_kills = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("server", "resolution", "slot"), name="server_metric_ring"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} ({self.resolution} s)"


class ServerRollUp(models.Model):
    """Until when a resolution was made from the finer one."""

    resolution = models.PositiveSmallIntegerField(primary_key=True, choices=ServerMetric.Resolution)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.resolution} s until {self.until:%Y-%m-%d %H:%M:%S}"


SERVER_SLOTS: dict[int, int] = {ServerMetric.Resolution.MINUTE: 1440, ServerMetric.Resolution.TEN_MINUTES: 1008}
"""How many moments each resolution keeps."""
