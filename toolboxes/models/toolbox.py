"""Toolboxes: Docker hosts that belong to a user."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from dtma_wire import toolbox_name


class Toolbox(models.Model):
    """A Docker host with DTMA on it. Everything below "observed" comes from heartbeats alone.

    The row of a deleted one stays, so that its history can be read; no selector of a user's toolboxes finds it.
    """

    class Provider(models.TextChoices):
        THIS_MACHINE = "this_machine", "This machine"
        OWN_SERVER = "own_server", "Own server"
        DIGITAL_OCEAN = "digital_ocean", "DigitalOcean"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="toolboxes")
    name = models.CharField(max_length=63)
    provider = models.CharField(max_length=20, choices=Provider)
    url = models.URLField(blank=True, help_text="Where DTMA answers; empty until it has enrolled.")
    created_at = models.DateTimeField(auto_now_add=True)
    enrolled_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    # observed
    last_seen_at = models.DateTimeField(null=True, blank=True)
    epoch = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    info = models.JSONField(default=dict, blank=True, help_text="The host facts of the last heartbeat (`dtma_wire.HostInfo`).")
    load = models.JSONField(default=dict, blank=True, help_text="How busy it was then (`dtma_wire.HostLoad`).")
    orphans = models.JSONField(default=list, blank=True, help_text="Containers that no server of it owns (`dtma_wire.Orphan`).")
    skew_seconds = models.FloatField(default=0, help_text="How far its clock was ahead of ours then.")
    shown_silent = models.BooleanField(default=True, help_text="Whether pages were last told that it is silent.")

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "toolboxes"
        constraints = (
            models.UniqueConstraint("owner", Lower("name"), condition=models.Q(deleted_at=None), name="toolbox_name_unique_for_owner"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def identity(self) -> str:
        """The name that its certificates are made out to."""
        return toolbox_name(str(self.pk))

    def is_silent(self, now: datetime | None = None) -> bool:
        """Whether three heartbeats were missed, or its certificates were revoked: then nothing about its servers is known."""
        return self.enrolled_at is None or self.last_seen_at is None or (now or timezone.now()) - self.last_seen_at > silence_after()

    @property
    def engine_problem(self) -> str:
        """Why its container engine does not answer, as last reported; empty if it does."""
        return str(self.info.get("engine_problem", ""))


def silence_after() -> timedelta:
    """How long a toolbox may be quiet before it counts as silent."""
    return timedelta(seconds=3 * settings.HEARTBEAT_SECONDS)
