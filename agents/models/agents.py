"""Agents: instructions, a model, and the grants that say what they may do."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from agents.models.limits import Limits

SLUG = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
INSTRUCTIONS_LIMIT = 20_000


class Agent(Limits):
    """Something that acts for a user: a model in the chat, or an outside MCP client behind the gateway."""

    class ToolMode(models.TextChoices):
        ALL = "all", "All tools"
        SELECTED = "selected", "The best for each request"
        SEARCH = "search", "Found by the model itself"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    slug = models.CharField(
        max_length=63, validators=[RegexValidator(SLUG)], help_text="Its name in the gateway's addresses; unique to its owner."
    )
    instructions = models.TextField(blank=True, max_length=INSTRUCTIONS_LIMIT)
    model = models.CharField(max_length=200, blank=True, help_text="As its provider calls it; empty: the one configured for all.")
    tool_mode = models.CharField(max_length=8, choices=ToolMode, default=ToolMode.ALL)
    top_k = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="How many tools are given for a request."
    )
    enabled = models.BooleanField(default=True)
    version = models.PositiveBigIntegerField(default=1, help_text="Grows with every change of what it may do.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name", "pk")
        constraints = (models.UniqueConstraint(fields=("owner", "slug"), name="agent_slug_unique_to_owner"),)

    def __str__(self) -> str:
        return self.name


class AgentToken(models.Model):
    """That an API token made for agents may be used for this one."""

    token = models.ForeignKey("accounts.ApiToken", on_delete=models.CASCADE, related_name="agent_tokens")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="agent_tokens")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("token", "agent"), name="agent_once_for_a_token"),)

    def __str__(self) -> str:
        return f"{self.token} for {self.agent}"


class Grant(Limits):
    """What one agent may do with one server, and until when."""

    class Approval(models.TextChoices):
        NEVER = "never", "Never ask"
        DESTRUCTIVE = "destructive", "Ask before what may destroy"
        ALWAYS = "always", "Ask before every call"

    class OnChange(models.TextChoices):
        HOLD = "hold", "Hold the tool back until I approve it"
        ACCEPT = "accept", "Accept the change"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="grants")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="grants")
    tools = models.JSONField(null=True, blank=True, help_text="The names of the chosen tools; null: all, with resources and prompts.")
    approval = models.CharField(max_length=12, choices=Approval, default=Approval.DESTRUCTIVE)
    on_change = models.CharField(max_length=8, choices=OnChange, default=OnChange.HOLD)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("server__name",)
        constraints = (models.UniqueConstraint(fields=("agent", "server"), name="one_grant_per_agent_and_server"),)
        indexes = (models.Index(fields=("expires_at",), condition=models.Q(expires_at__isnull=False), name="grants_that_expire"),)

    def __str__(self) -> str:
        return f"{self.agent}: {self.server}"


class GrantedTool(models.Model):
    """One tool under a grant: the definition that counts for it, and the rules of its own. It is kept when the server stops offering it.

    ``digest`` and ``definition`` are those that were approved, by a person or on first sight; the tool is offered while the server's own
    has that digest. One that was never approved has an empty digest.
    """

    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="granted_tools")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, blank=True)
    definition = models.JSONField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Null: on first sight."
    )
    refused_digest = models.CharField(max_length=64, blank=True, help_text="A change that its owner does not want; it stays held.")
    approval = models.CharField(max_length=12, choices=Grant.Approval, blank=True, help_text="Empty: as the grant says.")
    argument_rules = models.JSONField(null=True, blank=True, help_text="A JSON Schema that arguments must fit beside the tool's own.")
    pinned = models.BooleanField(default=False, help_text="Always given to the model, whatever is asked.")

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("grant", "name"), name="tool_once_under_a_grant"),)

    def __str__(self) -> str:
        return self.name
