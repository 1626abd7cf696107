"""The REST shapes of agents, their grants, and the tools under these."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.models import Agent, Grant
from agents.models.agents import INSTRUCTIONS_LIMIT
from agents.pages.counting import Counts
from agents.toolsets.types import Hold
from mcp_registry.status import Status, status_of

LIMITS = ("calls_per_minute", "calls_per_day", "cpu_seconds_per_day")


class LimitsSerializer(serializers.Serializer[Any]):
    """How much may be called; null: no limit. A day is one of UTC."""

    calls_per_minute = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    calls_per_day = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    cpu_seconds_per_day = serializers.IntegerField(required=False, allow_null=True, min_value=1)


class AgentFieldsSerializer(LimitsSerializer):
    """What can be said of an agent. What is left out stays as it is."""

    name = serializers.CharField(max_length=100)
    slug = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=63,
        help_text="Its name in the gateway's addresses; made from the name where it is left out.",
    )
    instructions = serializers.CharField(required=False, allow_blank=True, max_length=INSTRUCTIONS_LIMIT, trim_whitespace=False)
    model = serializers.CharField(required=False, allow_blank=True, max_length=200, help_text="Empty: the one configured for all.")
    tool_mode = serializers.ChoiceField(choices=Agent.ToolMode.choices, required=False)
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=50)
    enabled = serializers.BooleanField(required=False)


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent. It may call ``tool_count`` tools of ``server_count`` servers; ``held_count`` are held back from it."""

    server_count = serializers.SerializerMethodField()
    tool_count = serializers.SerializerMethodField()
    held_count = serializers.SerializerMethodField()

    class Meta:
        model = Agent
        fields = (
            *("id", "name", "slug", "instructions", "model", "tool_mode", "top_k", "enabled", *LIMITS),
            *("server_count", "tool_count", "held_count", "version", "created_at", "updated_at"),
        )

    def get_server_count(self, agent: Agent) -> int:
        return self._counts(agent).servers

    def get_tool_count(self, agent: Agent) -> int:
        return self._counts(agent).offered

    def get_held_count(self, agent: Agent) -> int:
        return self._counts(agent).held

    def _counts(self, agent: Agent) -> Counts:
        counts: dict[Any, Counts] = self.context["counts"]
        return counts.get(agent.pk, Counts())


class ToolNames(serializers.Field[Any, Any, Any, Any]):
    """``"all"``, or a list of names."""

    def to_internal_value(self, data: Any) -> list[str] | None:
        if data == "all":
            return None
        if isinstance(data, list) and all(isinstance(name, str) for name in data):
            return data
        raise serializers.ValidationError("Give “all”, or a list of the names of tools.")

    def to_representation(self, value: Any) -> Any:
        return value

    def get_attribute(self, instance: Grant) -> Any:
        return "all" if instance.tools is None else instance.tools


class GrantFieldsSerializer(LimitsSerializer):
    """What an agent may do with a server. What is left out stays as it is, or as it usually is."""

    tools = ToolNames(required=False, help_text="“all”, or a list of the names of tools.")
    approval = serializers.ChoiceField(choices=Grant.Approval.choices, required=False)
    on_change = serializers.ChoiceField(choices=Grant.OnChange.choices, required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class NewGrantSerializer(GrantFieldsSerializer):
    server = serializers.CharField(max_length=100, help_text="The server's id or name.")


class GrantSerializer(serializers.ModelSerializer[Grant]):
    """A grant, and how its server is."""

    server_name = serializers.CharField(source="server.name", read_only=True)
    tools = ToolNames(read_only=True)
    status = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="Why the server is in this status, for a person.")

    class Meta:
        model = Grant
        fields = (
            *("id", "agent", "server", "server_name", "status", "reason", "tools", "approval", "on_change", "expires_at", *LIMITS),
            *("created_at", "updated_at"),
        )

    def get_status(self, grant: Grant) -> Status:
        return status_of(grant.server).state

    def get_reason(self, grant: Grant) -> str:
        return status_of(grant.server).reason


class RulesSerializer(serializers.Serializer[Any]):
    """Rules of one tool under a grant. What is left out stays as it is."""

    approval = serializers.ChoiceField(
        choices=Grant.Approval.choices, required=False, allow_blank=True, help_text="Empty: as the grant says."
    )
    argument_rules = serializers.JSONField(required=False, allow_null=True, help_text="A JSON Schema that arguments must fit too.")
    pinned = serializers.BooleanField(required=False)


class GrantedToolSerializer(serializers.Serializer[Any]):
    """A tool under a grant, with the rules of its own. ``hold`` is null where the agent may call it."""

    name = serializers.CharField(source="tool.name")
    title = serializers.CharField(source="tool.title")
    digest = serializers.CharField(source="tool.digest")
    definition = serializers.DictField(source="tool.definition")
    hold = serializers.ChoiceField(choices=[hold.value for hold in Hold], allow_null=True)
    asks_first = serializers.BooleanField(source="asks", help_text="Whether a person is asked before a call.")
    approval = serializers.SerializerMethodField(help_text="Its own; empty: as the grant says.")
    argument_rules = serializers.SerializerMethodField()
    pinned = serializers.SerializerMethodField()

    def get_approval(self, row: Any) -> str:
        return row.granted.approval if row.granted else ""

    def get_argument_rules(self, row: Any) -> dict[str, Any] | None:
        return row.granted.argument_rules if row.granted else None

    def get_pinned(self, row: Any) -> bool:
        return bool(row.granted and row.granted.pinned)


class ChangedPartSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    lines = serializers.ListField(child=serializers.CharField(), help_text="They begin with +, -, a space, or @ where some are left out.")


class FindingSerializer(serializers.Serializer[Any]):
    """Something conspicuous in a definition. Serious ones are reason to hold a tool back."""

    kind = serializers.CharField()
    where = serializers.CharField(help_text="The place in the definition, as `inputSchema.properties.path.description`.")
    sentence = serializers.CharField()
    excerpt = serializers.CharField(help_text="The text, with hidden characters made visible.")
    serious = serializers.BooleanField()


class HeldToolSerializer(serializers.Serializer[Any]):
    """A tool that is held back: what differs from what was approved, and what is conspicuous. ``digest`` names what is decided on."""

    grant = serializers.UUIDField(source="row.connected.grant.pk")
    server = serializers.UUIDField(source="row.connected.server.pk")
    server_name = serializers.CharField(source="row.connected.server.name")
    name = serializers.CharField(source="row.tool.name")
    hold = serializers.ChoiceField(choices=[hold.value for hold in Hold], source="row.hold")
    digest = serializers.CharField(source="row.tool.digest")
    definition = serializers.DictField(source="row.tool.definition")
    changes = ChangedPartSerializer(many=True, source="parts")
    findings = FindingSerializer(many=True)


class DecisionSerializer(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(choices=("approve", "refuse"))
    digest = serializers.CharField(max_length=64, help_text="Of the definition that was looked at.")


class ProbeSerializer(serializers.Serializer[Any]):
    """Whether a server answers: seconds to begin a session, and for an answer in one; what it says of itself."""

    start_seconds = serializers.FloatField(source="start")
    latency_seconds = serializers.FloatField(source="latency")
    name = serializers.CharField()
    version = serializers.CharField()
    protocol = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())
