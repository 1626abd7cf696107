"""The making and the removing of toolboxes."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class Job(models.Model):
    """The work of making or removing a toolbox, and its record; a worker claims it for as long as its lease runs (`agentopia.lib.leases`).

    queued ──claim──▶ running ──▶ succeeded | failed
      ▲                 │
      └── not_before ───┘   (a step waits for something, or what it needs does not answer)
    queued | running ──▶ superseded, when the user removes what is being made, or tries again
    """

    class Kind(models.TextChoices):
        CREATE = "create"
        REMOVE = "remove"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    toolbox = models.ForeignKey("toolboxes.Toolbox", on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=10, choices=Kind)
    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    detail = models.TextField(blank=True, help_text="What it waits for, or why it failed, for a person.")
    code = models.CharField(max_length=40, blank=True, help_text="Why it failed, as a word to branch on.")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it was claimed.")
    failures = models.PositiveIntegerField(default=0, help_text="How often in a row it came to nothing.")
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=("not_before",), condition=models.Q(status__in=("queued", "running")), name="unfinished_job"),)
        constraints = (
            models.UniqueConstraint(
                fields=("toolbox",), condition=models.Q(status__in=("queued", "running")), name="one_unfinished_job_per_toolbox"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.toolbox_id}"

    @property
    def is_active(self) -> bool:
        """Whether work on it goes on or is still to come."""
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)


class JobStep(models.Model):
    """One station of a job. All of them are there from the start, those to come as ``waiting``."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=20)
    label = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    detail = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("job", "name"), name="step_unique_in_job"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on, and for one that never began."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at and self.started_at else None
