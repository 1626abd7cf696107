"""Attempts to bring a server to its desired state."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class Deployment(models.Model):
    """One attempt, and the record of its work: a worker claims it for as long as its lease runs.

    queued ──claim──▶ running ──▶ succeeded | failed
      ▲                 │
      └── not_before ───┘   (the toolbox does not answer: tried again, with growing pauses)
    queued | running ──▶ superseded, when the user changes the server again
    """

    class Kind(models.TextChoices):
        DEPLOY = "deploy"
        START = "start"
        STOP = "stop"
        RESTART = "restart"
        DELETE = "delete"
        REPAIR = "repair", "repair (the toolbox was not as desired)"
        ADOPT = "adopt", "adopt (it was on the toolbox already)"
        CONFIGURE = "configure"
        ROLLBACK = "rollback", "go back to an earlier generation"
        RESTORE = "restore", "restore a deleted server"
        TRIAL = "trial", "try another version beside it"
        UPGRADE = "upgrade", "switch to another version"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="deployments")
    kind = models.CharField(max_length=10, choices=Kind)
    generation = models.PositiveBigIntegerField()
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    detail = models.TextField(blank=True, help_text="What it waits for, or why it failed, for a person.")
    code = models.CharField(max_length=40, blank=True, help_text="Why it failed, as a word to branch on.")
    attempts = models.PositiveIntegerField(default=0)
    failures_before = models.PositiveSmallIntegerField(
        default=0, help_text="How many in a row failed before it, each repeated when the toolbox reported again."
    )
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("-created_at",), name="newest_deployments"),
            models.Index(fields=("not_before",), condition=models.Q(status__in=("queued", "running")), name="unfinished_deployment"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of generation {self.generation}"

    @property
    def is_active(self) -> bool:
        """Whether work on it goes on or is still to come."""
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)


class DeploymentStep(models.Model):
    """One station of a deployment. Its times are of our clock, whatever the toolbox's shows."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State)
    detail = models.TextField(blank=True)
    fraction = models.FloatField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("deployment", "name"), name="step_unique_in_deployment"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return max(0.0, (self.finished_at - self.started_at).total_seconds()) if self.finished_at else None
