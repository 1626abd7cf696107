"""Reads; each starts from the user who asks."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from agents.models import ToolCall
from mcp_registry.models import McpServer


def tool_calls_for(user: User) -> QuerySet[ToolCall]:
    """The receipts of this user's calls, newest first."""
    return ToolCall.objects.filter(user=user)


def tool_calls_on(user: User, server: McpServer, limit: int = 10) -> list[ToolCall]:
    """The newest receipts of this user's calls on one server."""
    return list(tool_calls_for(user).filter(server=server)[:limit])
