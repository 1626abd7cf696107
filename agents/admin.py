from __future__ import annotations

from django.contrib import admin

from agentopia.lib.admin import ReadOnlyAdmin
from agents.models import ToolCall


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin[ToolCall]):
    list_display = ("created_at", "user", "via", "server_name", "tool_name", "status", "duration_ms")
    list_filter = ("status", "via")
    list_select_related = ("user",)
    search_fields = ("server_name", "tool_name", "user__email")
