"""The REST shapes of entries, servers, deployments and tools."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mcp_registry.models import (
    Deployment,
    DeploymentStep,
    McpServer,
    Tool,
)
from mcp_registry.status import Status, status_of
from mcp_registry.upgrading.offers import update_of


class DeployRequestSerializer(serializers.Serializer[Any]):
    """What to deploy where."""

    entry = serializers.CharField(help_text="An entry's id, full name or slug.")
    toolbox = serializers.CharField(required=False, allow_null=True, help_text="A toolbox's id or name. Left out: where it fits best.")
    force = serializers.BooleanField(required=False, default=False, help_text="Deploy to the named toolbox though it does not fit there.")
    name = serializers.CharField(required=False, allow_blank=True, default="", help_text="Made from the entry's name when left out.")
    version = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=255, help_text="Another version of the entry than the newest."
    )
    shares_tools = serializers.BooleanField(
        required=False, default=False, help_text="Let the entry's page show which tools this server has; never its settings."
    )
    package = serializers.IntegerField(required=False, default=0, min_value=0, help_text="Which of the entry's packages, counted from 0.")
    config = serializers.DictField(required=False, default=dict, child=serializers.JSONField())
    secrets = serializers.DictField(required=False, default=dict, child=serializers.CharField(trim_whitespace=False))
    shared_volumes = serializers.DictField(
        required=False,
        default=dict,
        child=serializers.CharField(),
        help_text="By a volume of the entry: the name of a folder that servers of the toolbox share instead of it.",
    )

    def validate_config(self, config: dict[str, Any]) -> dict[str, str]:
        return plain_config(config)


def plain_config(config: dict[str, Any]) -> dict[str, str]:
    """Settings as texts; raises `ValidationError` for what can be none."""
    plain: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, (dict, list)) or value is None:
            raise serializers.ValidationError(f"{key}: give a text, a number or true/false.")
        plain[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return plain


class StepSerializer(serializers.ModelSerializer[DeploymentStep]):
    seconds = serializers.FloatField(allow_null=True, read_only=True)

    class Meta:
        model = DeploymentStep
        fields = ("name", "state", "detail", "fraction", "started_at", "finished_at", "seconds")


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    steps = StepSerializer(many=True, read_only=True)

    class Meta:
        model = Deployment
        fields = ("id", "kind", "generation", "status", "detail", "code", "attempts", "created_at", "finished_at", "steps")


class ServerSerializer(serializers.ModelSerializer[McpServer]):
    """A server: what is wanted of it (``desired``, ``generation``) and what its toolbox observes."""

    status = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="Why it is in this status, for a person.")
    toolbox = serializers.UUIDField(source="toolbox_id", read_only=True)
    entry = serializers.UUIDField(source="entry_id", read_only=True, allow_null=True)
    secrets = serializers.SerializerMethodField(help_text="The names of the secrets that are set; never their values.")
    available_version = serializers.SerializerMethodField(help_text="The entry's newest version where the server has another; else empty.")

    class Meta:
        model = McpServer
        fields = (
            "id", "name", "status", "reason", "toolbox", "entry", "version", "available_version",
            "package", "config", "secrets", "secrets_set_at", "shared_volumes", "overrides", "shares_tools", "desired", "generation",
            "phase", "observed_generation", "observed_at", "exit_code", "last_log", "image", "container", "started_at", "restarts",
            "protocol_version", "server_info", "created_at",
        )  # fmt: skip

    def get_status(self, server: McpServer) -> Status:
        return status_of(server).state

    def get_available_version(self, server: McpServer) -> str:
        return update_of(server)

    def get_reason(self, server: McpServer) -> str:
        return status_of(server).reason

    def get_secrets(self, server: McpServer) -> list[str]:
        return sorted(server.secrets)


class ToolSerializer(serializers.ModelSerializer[Tool]):
    """A tool; ``definition`` is the MCP object as the server gave it."""

    description = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    input_schema = serializers.JSONField(read_only=True)

    class Meta:
        model = Tool
        fields = ("name", "title", "description", "input_schema", "definition", "digest", "discovered_at")


class LogLineSerializer(serializers.Serializer[Any]):
    ts = serializers.DateTimeField()
    stream = serializers.ChoiceField(choices=("stdout", "stderr", "dtma"))
    text = serializers.CharField()
