"""Tool calls; agents and their grants come here too."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class ToolCall(models.Model):
    """The receipt of one call: who asked through what, for which tool, with what arguments and what came of it.

    Secrets are masked and long values cut before they are stored. It outlives the server that it was made on.
    """

    class Via(models.TextChoices):
        API = "api", "REST API"
        FORM = "form", "Try-it form"

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        TOOL_ERROR = "tool_error", "the tool reported an error"
        FAILED = "failed", "the call could not be made or got no answer"
        REFUSED = "refused", "refused before it was made"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tool_calls")
    via = models.CharField(max_length=10, choices=Via)
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.SET_NULL, null=True, related_name="tool_calls")
    server_name = models.CharField(max_length=63)
    tool_name = models.CharField(max_length=255)
    definition_digest = models.CharField(max_length=64, blank=True)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deadline = models.DateTimeField(help_text="When it has ended, whatever happened to the process that made it.")
    duration_ms = models.FloatField(null=True, blank=True, help_text="From the request to DTMA to its answer.")

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("server", "-created_at"), name="tool_calls_of_server"),
            models.Index(fields=("deadline",), condition=models.Q(status="running"), name="running_tool_calls"),
        )

    def __str__(self) -> str:
        return f"{self.server_name}.{self.tool_name}"
