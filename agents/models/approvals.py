"""Calls that wait for a person, and what a person allowed for a while."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from agentopia.lib.crypto import EncryptedJSONField


class Approval(models.Model):
    """One call that waits, or waited, for its owner's decision; its receipt is ``call``."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"
        REFUSED = "refused"
        EXPIRED = "expired", "nobody decided in time"
        WITHDRAWN = "withdrawn", "who asked has gone"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    call = models.OneToOneField("agents.ToolCall", on_delete=models.CASCADE, related_name="approval")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="approvals")
    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, null=True, related_name="approvals")
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    reason = models.CharField(max_length=200, help_text="Why a person is asked.")
    arguments = EncryptedJSONField(null=True, help_text="Whole, since they are what is decided on; forgotten once the call has ended.")
    was_edited = models.BooleanField(default=False)
    note = models.CharField(max_length=500, blank=True, help_text="What the owner tells who asked, for a refusal.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    used_at = models.DateTimeField(null=True, blank=True, help_text="When the call was made with it: once.")

    class Meta:
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=("owner", "-created_at"), name="approvals_of_owner"),
            models.Index(fields=("expires_at",), condition=models.Q(status="waiting"), name="waiting_approvals"),
        )

    def __str__(self) -> str:
        return f"{self.call}: {self.status}"


class StandingApproval(models.Model):
    """That an agent's calls of one tool, as defined by ``digest``, need no person until ``expires_at``."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="standing_approvals")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="+")
    tool_name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("tool_name",)
        constraints = (models.UniqueConstraint(fields=("agent", "server", "tool_name"), name="one_standing_approval_per_tool"),)

    def __str__(self) -> str:
        return f"{self.agent}: {self.tool_name}"
