"""What happens in a run: its events in their order, the tool calls, and what servers ask the user."""

from __future__ import annotations

import uuid

from django.db import models

from agentopia.lib.crypto import EncryptedJSONField
from chat.models.conversations import Run


class RunEvent(models.Model):
    """Something that happened in a run. The kinds and their data are in docs/19-runs.md."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField(help_text="From 1, without gaps.")
    kind = models.CharField(max_length=30)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("seq",)
        constraints = (models.UniqueConstraint(fields=("run", "seq"), name="one_event_per_place"),)

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Step(models.Model):
    """A tool call in a run, as the model asked for it. What was done is in its receipt."""

    class Status(models.TextChoices):
        PENDING = "pending", "not begun"
        APPROVAL = "approval", "waits for approval"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REFUSED = "refused"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted", "nobody knows whether it had its effect"

    ENDED = (Status.SUCCEEDED, Status.FAILED, Status.REFUSED, Status.CANCELLED, Status.INTERRUPTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField(help_text="Its place in the run, from 1.")
    round = models.PositiveIntegerField(help_text="The model's answer that asked for it, from 1; calls of one round run side by side.")
    tool_call_id = models.CharField(max_length=200, help_text="The model's.")
    name = models.CharField(max_length=200, help_text="As the model knows the tool.")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    server_name = models.CharField(max_length=63, blank=True)
    tool_name = models.CharField(max_length=255, blank=True)
    arguments = models.JSONField(default=dict, help_text="With secrets masked.")
    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    result = models.JSONField(null=True, blank=True, help_text="The MCP CallToolResult, secrets masked, bounded; or null.")
    is_cut = models.BooleanField(default=False, help_text="The model was given a part of the result, with a reference to the whole.")
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    receipt_id = models.UUIDField(null=True, blank=True, help_text="Of the call's last attempt.")
    approval_id = models.UUIDField(null=True, blank=True)
    progress = models.JSONField(null=True, blank=True, help_text="``{progress, total, message}`` as last told.")
    tries = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("run", "number"), name="one_step_per_number"),
            models.UniqueConstraint(fields=("run", "round", "tool_call_id"), name="one_step_per_tool_call"),
        )
        indexes = (models.Index(fields=("approval_id",), condition=models.Q(status="approval"), name="steps_that_wait"),)

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Question(models.Model):
    """What a server asks the user in the middle of a call (MCP elicitation)."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        ANSWERED = "answered"
        DECLINED = "declined"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="questions")
    message = models.TextField()
    schema = models.JSONField(null=True, blank=True, help_text="Of the form (flat, as MCP has it); null where it is a link.")
    url = models.CharField(max_length=2000, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    answer = EncryptedJSONField(null=True, blank=True, help_text="For the server alone; forgotten once it has it.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ("created_at",)

    def __str__(self) -> str:
        return self.message[:80]
