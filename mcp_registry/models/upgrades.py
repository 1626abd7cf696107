"""Changes to another version, tried beside the server before it is touched."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from agentopia.lib.crypto import EncryptedJSONField


class Upgrade(models.Model):
    """A server goes to another version of its entry.

    trying ──ready──▶ (asking ──approved──▶) switching ──ready──▶ done
      │ failed          │ refused               │ failed
      ▼                 ▼                       ▼
    failed           cancelled               rolling_back ──▶ rolled_back
    Any of them ends as ``cancelled`` when the user changes the server otherwise.

    The trial is a server of its own on the toolbox, with the id ``trial_server`` and empty volumes, while the old one goes on.
    """

    class Status(models.TextChoices):
        TRYING = "trying"
        ASKING = "asking", "waiting for a decision"
        SWITCHING = "switching"
        ROLLING_BACK = "rolling_back"
        DONE = "done"
        FAILED = "failed", "failed: the old version was not touched"
        ROLLED_BACK = "rolled_back"
        CANCELLED = "cancelled"

    UNFINISHED = (Status.TRYING, Status.ASKING, Status.SWITCHING, Status.ROLLING_BACK)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="upgrades")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    from_version = models.CharField(max_length=255)
    to_version = models.CharField(max_length=255)
    manifest = models.JSONField()
    package = models.PositiveSmallIntegerField(default=0)
    config = models.JSONField(default=dict, blank=True)
    secrets = EncryptedJSONField(default=dict, blank=True, editable=False)
    ask = models.BooleanField(default=True, help_text="Wait for a decision where a tool is gone or changed.")
    status = models.CharField(max_length=12, choices=Status, default=Status.TRYING)
    trial_server = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    trial_gone = models.BooleanField(default=False, help_text="The toolbox has confirmed that the trial's container is removed.")
    removal_after = models.DateTimeField(default=timezone.now, help_text="When the trial is to be removed, or its removal tried again.")
    trial = models.OneToOneField("mcp_registry.Deployment", on_delete=models.SET_NULL, null=True, related_name="trial_of")
    switch = models.OneToOneField("mcp_registry.Deployment", on_delete=models.SET_NULL, null=True, related_name="switch_of")
    back = models.OneToOneField("mcp_registry.Deployment", on_delete=models.SET_NULL, null=True, related_name="back_of")
    previous_generation = models.PositiveBigIntegerField(null=True, blank=True, help_text="The revision that it would go back to.")
    difference = models.JSONField(null=True, blank=True, help_text="Of the tools: added, removed, changed.")
    problem = models.TextField(blank=True)
    last_log = models.JSONField(default=list, blank=True, help_text="The last lines of a trial that did not become ready.")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("server",),
                condition=models.Q(status__in=("trying", "asking", "switching", "rolling_back")),
                name="one_unfinished_upgrade_of_a_server",
            ),
        )

    def __str__(self) -> str:
        return f"{self.from_version} → {self.to_version}"

    @property
    def is_unfinished(self) -> bool:
        """Whether it goes on, or waits for a decision."""
        return self.status in self.UNFINISHED
