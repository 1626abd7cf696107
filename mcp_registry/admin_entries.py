"""Entries in Django admin: looked at, and moderated through `services.moderation`; nothing is written past it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.requests import user_of
from agentopia.lib.admin import ReadOnlyAdmin
from agentopia.lib.errors import AgentopiaError, InvalidInput
from mcp_registry.models import CatalogEntry, EntryOutcome, EntryVersion
from mcp_registry.services import moderation

UNREAD = ("manifest", "text", "tools", "tool_names")
"""What no list shows."""


class MessageForm(ActionForm):
    """What goes with an action: for “Deprecate”, what to use instead."""

    message = forms.CharField(
        required=False, label="Message (Deprecate)", widget=forms.TextInput(attrs={"maxlength": moderation.MESSAGE_LIMIT})
    )


class PermissionsForm(forms.ModelForm[CatalogEntry]):
    """The one thing of an entry that is written on its page: the permissions with which it is deployed."""

    permissions = forms.JSONField(
        widget=forms.Textarea(attrs={"rows": 18, "cols": 90, "spellcheck": "false"}),
        help_text="A permission profile as in the document's own (docs/12-catalogue.md): egress, hosts, volumes, memory_mb, cpus …",
    )
    reset = forms.BooleanField(required=False, label="Reset to the document's own")

    class Meta:
        model = CatalogEntry
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        override = self.instance.profile_override
        self.initial["permissions"] = moderation.own_permissions(self.instance) if override is None else override

    def clean_permissions(self) -> dict[str, Any]:
        """Usable ones; what is wrong is said of each part, at the field."""
        try:
            return moderation.checked_permissions(self.cleaned_data["permissions"])
        except InvalidInput as error:
            raise forms.ValidationError([f"{part}: {text}" for part, text in error.fields.items()]) from None


class Verified(admin.EmptyFieldListFilter):
    """Verified or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "verified"

    def choices(self, changelist: Any) -> Any:
        words = ("All", "Not verified", "Verified")
        for word, choice in zip(words, super().choices(changelist), strict=True):
            yield {**choice, "display": word}


