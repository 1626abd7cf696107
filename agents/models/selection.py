"""What the selection of tools remembers."""

from __future__ import annotations

from django.db import models


class ToolEmbedding(models.Model):
    """The vector of one tool's text: made once, when the tool is first seen, whoever has a server that offers it."""

    key = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the text and the name of the model.")
    vector = models.BinaryField(help_text="The text's vector and those of its words, as `Read.stored` packs them.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key


class SelectionFeedback(models.Model):
    """That a tool served an agent's request well: requests alike find it sooner. The newest few are kept for each tool."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="selection_feedback")
    server = models.ForeignKey("mcp_registry.McpServer", on_delete=models.CASCADE, related_name="+")
    tool_name = models.CharField(max_length=255)
    request = models.CharField(max_length=500)
    uses = models.PositiveIntegerField(default=1)
    last_used_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-last_used_at",)
        constraints = (
            models.UniqueConstraint(fields=("agent", "server", "tool_name", "request"), name="feedback_once_per_request_and_tool"),
        )

    def __str__(self) -> str:
        return f"{self.tool_name}: {self.request}"
