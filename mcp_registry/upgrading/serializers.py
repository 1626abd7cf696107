"""The REST shapes of upgrades."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mcp_registry.models import Upgrade
from mcp_registry.serializers import DeploymentSerializer, plain_config


class UpgradeRequestSerializer(serializers.Serializer[Any]):
    """To which version, with what, and how."""

    version = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=255, help_text="Any of the entry's; the newest when left out."
    )
    config = serializers.DictField(required=False, default=dict, child=serializers.JSONField(), help_text="Added to what is set.")
    secrets = serializers.DictField(required=False, default=dict, child=serializers.CharField(trim_whitespace=False, allow_blank=True))
    ask = serializers.BooleanField(required=False, default=True, help_text="Wait for `approve` where a tool is gone or changed.")
    trial = serializers.BooleanField(required=False, default=True, help_text="Try it beside the old one first.")

    def validate_config(self, config: dict[str, Any]) -> dict[str, str]:
        return plain_config(config)


class OutlineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()


class ChangedPartSerializer(serializers.Serializer[Any]):
    """``lines`` begin with +, -, a space, or @ where some are left out."""

    name = serializers.CharField(help_text="title, description, inputSchema, outputSchema, annotations or other")
    lines = serializers.ListField(child=serializers.CharField())


class ChangedToolSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    parts = ChangedPartSerializer(many=True)


class ChangesSerializer(serializers.Serializer[Any]):
    """What differs between the tools; hidden characters are written as ⟨U+200B⟩."""

    added = OutlineSerializer(many=True)
    removed = OutlineSerializer(many=True)
    changed = ChangedToolSerializer(many=True)
    same = serializers.IntegerField()
    left_out = serializers.IntegerField()


class UpgradeSerializer(serializers.ModelSerializer[Upgrade]):
    """A change to another version: what it has come to, and the trial with its steps."""

    difference = ChangesSerializer(allow_null=True, read_only=True)
    trial = DeploymentSerializer(allow_null=True, read_only=True)

    class Meta:
        model = Upgrade
        fields = ("id", "from_version", "to_version", "status", "problem", "ask", "difference", "trial", "created_at", "finished_at")
