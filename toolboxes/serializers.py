"""The REST shapes of toolboxes, their events and their figures."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from toolboxes.metrics import WINDOWS
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.status import State, ToolboxStatus, status_of


class NoteSerializer(serializers.Serializer[Any]):
    """Something about a toolbox that deserves attention though it works; ``kind`` is certificate, disk, clock, version or removal."""

    kind = serializers.CharField()
    text = serializers.CharField()


class ToolboxSerializer(serializers.ModelSerializer[Toolbox]):
    """A toolbox. ``info`` is what it last reported of its host, ``load`` how busy it was then: of now only while it is online or no_engine.

    ``status`` is pending (no host has become it yet), online, unresponsive (three heartbeats were missed), no_engine, revoked or removing.
    """

    status = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField(help_text="Why it is in this status, for a person.")
    since = serializers.SerializerMethodField(help_text="Since when it is unresponsive.")
    notes = serializers.SerializerMethodField()
    certificate_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When the newest certificate ends that counts."
    )

    class Meta:
        model = Toolbox
        fields = (
            "id", "name", "provider", "status", "reason", "since", "notes", "url", "created_at", "enrolled_at", "last_seen_at",
            "certificate_until", "info", "load", "skew_seconds",
        )  # fmt: skip

    def _status(self, toolbox: Any) -> ToolboxStatus:
        if not hasattr(toolbox, "derived"):
            toolbox.derived = status_of(toolbox)
        derived: ToolboxStatus = toolbox.derived
        return derived

    def get_status(self, toolbox: Toolbox) -> State:
        return self._status(toolbox).state

    def get_reason(self, toolbox: Toolbox) -> str:
        return self._status(toolbox).reason

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_since(self, toolbox: Toolbox) -> str | None:
        since = self._status(toolbox).since
        return since.isoformat() if since else None

    @extend_schema_field(NoteSerializer(many=True))
    def get_notes(self, toolbox: Toolbox) -> Any:
        return NoteSerializer(self._status(toolbox).notes, many=True).data


class AddToolboxSerializer(serializers.Serializer[Any]):
    """A toolbox to be added. What a provider asks beyond the name stands beside it, under the names of its form's fields."""

    name = serializers.CharField(max_length=63)
    provider = serializers.CharField(default=Toolbox.Provider.OWN_SERVER.value, help_text="own_server or digital_ocean.")


class EnrollmentSerializer(serializers.Serializer[Any]):
    """A one-time token, shown in this answer and never again, and the command to paste on the machine."""

    token = serializers.CharField()
    command = serializers.CharField()
    expires_at = serializers.DateTimeField()


class EventSerializer(serializers.ModelSerializer[ToolboxEvent]):
    """A line of a toolbox's history; ``kind`` is a word to filter by."""

    class Meta:
        model = ToolboxEvent
        fields = ("at", "kind", "severity", "text")


class PointSerializer(serializers.Serializer[Any]):
    """How busy it was around a moment; all but ``at`` are null where nothing was reported."""

    at = serializers.DateTimeField()
    cpu_percent = serializers.FloatField(allow_null=True)
    load = serializers.FloatField(allow_null=True)
    memory_used_bytes = serializers.IntegerField(allow_null=True)
    disk_used_bytes = serializers.IntegerField(allow_null=True)


class MetricsSerializer(serializers.Serializer[Any]):
    """Figures of a window of time, oldest first, one every ``resolution_seconds``; a size of memory or disk that is not known is null."""

    window = serializers.ChoiceField(choices=list(WINDOWS))
    resolution_seconds = serializers.IntegerField()
    memory_bytes = serializers.IntegerField(allow_null=True)
    disk_bytes = serializers.IntegerField(allow_null=True)
    points = PointSerializer(many=True)