@admin.register(CatalogEntry)
class CatalogEntryAdmin(admin.ModelAdmin[CatalogEntry]):
    form = PermissionsForm
    action_form = MessageForm
    list_display = (
        *("title", "name", "version", "origin", "owner", "category", "is_verified", "is_published", "featured", "hidden", "deprecated"),
        *("deployed_count", "success_rate"),
    )
    list_filter = (
        *("origin", ("verified_at", Verified), "featured", "hidden", "deprecated", "withdrawn", "deployable", "runtime", "egress"),
        *("category", "registry"),
    )
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("title", "name", "description")
    search_help_text = "Words of the title, name or description"
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("title", "name", "description", "version", "origin", "owner", "registry", "links")}),
        ("Permissions", {"fields": ("permissions", "reset")}),
        (
            "Moderation",
            {"fields": ("verified_at", "verified_by", "published_at", "featured", "hidden", "deprecated", "deprecation", "withdrawn")},
        ),
        ("Measured", {"fields": ("deployed_count", "succeeded_count", "success_rate", "tools_version", "tools_seen_at", "tools")}),
        ("Document", {"classes": ("collapse",), "fields": ("category", "tags", "license", "repository_url", "website_url", "manifest")}),
        ("Times", {"fields": ("created_at", "updated_at")}),
    )
    actions = (
        *("verify", "unverify", "publish", "unpublish", "hide", "unhide", "feature", "unfeature"),
        *("deprecate", "undeprecate"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All but the permissions."""
        named = (str(name) for _, options in self.fieldsets for name in options["fields"])
        return tuple(name for name in named if name not in ("permissions", "reset"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[CatalogEntry]:
        entries = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "mcp_registry_catalogentry_changelist"
        return entries.defer(*UNREAD) if is_list else entries

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: CatalogEntry, form: Any, change: bool) -> None:
        """Through the service, which knows whether anything changed, and records it."""
        profile = None if form.cleaned_data["reset"] else form.cleaned_data["permissions"]
        moderation.set_permissions(entry_id=obj.pk, profile=profile)

    @admin.display(description="Verified", boolean=True, ordering="verified_at")
    def is_verified(self, entry: CatalogEntry) -> bool:
        return entry.verified_at is not None

    @admin.display(description="Seen by all", boolean=True)
    def is_published(self, entry: CatalogEntry) -> bool:
        return entry.audience is None

    @admin.display(description="Became ready")
    def success_rate(self, entry: CatalogEntry) -> str:
        """Of those that ended; nothing before there is one."""
        return f"{100 * entry.succeeded_count / entry.deployed_count:.0f} %" if entry.deployed_count else "–"

    @admin.display(description="See also")
    def links(self, entry: CatalogEntry) -> SafeString:
        """Its page, its servers and deployments, how they ended, its versions."""
        outcomes, versions = reverse("admin:mcp_registry_entryoutcome_changelist"), reverse("admin:mcp_registry_entryversion_changelist")
        servers = reverse("admin:mcp_registry_mcpserver_changelist")
        deployments = reverse("admin:mcp_registry_deployment_changelist")
        return format_html(
            '<a href="{}">Its page</a> · <a href="{}?entry__id__exact={}">{} servers</a> · <a href="{}?server__entry__id__exact={}">'
            'Deployments</a> · <a href="{}?entry__id__exact={}">First deployments: {}</a> · '
            '<a href="{}?entry__id__exact={}&succeeded__exact=0">Failures: {}</a> · <a href="{}?entry__id__exact={}">{} versions</a>',
            *(reverse("catalog:entry", args=(entry.pk,)), servers, entry.pk, entry.mcp_servers.count(), deployments, entry.pk),
            *(outcomes, entry.pk, entry.deployed_count, outcomes, entry.pk, entry.deployed_count - entry.succeeded_count),
            *(versions, entry.pk, entry.versions.count()),
        )

    @admin.action(description="Verify")
    def verify(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.verify_entry(entry_id=pk, by=user_of(request)), "verified")

    @admin.action(description="Take the verification back")
    def unverify(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.unverify_entry(entry_id=pk), "no longer verified")

    @admin.action(description="Publish (a user's own)")
    def publish(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.publish_entry(entry_id=pk), "published")

    @admin.action(description="Unpublish")
    def unpublish(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.unpublish_entry(entry_id=pk), "shown to the owner alone")

    @admin.action(description="Hide")
    def hide(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.hide_entry(entry_id=pk), "hidden")

    @admin.action(description="Offer again (unhide)")
    def unhide(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.unhide_entry(entry_id=pk), "offered again")

    @admin.action(description="Feature")
    def feature(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.feature_entry(entry_id=pk), "featured")

    @admin.action(description="Feature no longer")
    def unfeature(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.unfeature_entry(entry_id=pk), "no longer featured")

    @admin.action(description="Deprecate, with the message")
    def deprecate(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        message = request.POST.get("message", "")
        self._each(request, entries, lambda pk: moderation.deprecate_entry(entry_id=pk, message=message), "deprecated")

    @admin.action(description="Deprecate no longer")
    def undeprecate(self, request: HttpRequest, entries: QuerySet[CatalogEntry]) -> None:
        self._each(request, entries, lambda pk: moderation.undeprecate_entry(entry_id=pk), "no longer deprecated")

    def _each(self, request: HttpRequest, entries: QuerySet[CatalogEntry], act: Callable[[Any], bool], word: str) -> None:
        done = 0
        for pk in entries.values_list("pk", flat=True):
            try:
                done += act(pk)
            except AgentopiaError as error:
                self.message_user(request, error.message, messages.ERROR)
        self.message_user(request, f"{done} of {len(entries)} {'is' if done == 1 else 'are'} now {word}.", messages.SUCCESS)


@admin.register(EntryVersion)
class EntryVersionAdmin(ReadOnlyAdmin[EntryVersion]):
    list_display = ("entry", "version", "published_at")
    list_select_related = ("entry",)
    search_fields = ("entry__name", "entry__title", "version")
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "entry__id__exact" or super().lookup_allowed(lookup, value, request)


@admin.register(EntryOutcome)
class EntryOutcomeAdmin(ReadOnlyAdmin[EntryOutcome]):
    list_display = ("entry", "version", "succeeded", "code", "seconds", "at")
    list_filter = ("succeeded", "code", "at")
    list_select_related = ("entry",)
    search_fields = ("entry__name", "entry__title", "detail")
    date_hierarchy = "at"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "entry__id__exact" or super().lookup_allowed(lookup, value, request)
