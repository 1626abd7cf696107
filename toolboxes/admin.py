"""Toolboxes in the admin: everything can be looked at, keys cannot."""

from __future__ import annotations

from django.contrib import admin

from agentopia.lib.admin import ReadOnlyAdmin, ReadOnlyInline
from toolboxes.models import (
    Authority,
    Certificate,
    CloudAccount,
    EnrolmentToken,
    Job,
    JobStep,
    Machine,
    Metric,
    RollUp,
    Toolbox,
    ToolboxEvent,
)


@admin.register(Toolbox)
class ToolboxAdmin(ReadOnlyAdmin[Toolbox]):
    list_display = ("name", "owner", "provider", "url", "last_seen_at", "deleted_at")
    list_filter = ("provider",)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email")


@admin.register(Authority)
class AuthorityAdmin(ReadOnlyAdmin[Authority]):
    list_display = ("__str__", "created_at")
    exclude = ("key",)


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin[Certificate]):
    list_display = ("serial", "toolbox", "not_before", "not_after", "revoked_at")
    list_select_related = ("toolbox",)
    search_fields = ("serial", "toolbox__name")


@admin.register(EnrolmentToken)
class EnrolmentTokenAdmin(ReadOnlyAdmin[EnrolmentToken]):
    list_display = ("toolbox", "created_by", "created_at", "expires_at", "used_at", "withdrawn_at")
    list_select_related = ("toolbox", "created_by")
    exclude = ("digest", "public_key")


@admin.register(ToolboxEvent)
class ToolboxEventAdmin(ReadOnlyAdmin[ToolboxEvent]):
    list_display = ("at", "toolbox", "kind", "severity", "text")
    list_filter = ("severity", "kind")
    list_select_related = ("toolbox",)
    search_fields = ("text", "toolbox__name")


class JobStepInline(ReadOnlyInline[JobStep, Job]):
    model = JobStep


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin[Job]):
    list_display = ("created_at", "toolbox", "kind", "status", "attempts", "finished_at")
    list_filter = ("kind", "status")
    list_select_related = ("toolbox",)
    search_fields = ("toolbox__name",)
    inlines = (JobStepInline,)


@admin.register(JobStep)
class JobStepAdmin(ReadOnlyAdmin[JobStep]):
    list_display = ("job", "label", "state", "detail", "started_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("job",)


@admin.register(CloudAccount)
class CloudAccountAdmin(ReadOnlyAdmin[CloudAccount]):
    list_display = ("label", "owner", "provider", "email", "team", "tested_at")
    list_select_related = ("owner",)
    exclude = ("token",)


@admin.register(Machine)
class MachineAdmin(ReadOnlyAdmin[Machine]):
    list_display = ("tag", "toolbox", "account", "reference", "region", "size", "missing_since")
    list_select_related = ("toolbox", "account")
    search_fields = ("tag", "reference", "toolbox__name")


@admin.register(Metric)
class MetricAdmin(ReadOnlyAdmin[Metric]):
    list_display = ("at", "toolbox", "resolution", "cpu_percent", "load", "memory_used_bytes", "disk_used_bytes")
    list_filter = ("resolution",)
    list_select_related = ("toolbox",)
    search_fields = ("toolbox__name",)
    show_full_result_count = False  # there may be thousands for each toolbox


@admin.register(RollUp)
class RollUpAdmin(ReadOnlyAdmin[RollUp]):
    list_display = ("resolution", "until")
