"""What a server was made from at each of its generations, and what is left of a deleted one."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from agentopia.lib.crypto import EncryptedJSONField
from toolboxes.models import Toolbox


class Specification(models.Model):
    """The columns that decide what a server's container is; the same in a server, in its revisions and in what is kept of it."""

    manifest = models.JSONField(help_text="The entry's `server.json` when it was deployed.")
    package = models.PositiveSmallIntegerField(default=0, help_text="Which of the manifest's packages runs.")
    config = models.JSONField(default=dict, blank=True)
    overrides = models.JSONField(
        default=dict, blank=True, help_text="What its owner changed of the permissions: memory_mb, cpus, pids, egress, hosts, restart."
    )
    shared_volumes = models.JSONField(
        default=dict, blank=True, help_text="By a volume of the entry: the name of the toolbox's folder that stands in for it."
    )
    secrets = EncryptedJSONField(default=dict, blank=True, editable=False)

    class Meta:
        abstract = True


class Revision(Specification):
    """What a server was made from, from this generation on; one for each change of it, so that any can be gone back to."""

    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="revisions")
    generation = models.PositiveBigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    summary = models.CharField(max_length=500, help_text="What was changed, for a person; never a secret's value.")

    class Meta:
        ordering = ("-generation",)
        constraints = (models.UniqueConstraint(fields=("server", "generation"), name="revision_unique_in_server"),)

    def __str__(self) -> str:
        return f"generation {self.generation}: {self.summary}"


class KeptData(Specification):
    """A deleted server whose volumes are still on its toolbox: it can be restored under its old id, or its data removed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="The server's own.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="kept_data")
    toolbox = models.ForeignKey(Toolbox, on_delete=models.CASCADE, related_name="kept_data")
    entry = models.ForeignKey("mcp_registry.CatalogEntry", on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=63)
    generation = models.PositiveBigIntegerField()
    deleted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-deleted_at",)
        verbose_name_plural = "kept data"

    def __str__(self) -> str:
        return self.name
