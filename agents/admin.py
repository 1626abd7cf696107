from __future__ import annotations

from django.contrib import admin

from agentopia.lib.admin import ReadOnlyAdmin, ReadOnlyInline
from agents.models import (
    Agent,
    AgentToken,
    Approval,
    CallPolicy,
    Grant,
    GrantedTool,
    SelectionFeedback,
    StandingApproval,
    ToolCall,
    ToolEmbedding,
)


class GrantInline(ReadOnlyInline[Grant, Agent]):
    model = Grant
    fields = readonly_fields = ("server", "approval", "on_change", "expires_at")


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin[Agent]):
    list_display = ("name", "slug", "owner", "model", "tool_mode", "enabled", "version", "updated_at")
    list_filter = ("enabled", "tool_mode")
    list_select_related = ("owner",)
    search_fields = ("name", "slug", "owner__email")
    inlines = (GrantInline,)


@admin.register(AgentToken)
class AgentTokenAdmin(ReadOnlyAdmin[AgentToken]):
    list_display = ("token", "agent")
    list_select_related = ("token", "agent")


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin[Grant]):
    list_display = ("agent", "server", "approval", "on_change", "expires_at", "created_at")
    list_filter = ("approval", "on_change")
    list_select_related = ("agent", "server")
    search_fields = ("agent__name", "server__name", "agent__owner__email")


@admin.register(GrantedTool)
class GrantedToolAdmin(ReadOnlyAdmin[GrantedTool]):
    list_display = ("name", "grant", "digest", "approval", "pinned", "approved_at")
    list_filter = ("pinned", "approval")
    list_select_related = ("grant__agent", "grant__server")
    search_fields = ("name", "grant__agent__name", "grant__server__name")


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin[ToolCall]):
    list_display = ("created_at", "user", "via", "agent_name", "server_name", "tool_name", "status", "duration_ms")
    list_filter = ("status", "via")
    list_select_related = ("user",)
    search_fields = ("server_name", "tool_name", "agent_name", "user__email")


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin[Approval]):
    list_display = ("created_at", "owner", "call", "status", "decided_at", "decided_by")
    list_filter = ("status",)
    list_select_related = ("owner", "call", "decided_by")
    search_fields = ("owner__email", "call__tool_name", "call__server_name")
    exclude = ("arguments",)


@admin.register(StandingApproval)
class StandingApprovalAdmin(ReadOnlyAdmin[StandingApproval]):
    list_display = ("agent", "server", "tool_name", "expires_at")
    list_select_related = ("agent", "server")


@admin.register(CallPolicy)
class CallPolicyAdmin(ReadOnlyAdmin[CallPolicy]):
    list_display = ("user", "keep_days", "calls_per_minute", "calls_per_day", "cpu_seconds_per_day")
    list_select_related = ("user",)
    search_fields = ("user__email",)


@admin.register(SelectionFeedback)
class SelectionFeedbackAdmin(ReadOnlyAdmin[SelectionFeedback]):
    list_display = ("agent", "server", "tool_name", "uses", "last_used_at")
    list_select_related = ("agent", "server")


@admin.register(ToolEmbedding)
class ToolEmbeddingAdmin(ReadOnlyAdmin[ToolEmbedding]):
    list_display = ("key", "created_at")
    exclude = ("vector",)
