"""Conversations and runs in Django admin: that there are some, how they go and what they cost.

What is said in them is their users' alone, so there are lists only, without titles and texts.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from agentopia.lib.admin import ReadOnlyAdmin
from chat.models import Conversation, ConversationPolicy, Run

UNREAD = ("text", "answer", "messages", "context", "error_message", "conversation__title", "provider__api_key")


class ListOnlyAdmin[M: models.Model](ReadOnlyAdmin[M]):
    """A list, whose rows lead nowhere."""

    list_display_links = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_view_permission(request, obj)


@admin.register(Conversation)
class ConversationAdmin(ListOnlyAdmin[Conversation]):
    list_display = ("id", "owner", "agent_name", "runs_in_it", "created_at", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("owner__email", "agent_name")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).defer("title", "summary").annotate(run_count=Count("runs"))

    @admin.display(description="runs", ordering="run_count")
    def runs_in_it(self, conversation: Any) -> int:
        """How many."""
        return int(conversation.run_count)


@admin.register(ConversationPolicy)
class ConversationPolicyAdmin(ListOnlyAdmin[ConversationPolicy]):
    list_display = ("user", "keep_days")
    list_select_related = ("user",)
    search_fields = ("user__email",)


@admin.register(Run)
class RunAdmin(ListOnlyAdmin[Run]):
    list_display = (
        *("created_at", "owner", "agent", "status", "error_code", "provider", "model"),
        *("requests", "input_tokens", "output_tokens", "cost_usd", "attempts", "ended_at"),
    )
    list_filter = ("status",)
    list_select_related = ("conversation__owner", "provider")
    search_fields = ("conversation__owner__email", "conversation__agent_name", "model", "error_code")
    ordering = ("-created_at",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).defer(*UNREAD)

    @admin.display(ordering="conversation__owner__email")
    def owner(self, run: Run) -> str:
        """Whose conversation it is in."""
        return str(run.conversation.owner)

    @admin.display(ordering="conversation__agent_name")
    def agent(self, run: Run) -> str:
        """With whom."""
        return run.conversation.agent_name
