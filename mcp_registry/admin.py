from __future__ import annotations

from django.contrib import admin

from agentopia.lib.admin import ReadOnlyAdmin, ReadOnlyInline
from mcp_registry.models import (
    CatalogEntry,
    Deployment,
    DeploymentStep,
    Drift,
    McpServer,
    Stray,
    Tool,
)


@admin.register(CatalogEntry)
class CatalogEntryAdmin(ReadOnlyAdmin[CatalogEntry]):
    list_display = ("title", "name", "version", "owner", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("title", "name", "description")


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


class StepInline(ReadOnlyInline[DeploymentStep, Deployment]):
    model = DeploymentStep


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin[Deployment]):
    list_display = ("server", "kind", "generation", "status", "attempts", "created_at", "finished_at")
    list_filter = ("status", "kind")
    list_select_related = ("server",)
    search_fields = ("server__name",)
    inlines = (StepInline,)


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
