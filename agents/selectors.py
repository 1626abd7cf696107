"""Reads; each starts from the user who asks."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from agents.models import ToolCall


def tool_calls_for(user: User) -> QuerySet[ToolCall]:
    """The receipts of this user's calls, newest first."""
    return ToolCall.objects.filter(user=user)
