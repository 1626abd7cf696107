from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from agentopia.lib.admin import ReadOnlyAdmin, ReadOnlyInline
from mcp_registry import admin_entries, admin_registries  # noqa: F401 (registers them)
from mcp_registry.models import (
    Deployment,
    DeploymentStep,
    Drift,
    KeptData,
    McpServer,
    Revision,
    ServerMetric,
    ServerRollUp,
    Stray,
    Tool,
    Upgrade,
)


class ToolInline(ReadOnlyInline[Tool, McpServer]):
    model = Tool
    fields = readonly_fields = ("name", "digest", "discovered_at")


@admin.register(McpServer)
class McpServerAdmin(ReadOnlyAdmin[McpServer]):
    list_display = ("name", "owner", "toolbox", "desired", "phase", "generation", "observed_generation", "observed_at")
    list_filter = ("desired", "phase")
    list_select_related = ("owner", "toolbox")
    search_fields = ("name", "owner__email", "toolbox__name")
    exclude = ("secrets",)
    inlines = (ToolInline,)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "entry__id__exact" or super().lookup_allowed(lookup, value, request)


class StepInline(ReadOnlyInline[DeploymentStep, Deployment]):
    model = DeploymentStep


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin[Deployment]):
    list_display = ("server", "kind", "generation", "status", "attempts", "created_at", "finished_at")
    list_filter = ("status", "kind")
    list_select_related = ("server",)
    search_fields = ("server__name",)
    inlines = (StepInline,)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "server__entry__id__exact" or super().lookup_allowed(lookup, value, request)


@admin.register(DeploymentStep)
class DeploymentStepAdmin(ReadOnlyAdmin[DeploymentStep]):
    list_display = ("deployment", "name", "state", "started_at", "finished_at")
    list_filter = ("state", "name")
    list_select_related = ("deployment",)


@admin.register(Tool)
class ToolAdmin(ReadOnlyAdmin[Tool]):
    list_display = ("name", "server", "digest", "discovered_at")
    list_select_related = ("server",)
    search_fields = ("name", "server__name")


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin[Drift]):
    list_display = ("server", "what", "sentence", "at", "repaired_at")
    list_filter = ("what",)
    list_select_related = ("server",)
    search_fields = ("server__name", "sentence")


@admin.register(Stray)
class StrayAdmin(ReadOnlyAdmin[Stray]):
    list_display = ("__str__", "toolbox", "server", "phase", "confirmed", "first_seen_at")
    list_select_related = ("toolbox",)
    search_fields = ("name", "server", "toolbox__name")


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin[Revision]):
    list_display = ("server", "generation", "summary", "by", "at")
    list_select_related = ("server", "by")
    search_fields = ("server__name", "summary")
    exclude = ("secrets",)


@admin.register(KeptData)
class KeptDataAdmin(ReadOnlyAdmin[KeptData]):
    list_display = ("name", "owner", "toolbox", "deleted_at")
    list_select_related = ("owner", "toolbox")
    search_fields = ("name", "owner__email")
    exclude = ("secrets",)


@admin.register(Upgrade)
class UpgradeAdmin(ReadOnlyAdmin[Upgrade]):
    list_display = ("server", "from_version", "to_version", "status", "problem", "created_at", "finished_at")
    list_filter = ("status",)
    list_select_related = ("server",)
    search_fields = ("server__name",)
    exclude = ("secrets",)


@admin.register(ServerMetric)
class ServerMetricAdmin(ReadOnlyAdmin[ServerMetric]):
    list_display = ("server", "resolution", "at", "cpu_percent", "memory_bytes")
    list_filter = ("resolution",)
    list_select_related = ("server",)


@admin.register(ServerRollUp)
class ServerRollUpAdmin(ReadOnlyAdmin[ServerRollUp]):
    list_display = ("resolution", "until")
