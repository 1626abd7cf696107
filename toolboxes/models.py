"""Toolboxes: Docker hosts that belong to a user."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from agentopia.lib.crypto import EncryptedJSONField


class Toolbox(models.Model):
    """A Docker host with DTMA on it.

    ``access_token`` is what the control plane shows to DTMA, ``heartbeat_digest`` the SHA-256 of what DTMA shows to the
    control plane: neither end can play the other. Everything below "observed" comes from heartbeats alone.
    """

    class Provider(models.TextChoices):
        THIS_MACHINE = "this_machine", "This machine"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="toolboxes")
    name = models.CharField(max_length=63)
    provider = models.CharField(max_length=20, choices=Provider)
    url = models.URLField(help_text="Where DTMA answers.")
    access_token = EncryptedJSONField(editable=False)
    heartbeat_digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    # observed
    last_seen_at = models.DateTimeField(null=True, blank=True)
    epoch = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    info = models.JSONField(default=dict, blank=True, help_text="The host facts of the last heartbeat.")
    shown_silent = models.BooleanField(default=True, help_text="Whether pages were last told that it is silent.")

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "toolboxes"
        constraints = (models.UniqueConstraint("owner", Lower("name"), name="toolbox_name_unique_for_owner"),)

    def __str__(self) -> str:
        return self.name

    def is_silent(self, now: datetime | None = None) -> bool:
        """Whether three heartbeats were missed: then nothing about its servers is known."""
        return self.last_seen_at is None or (now or timezone.now()) - self.last_seen_at > silence_after()

    @property
    def engine_problem(self) -> str:
        """Why its container engine does not answer, as last reported; empty if it does."""
        return str(self.info.get("engine_problem", ""))


def silence_after() -> timedelta:
    """How long a toolbox may be quiet before it counts as silent."""
    return timedelta(seconds=3 * settings.HEARTBEAT_SECONDS)
