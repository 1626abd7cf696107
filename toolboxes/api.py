"""REST: toolboxes, their enrolment, events and figures. What removes one is `mcp_registry.on_toolbox.api`: its servers go with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from toolboxes import metrics
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.selectors import described_for, described_toolbox_for, events_of
from toolboxes.serializers import (
    AddToolboxSerializer,
    EnrollmentSerializer,
    EventSerializer,
    MetricsSerializer,
    ToolboxSerializer,
)
from toolboxes.services.adding import add_toolbox
from toolboxes.services.settings import enrol_again
from toolboxes.status import State

STATUSES = [state.value for state in State if state is not State.REMOVED]
ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class ToolboxesView(generics.ListAPIView[Toolbox]):
    serializer_class = ToolboxSerializer
    queryset = Toolbox.objects.none()

    def get_queryset(self) -> Any:
        found = described_for(user_of(self.request)).order_by("name", "pk")
        wanted = self.request.query_params.get("status")
        return found.filter(state=_one_of("status", wanted, STATUSES)) if wanted else found

    @extend_schema(parameters=[OpenApiParameter("status", str, enum=STATUSES)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your toolboxes."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=AddToolboxSerializer, responses={201: ToolboxSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Add a toolbox. It is pending until a host has become it: for your own server, ask for its enrolment next."""
        wanted = AddToolboxSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given: Any = request.data
        user, provider = user_of(request), wanted.validated_data["provider"]
        toolbox = add_toolbox(owner=user, provider=provider, data={**given, "name": wanted.validated_data["name"]})
        return Response(ToolboxSerializer(described_toolbox_for(user, toolbox.pk)).data, status=status.HTTP_201_CREATED)


class ToolboxView(APIView):
    @extend_schema(responses={200: ToolboxSerializer, 404: ErrorSerializer})
    def get(self, request: Request, toolbox_id: UUID) -> Response:
        """One toolbox."""
        return Response(ToolboxSerializer(described_toolbox_for(user_of(request), toolbox_id)).data)


class EnrollmentView(APIView):
    @extend_schema(request=None, responses={201: EnrollmentSerializer, 404: ErrorSerializer, 409: ErrorSerializer})
    def post(self, request: Request, toolbox_id: UUID) -> Response:
        """Make an install command; one that was made before and not used stops working. The host that runs it becomes this toolbox."""
        user = user_of(request)
        made = enrol_again(toolbox=described_toolbox_for(user, toolbox_id), by=user)
        body = EnrollmentSerializer({"token": made.token, "command": made.command, "expires_at": made.expires_at}).data
        return Response(body, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class EventsView(generics.ListAPIView[ToolboxEvent]):
    """What happened to a toolbox, newest first."""

    serializer_class = EventSerializer
    queryset = ToolboxEvent.objects.none()

    def get_queryset(self) -> Any:
        toolbox = described_toolbox_for(user_of(self.request), self.kwargs["toolbox_id"])
        severity = self.request.query_params.get("severity", "")
        return events_of(toolbox, (_one_of("severity", severity, ToolboxEvent.Severity.values),) if severity else ())

    @extend_schema(parameters=[OpenApiParameter("severity", str, enum=ToolboxEvent.Severity.values)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What happened to a toolbox, newest first."""
        return super().get(request, *args, **kwargs)


class MetricsView(APIView):
    @extend_schema(
        responses={200: MetricsSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
        parameters=[OpenApiParameter("window", str, enum=list(metrics.WINDOWS), description="How far back; an hour unless told.")],
    )
    def get(self, request: Request, toolbox_id: UUID) -> Response:
        """How busy a toolbox was, for charts: every 15 s of the last hour, every minute of a day, every 10 minutes of a week or month."""
        toolbox = described_toolbox_for(user_of(request), toolbox_id)
        window = _one_of("window", request.query_params.get("window", "hour"), metrics.WINDOWS)
        body = {
            "window": window,
            "resolution_seconds": metrics.WINDOWS[window][0],
            "memory_bytes": toolbox.info.get("memory_bytes"),
            "disk_bytes": toolbox.info.get("disk_bytes") or None,
            "points": metrics.series(toolbox, window),
        }
        return Response(MetricsSerializer(body).data)


def _one_of(name: str, given: str, known: Any) -> str:
    if given not in known:
        raise InvalidInput(f"“{name}” is one of {', '.join(known)}.", fields={name: "Not one of these."})
    return given
