"""REST: how often a server's tools were called, how that ended and how long it took."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agents.metrics import call_series
from mcp_registry.metrics.api import WINDOW, window_of
from mcp_registry.metrics.series import WINDOWS
from mcp_registry.selectors import server_for


class CallPointSerializer(serializers.Serializer[Any]):
    """The calls that began in one moment. ``refused`` ones were not made and are not among ``calls``; latency is of those answered."""

    at = serializers.DateTimeField()
    calls = serializers.IntegerField()
    tool_errors = serializers.IntegerField(help_text="Of the calls: the tool itself reported an error.")
    failures = serializers.IntegerField(help_text="Of the calls: no answer came.")
    refused = serializers.IntegerField()
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)


class CallMetricsSerializer(serializers.Serializer[Any]):
    """Calls in a window of time, oldest first, one point every ``resolution_seconds``; the last one is not over yet."""

    window = serializers.ChoiceField(choices=list(WINDOWS))
    resolution_seconds = serializers.IntegerField()
    points = CallPointSerializer(many=True)


class CallMetricsView(APIView):
    @extend_schema(responses={200: CallMetricsSerializer, 400: ErrorSerializer, 404: ErrorSerializer}, parameters=[WINDOW])
    def get(self, request: Request, server_id: UUID) -> Response:
        """The calls of a server's tools: counts, errors and latency, every minute of an hour or day, every 10 minutes of a week."""
        server = server_for(user_of(request), server_id)
        window = window_of(request)
        points = [vars(point) for point in call_series(server, window)]
        return Response({"window": window, "resolution_seconds": WINDOWS[window][0].seconds, "points": points})
