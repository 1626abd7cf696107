"""REST: a server's configuration, its generations, clones, and what is kept of deleted servers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from mcp_registry import selectors
from mcp_registry.configuring.drafts import draft_back, draft_change
from mcp_registry.configuring.serializers import (
    ChangeSerializer,
    CloneSerializer,
    DraftSerializer,
    KeptDataSerializer,
    RevisionSerializer,
    RollbackSerializer,
)
from mcp_registry.models import KeptData, Revision
from mcp_registry.serializers import ServerSerializer
from mcp_registry.services.configuration import configure_server, roll_back
from mcp_registry.services.kept_data import remove_kept_data, restore_server
from mcp_registry.services.servers import clone_server
from toolboxes.selectors import toolbox_for

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


def configure(request: Request, server_id: UUID) -> Response:
    """Carry out a PATCH of a server: 202 where it is deployed anew, 200 where nothing has to be."""
    wanted = ChangeSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    user, data = user_of(request), wanted.validated_data
    draft = configure_server(
        owner=user,
        server_id=server_id,
        change=wanted.change,
        expected_generation=data.get("generation"),
        confirmed=data["confirm"],
    )
    return _server(request, server_id, accepted=draft.changes_something)


class PreviewView(APIView):
    @extend_schema(request=ChangeSerializer, responses={200: DraftSerializer, **ERRORS})
    def post(self, request: Request, server_id: UUID) -> Response:
        """What a PATCH with this body would do. Nothing is changed."""
        wanted = ChangeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        draft = draft_change(selectors.server_for(user_of(request), server_id), wanted.change)
        return Response(DraftSerializer(draft).data)


class RevisionsView(generics.ListAPIView[Revision]):
    """What a server was made from, generation by generation, newest first."""

    serializer_class = RevisionSerializer
    queryset = Revision.objects.none()

    def get_queryset(self) -> Any:
        return selectors.revisions_of(selectors.server_for(user_of(self.request), self.kwargs["server_id"]))


class RollbackView(APIView):
    @extend_schema(request=RollbackSerializer, responses={202: ServerSerializer, **ERRORS})
    def post(self, request: Request, server_id: UUID) -> Response:
        """Make it again from what it was made from at an earlier generation, its secrets of then included."""
        wanted = RollbackSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, data = user_of(request), wanted.validated_data
        draft = roll_back(
            owner=user,
            server_id=server_id,
            generation=data["generation"],
            by=user,
            expected_generation=data.get("seen"),
            confirmed=data["confirm"],
        )
        return _server(request, server_id, accepted=draft.changes_something)


class RollbackPreviewView(APIView):
    @extend_schema(responses={200: DraftSerializer, 404: ErrorSerializer, 409: ErrorSerializer})
    def get(self, request: Request, server_id: UUID, generation: int) -> Response:
        """What going back to this generation would do."""
        server = selectors.server_for(user_of(request), server_id)
        return Response(DraftSerializer(draft_back(server, selectors.revision_of(server, generation))).data)


class CloneView(APIView):
    @extend_schema(request=CloneSerializer, responses={201: ServerSerializer, **ERRORS})
    def post(self, request: Request, server_id: UUID) -> Response:
        """Another server of the same, with its settings and secrets, without its data."""
        wanted = CloneSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, data = user_of(request), wanted.validated_data
        toolbox = toolbox_for(user, data["toolbox"]) if data.get("toolbox") else None
        made = clone_server(owner=user, server_id=server_id, name=data["name"], toolbox=toolbox, force=data["force"])
        return Response(ServerSerializer(selectors.server_for(user, made.pk)).data, status=status.HTTP_201_CREATED)


class KeptDataListView(generics.ListAPIView[KeptData]):
    """What is kept of deleted servers, newest first."""

    serializer_class = KeptDataSerializer
    queryset = KeptData.objects.none()

    def get_queryset(self) -> Any:
        return KeptData.objects.filter(owner=user_of(self.request))


class KeptDataView(APIView):
    @extend_schema(responses={202: ServerSerializer, 404: ErrorSerializer})
    def delete(self, request: Request, server_id: UUID) -> Response:
        """Remove the data for good. The server is `deleting` until its toolbox has confirmed, then it is not found."""
        remove_kept_data(owner=user_of(request), server_id=server_id)
        return _server(request, server_id, accepted=True)


class RestoreView(APIView):
    @extend_schema(request=None, responses={202: ServerSerializer, 404: ErrorSerializer, 409: ErrorSerializer})
    def post(self, request: Request, server_id: UUID) -> Response:
        """Undo a deletion that kept the data: the same id, settings, secrets and volumes."""
        restore_server(owner=user_of(request), server_id=server_id)
        return _server(request, server_id, accepted=True)


def _server(request: Request, server_id: UUID, *, accepted: bool) -> Response:
    code = status.HTTP_202_ACCEPTED if accepted else status.HTTP_200_OK
    return Response(ServerSerializer(selectors.server_for(user_of(request), server_id)).data, status=code)
