"""MCP servers: what the user wants of them, and what their toolbox observes."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from mcp_registry.models.revisions import Specification
from toolboxes.models import Toolbox

SERVER_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"


class McpServer(Specification):
    """A catalogue entry deployed on a toolbox, made from the columns of `Specification`.

    Two sides, never mixed: the desired side is changed by the user's actions alone, and every change makes ``generation``
    grow; the observed side is written by `services.observation` alone, from what DTMA reports.
    """

    class Desired(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"
        ABSENT = "absent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mcp_servers")
    toolbox = models.ForeignKey(Toolbox, on_delete=models.PROTECT, related_name="mcp_servers")
    entry = models.ForeignKey("mcp_registry.CatalogEntry", on_delete=models.SET_NULL, null=True, related_name="mcp_servers")
    name = models.CharField(max_length=63, validators=[RegexValidator(SERVER_NAME)])
    created_at = models.DateTimeField(auto_now_add=True)

    # desired
    desired = models.CharField(max_length=10, choices=Desired, default=Desired.RUNNING)
    generation = models.PositiveBigIntegerField(default=1)
    incarnation = models.PositiveBigIntegerField(default=0, help_text="The generation that last asked for a new container.")
    version = models.CharField(max_length=255, blank=True, help_text="That the manifest says.")
    secrets_set_at = models.JSONField(default=dict, blank=True, help_text="By a secret's name: when it was last set (ISO 8601).")
    keep_volumes = models.BooleanField(default=False, help_text="Once it is absent, its data stays on the toolbox.")
    shares_tools = models.BooleanField(default=False, help_text="Its owner lets the catalogue show which tools it has.")
    deployment = models.OneToOneField(
        "mcp_registry.Deployment", on_delete=models.SET_NULL, null=True, editable=False, related_name="+", help_text="The newest one."
    )

    # observed
    phase = models.CharField(max_length=12, default="unknown")
    observed_generation = models.PositiveBigIntegerField(default=0)
    observed_revision = models.BigIntegerField(default=0)
    observed_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    last_log = models.JSONField(default=list, blank=True)
    image = models.CharField(max_length=512, blank=True)
    container = models.CharField(max_length=128, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)
    protocol_version = models.CharField(max_length=20, blank=True)
    server_info = models.JSONField(default=dict, blank=True)
    tools_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "MCP server"
        constraints = (models.UniqueConstraint("owner", "name", name="server_name_unique_for_owner"),)

    def __str__(self) -> str:
        return self.name
