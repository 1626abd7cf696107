"""Tool calls: the receipts, and what each user keeps of them and may spend."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from agents.models.limits import Limits


class ToolCall(models.Model):
    """The receipt of one call: who asked through what, for which tool, with what arguments and what came of it.

    Secrets are masked and long values cut before they are stored. It outlives the server, the agent and the token that it was made with.
    """

    class Via(models.TextChoices):
        API = "api", "REST API"
        FORM = "form", "Try-it form"
        GATEWAY = "gateway", "Gateway"
        CHAT = "chat", "Chat"

    class Status(models.TextChoices):
        WAITING = "waiting", "waits for approval"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        TOOL_ERROR = "tool_error", "the tool reported an error"
        FAILED = "failed", "the call could not be made or got no answer"
        REFUSED = "refused", "refused before it was made"
        CANCELLED = "cancelled", "cancelled by who asked"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tool_calls")
    via = models.CharField(max_length=10, choices=Via)
    agent = models.ForeignKey("agents.Agent", on_delete=models.SET_NULL, null=True, blank=True, related_name="tool_calls", db_index=False)
    agent_name = models.CharField(max_length=100, blank=True, help_text="Empty where the user asked without an agent.")
    token_id = models.BigIntegerField(null=True, blank=True, help_text="Of the API token; it may have been revoked since.")
    token_name = models.CharField(max_length=100, blank=True)
    client = models.CharField(max_length=200, blank=True, help_text="What the MCP client calls itself, as in `claude-code 2.1`.")
    run = models.UUIDField(null=True, blank=True, help_text="What belongs together: a run of the chat, a session of the gateway.")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.SET_NULL, null=True, related_name="tool_calls", db_index=False)
    server_name = models.CharField(max_length=63)
    tool_name = models.CharField(max_length=255)
    definition_digest = models.CharField(max_length=64, blank=True)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField(help_text="When it has ended, whatever happened to the process that made it.")
    queue_ms = models.FloatField(null=True, blank=True, help_text="In Agentopia before the request to DTMA, approval left out.")
    approval_ms = models.FloatField(null=True, blank=True, help_text="Waiting for a person; null where none was asked.")
    duration_ms = models.FloatField(null=True, blank=True, help_text="From the request to DTMA to its answer: network and server.")
    server_ms = models.FloatField(null=True, blank=True, help_text="Of it, from DTMA's request to the server to the server's answer.")
    cpu_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    egress_bytes = models.BigIntegerField(null=True, blank=True)
    cost_shared = models.BooleanField(default=False, help_text="Another call overlapped: the figures are of both.")

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("server", "-created_at"), include=("status", "duration_ms"), name="measured_calls_of_server"),
            models.Index(fields=("user", "-created_at"), name="calls_of_user"),
            models.Index(fields=("agent", "-created_at"), name="calls_of_agent"),
            models.Index(fields=("run", "created_at"), condition=models.Q(run__isnull=False), name="calls_of_run"),
            models.Index(fields=("deadline",), condition=models.Q(status__in=("running", "waiting")), name="running_tool_calls"),
        )

    def __str__(self) -> str:
        return f"{self.server_name}.{self.tool_name}"


class CallPolicy(Limits):
    """What one user keeps of receipts and may spend on calls, whichever way they are made. A user without one has the defaults."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="call_policy", primary_key=True)
    keep_days = models.PositiveIntegerField(
        default=90, validators=[MinValueValidator(1), MaxValueValidator(3650)], help_text="Older receipts are deleted."
    )

    class Meta:
        verbose_name_plural = "call policies"

    def __str__(self) -> str:
        return f"calls of {self.user}"
