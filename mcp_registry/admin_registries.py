"""Registries in Django admin: added, looked at, asked now, switched off. Everything is written by `services.registries`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.rounds import checked_base
from mcp_registry.models import Registry
from mcp_registry.services import registries

WRITABLE = ("name", "url", "enabled", "interval_minutes")
TOLD = (
    *("state", "problem", "succeeded_at", "taken", "refused", "pages", "entry_count", "round_began_at", "updated_since", "failures"),
    *("not_before", "created_at"),
)


class RegistryForm(forms.ModelForm[Registry]):
    """What an admin may say of a registry."""

    class Meta:
        model = Registry
        fields = WRITABLE

    def clean_url(self) -> str:
        """An address that is asked at all."""
        try:
            return checked_base(self.cleaned_data["url"])
        except InvalidInput as error:
            raise forms.ValidationError(error.message) from None

    def clean_interval_minutes(self) -> int:
        """Often enough to be of use, and not so often as to be a burden."""
        minutes: int = self.cleaned_data["interval_minutes"]
        if not 5 <= minutes <= 60 * 24 * 30:
            raise forms.ValidationError("From 5 minutes to 30 days.")
        return minutes


@admin.register(Registry)
class RegistryAdmin(admin.ModelAdmin[Registry]):
    form = RegistryForm
    list_display = ("name", "url", "enabled", "state", "taken", "refused", "succeeded_at", "first_problem")
    list_filter = ("enabled",)
    search_fields = ("name", "url")
    readonly_fields = TOLD
    actions = ("sync_now", "enable", "disable")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its entries would go with it: one that is not wanted any more is disabled, and its entries are hidden."""
        return False

    def save_model(self, request: HttpRequest, obj: Registry, form: Any, change: bool) -> None:
        registries.save_registry(obj)

    @admin.display(description="state")
    def state(self, registry: Registry) -> str:
        """In a word or two."""
        if not registry.enabled:
            return "disabled"
        if registry.status == Registry.Status.RUNNING:
            return f"reading, page {registry.pages + 1}"
        if registry.failures:
            return f"failed {registry.failures} times in a row"
        return "waiting for its next round" if registry.succeeded_at else "not read yet"

    @admin.display(description="problem")
    def first_problem(self, registry: Registry) -> str:
        """The first line of it."""
        return registry.problem.partition("\n")[0][:200]

    @admin.display(description="entries")
    def entry_count(self, registry: Registry) -> str:
        """How many came from it."""
        offered = registry.entries.filter(withdrawn=False).count()
        return f"{offered} offered, {registry.entries.count() - offered} withdrawn"

    @admin.action(description="Sync now", permissions=("change",))
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Registry]) -> None:
        """Ask them at once."""
        asked = registries.sync_now(queryset)
        level = messages.SUCCESS if asked else messages.WARNING
        self.message_user(request, f"{asked} of {queryset.count()} are asked now. Disabled ones are not.", level)

    @admin.action(description="Enable", permissions=("change",))
    def enable(self, request: HttpRequest, queryset: QuerySet[Registry]) -> None:
        """Ask them again, beginning now."""
        self.message_user(request, f"{registries.enable(queryset, enabled=True)} enabled.")

    @admin.action(description="Disable", permissions=("change",))
    def disable(self, request: HttpRequest, queryset: QuerySet[Registry]) -> None:
        """Ask them no more; their entries stay."""
        self.message_user(request, f"{registries.enable(queryset, enabled=False)} disabled. Their entries stay.")
