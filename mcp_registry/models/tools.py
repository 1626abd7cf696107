"""Tools, as last discovered."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Lower


class Tool(models.Model):
    """A tool that a server offers; ``digest`` pins its definition (SHA-256 of its canonical JSON)."""

    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="tools")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    definition = models.JSONField(help_text="The MCP `Tool` object, unknown fields kept.")
    digest = models.CharField(max_length=64)
    discovered_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=("server", "name"), name="tool_name_unique_in_server"),)
        indexes = (GinIndex(OpClass(Lower("name"), name="gin_trgm_ops"), name="tool_name_trigrams"),)

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        """The name for people, as MCP ranks it: ``title``, ``annotations.title``, ``name``."""
        annotations = self.definition.get("annotations") or {}
        return str(self.definition.get("title") or annotations.get("title") or self.name)

    @property
    def description(self) -> str:
        return str(self.definition.get("description") or "")

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return dict(self.definition.get("inputSchema") or {"type": "object"})
