"""Conversations, and the runs that answer in them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F
from django.utils import timezone

TEXT_LIMIT = 100_000


class Conversation(models.Model):
    """What a user and one of the user's agents said to each other."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    agent = models.ForeignKey("agents.Agent", on_delete=models.SET_NULL, null=True, related_name="conversations")
    agent_name = models.CharField(max_length=100, help_text="Kept when the agent is deleted: then it can be read, and not gone on with.")
    title = models.CharField(max_length=200, blank=True, help_text="Empty until the first message, whose beginning it gets.")
    is_renamed = models.BooleanField(default=False, help_text="The title is its owner's own.")
    summary = models.TextField(blank=True, help_text="Of the turns before ``summarised_to``, for the model.")
    summarised_to = models.PositiveIntegerField(default=0, help_text="The number of the last run that the summary covers.")
    pinned_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(default=timezone.now, help_text="Of the last message.")

    class Meta:
        ordering = ("-updated_at",)
        indexes = (
            models.Index(fields=("owner", "-updated_at"), name="conversations_of_owner"),
            models.Index("owner", F("pinned_at").desc(nulls_last=True), F("updated_at").desc(), "id", name="conversations_in_order"),
            GinIndex(fields=("title",), opclasses=("gin_trgm_ops",), name="conversations_by_title"),
        )

    def __str__(self) -> str:
        return self.title or "New conversation"


class Run(models.Model):
    """One turn of a conversation, from the user's message to the final answer. It is work for a worker (see ``agentopia.lib.leases``)."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting", "waits for a person"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled", "stopped by its user"

    ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="Its place in the conversation, from 1; an edited message takes the next number.")
    text = models.TextField(max_length=TEXT_LIMIT, help_text="The user's message.")
    answer = models.TextField(blank=True, help_text="The final text of the agent, as Markdown; part of it where the run did not succeed.")
    replaces = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="replaced_by",
        help_text="The run whose message was edited or asked again.",
    )
    is_superseded = models.BooleanField(
        default=False, help_text="An edit of this or an earlier message took its place: no part of the conversation."
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    messages = models.JSONField(
        default=list, blank=True, help_text="Of this run, as pydantic-ai has them: what was finished, step by step."
    )
    context = models.JSONField(null=True, blank=True, help_text="What was given to the model and why (docs/19-runs.md).")
    provider = models.ForeignKey("chat.ModelProvider", on_delete=models.SET_NULL, null=True, blank=True, related_name="runs")
    model = models.CharField(max_length=200, blank=True, help_text="The one that answered last.")
    requests = models.PositiveIntegerField(default=0, help_text="To the model.")
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, help_text="Null where no price is known.")
    not_before = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("conversation", "number"), name="one_run_per_number"),)
        indexes = (models.Index(fields=("not_before",), condition=models.Q(status__in=("queued", "running")), name="runs_that_are_due"),)

    def __str__(self) -> str:
        return f"{self.conversation} #{self.number}"


class Attachment(models.Model):
    """Something that the user gave with a message: a text or file of the user's, or a resource of a server, as it was read then."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField(help_text="In bytes.")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    uri = models.CharField(max_length=2000, blank=True, help_text="Of a resource.")
    content = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("created_at",)

    def __str__(self) -> str:
        return self.name
