"""The REST shapes of entries."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.requests import user_of
from mcp_registry.browsing.entry import figures_of
from mcp_registry.manifest import Manifest, settings_of
from mcp_registry.models import CatalogEntry, EntryVersion
from mcp_registry.services.entries import document_of


class SettingSerializer(serializers.Serializer[Any]):
    """Something that can be set when deploying; secrets go under ``secrets``, everything else under ``config``."""

    key = serializers.CharField()
    description = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]  # the key's name in the registry's own words
    secret = serializers.BooleanField()
    default = serializers.CharField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    format = serializers.CharField()
    kind = serializers.CharField(help_text="What is to be typed: secret, choice, boolean, number, path, url, lines or text.")


class CatalogEntrySerializer(serializers.ModelSerializer[CatalogEntry]):
    """A catalogue entry; ``settings`` are those of its first package."""

    mine = serializers.SerializerMethodField(help_text="Whether you added it yourself.")
    verified = serializers.SerializerMethodField(help_text="Whether an administrator has looked at it.")
    published = serializers.SerializerMethodField(help_text="Whether everybody sees it.")
    settings = serializers.SerializerMethodField()

    class Meta:
        model = CatalogEntry
        fields: tuple[str, ...] = (
            *("id", "name", "slug", "title", "description", "version", "origin", "mine", "published", "verified", "featured"),
            *("deprecated", "deprecation", "category", "tags", "license", "repository_url", "website_url", "runtime", "transport"),
            *("egress", "needs_secret", "one_click", "deployable", "memory_mb", "cpus", "deployed_count", "succeeded_count"),
            *("created_at", "updated_at", "settings", "manifest"),
        )

    def get_mine(self, entry: CatalogEntry) -> bool:
        request = self.context.get("request")
        return entry.owner_id is not None and (request is None or entry.owner_id == user_of(request).pk)

    def get_verified(self, entry: CatalogEntry) -> bool:
        return entry.verified_at is not None

    def get_published(self, entry: CatalogEntry) -> bool:
        return entry.audience is None

    @extend_schema_field(SettingSerializer(many=True))
    def get_settings(self, entry: CatalogEntry) -> Any:
        packages = Manifest.model_validate(entry.manifest).packages
        return SettingSerializer(settings_of(packages[0]) if packages else [], many=True).data


class VersionSerializer(serializers.ModelSerializer[EntryVersion]):
    class Meta:
        model = EntryVersion
        fields = ("version", "published_at")


class ShownToolSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    annotations = serializers.DictField(
        child=serializers.BooleanField(), help_text="What it says of itself (MCP's hints, such as readOnlyHint); nobody has checked it."
    )


class FiguresSerializer(serializers.Serializer[Any]):
    """How first deployments of it ended; null where there is no figure yet."""

    deployed = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    percent = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True, help_text="The median time until it was ready.")
    last_at = serializers.DateTimeField(allow_null=True)


class EntryDetailSerializer(CatalogEntrySerializer):
    """One entry, with its tools as far as they are known (null: not yet), its versions and how its deployments ended."""

    tools = ShownToolSerializer(many=True, allow_null=True, read_only=True)
    versions = VersionSerializer(many=True, read_only=True)
    figures = serializers.SerializerMethodField()
    permissions = serializers.SerializerMethodField(help_text="With which it is deployed.")

    class Meta(CatalogEntrySerializer.Meta):
        fields = (*CatalogEntrySerializer.Meta.fields, "permissions", "tools", "tools_version", "tools_seen_at", "versions", "figures")

    @extend_schema_field(FiguresSerializer)
    def get_figures(self, entry: CatalogEntry) -> Any:
        return FiguresSerializer(figures_of(entry)).data

    @extend_schema_field(serializers.DictField())
    def get_permissions(self, entry: CatalogEntry) -> Any:
        return Manifest.model_validate(document_of(entry)).profile.model_dump(mode="json")
