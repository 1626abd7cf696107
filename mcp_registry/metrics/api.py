"""REST: what a server used, and what happened to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from mcp_registry import selectors
from mcp_registry.metrics import series as metrics

WINDOW = OpenApiParameter("window", str, enum=list(metrics.WINDOWS), description="How far back; an hour unless told.")


class ServerPointSerializer(serializers.Serializer[Any]):
    """What a server used around a moment; all but ``at`` are null where nothing was told. ``cpu_percent`` is of one core."""

    at = serializers.DateTimeField()
    cpu_percent = serializers.FloatField(allow_null=True)
    memory_bytes = serializers.IntegerField(allow_null=True)
    memory_limit_bytes = serializers.IntegerField(allow_null=True)
    received_per_second = serializers.FloatField(allow_null=True, help_text="Bytes over the network.")
    sent_per_second = serializers.FloatField(allow_null=True, help_text="Bytes over the network.")


class ServerMarkSerializer(serializers.Serializer[Any]):
    """Something that happened; ``text`` says it to a person."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=list(metrics.MarkKind))
    count = serializers.IntegerField()
    text = serializers.CharField()


class ServerMetricsSerializer(serializers.Serializer[Any]):
    """Figures of a window of time, oldest first, one every ``resolution_seconds``, and what happened in it."""

    window = serializers.ChoiceField(choices=list(metrics.WINDOWS))
    resolution_seconds = serializers.IntegerField()
    points = ServerPointSerializer(many=True)
    marks = ServerMarkSerializer(many=True)


def window_of(request: Request) -> str:
    """The window that a request asks for; raises `InvalidInput` for an unknown one."""
    window = request.query_params.get("window", "hour")
    if window not in metrics.WINDOWS:
        raise InvalidInput(f"“window” is one of {', '.join(metrics.WINDOWS)}.", fields={"window": "Not one of these."})
    return str(window)


class ServerMetricsView(APIView):
    @extend_schema(responses={200: ServerMetricsSerializer, 400: ErrorSerializer, 404: ErrorSerializer}, parameters=[WINDOW])
    def get(self, request: Request, server_id: UUID) -> Response:
        """What a server used and what happened to it: every minute of the last hour or day, every 10 minutes of a week."""
        server = selectors.server_for(user_of(request), server_id)
        window = window_of(request)
        return Response(
            {  # as the serializer would write it; a day has 1,440 points, for which that would take longer than all else
                "window": window,
                "resolution_seconds": metrics.WINDOWS[window][0].seconds,
                "points": [vars(point) for point in metrics.series(server, window)],
                "marks": [vars(mark) for mark in metrics.marks(server, window)],
            }
        )
