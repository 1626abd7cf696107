"""REST: what agents may do with servers, and the rules of single tools."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import NotFound
from agents.models import Grant
from agents.pages.held import explained
from agents.pages.probing import probe
from agents.pages.tool_list import GrantedServer, connected_servers, granted_tools, held_tools, rows_of
from agents.pinning.decisions import approve_change, refuse_change
from agents.selectors import agent_for, grants_for
from agents.serializers_agents import (
    DecisionSerializer,
    GrantedToolSerializer,
    GrantFieldsSerializer,
    GrantSerializer,
    HeldToolSerializer,
    NewGrantSerializer,
    ProbeSerializer,
    RulesSerializer,
)
from agents.services.grants import change_grant, grant, revoke_grant, set_tool_rules
from mcp_registry.models import McpServer
from mcp_registry.selectors import server_for, servers_for
from mcp_registry.status import status_of

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
DECISIONS = {"approve": approve_change, "refuse": refuse_change}


def grant_of(user: User, agent_id: UUID, grant_id: UUID) -> Grant:
    """One of the agent's grants; raises `NotFound`."""
    found = grants_for(user).filter(agent=agent_id, pk=grant_id).first()
    if found is None:
        raise NotFound("The agent has no such grant; it may have been revoked.", code="grant_not_found")
    return found


def _server(user: User, key: str) -> McpServer:
    """By id or name; raises `NotFound`."""
    return servers_for(user).filter(name=key).first() or server_for(user, key)


class GrantsView(generics.ListAPIView[Grant]):
    """What an agent may use, by the servers' names."""

    serializer_class = GrantSerializer
    queryset = Grant.objects.none()

    def get_queryset(self) -> Any:
        user = user_of(self.request)
        return grants_for(user).filter(agent=agent_for(user, self.kwargs["agent_id"]))

    @extend_schema(request=NewGrantSerializer, responses={201: GrantSerializer, **ERRORS})
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Connect a server. Its tools as they are defined now may be called from the next call on."""
        user = user_of(request)
        agent_for(user, agent_id)
        wanted = NewGrantSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        fields = dict(wanted.validated_data)
        server = _server(user, fields.pop("server"))
        made = grant(owner=user, agent_id=agent_id, server_id=server.pk, **fields)
        return Response(GrantSerializer(grant_of(user, agent_id, made.pk)).data, status=status.HTTP_201_CREATED)


class GrantView(APIView):
    @extend_schema(responses={200: GrantSerializer, 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID, grant_id: UUID) -> Response:
        """One grant."""
        return Response(GrantSerializer(grant_of(user_of(request), agent_id, grant_id)).data)

    @extend_schema(request=GrantFieldsSerializer, responses={200: GrantSerializer, **ERRORS})
    def patch(self, request: Request, agent_id: UUID, grant_id: UUID) -> Response:
        """Change what is given; it counts from the next call on."""
        user = user_of(request)
        grant_of(user, agent_id, grant_id)
        wanted = GrantFieldsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        change_grant(owner=user, grant_id=grant_id, **wanted.validated_data)
        return Response(GrantSerializer(grant_of(user, agent_id, grant_id)).data)

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, agent_id: UUID, grant_id: UUID) -> Response:
        """Disconnect the server: the next call is refused."""
        user = user_of(request)
        revoke_grant(owner=user, grant_id=grant_of(user, agent_id, grant_id).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GrantTestView(APIView):
    @extend_schema(request=None, responses={200: ProbeSerializer, 404: ErrorSerializer, 502: ErrorSerializer, 503: ErrorSerializer})
    def post(self, request: Request, agent_id: UUID, grant_id: UUID) -> Response:
        """Ask the server how quickly it answers and what it can do. No tool is called."""
        return Response(ProbeSerializer(probe(grant_of(user_of(request), agent_id, grant_id).server)).data)


class GrantedToolsView(generics.ListAPIView[Any]):
    """The tools under a grant, held back or not, with their rules; in the server's order."""

    serializer_class = GrantedToolSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = grant_of(user_of(request), self.kwargs["agent_id"], self.kwargs["grant_id"])
        connected = [GrantedServer(found, status_of(found.server))]
        page = self.paginate_queryset(granted_tools(connected)) or []
        return self.get_paginated_response(GrantedToolSerializer(rows_of(found.agent, connected, page), many=True).data)


class GrantedToolView(APIView):
    @extend_schema(request=RulesSerializer, responses={200: GrantedToolSerializer, **ERRORS})
    def patch(self, request: Request, agent_id: UUID, grant_id: UUID, name: str) -> Response:
        """Set rules of one tool; they count from the next call on."""
        user = user_of(request)
        found = grant_of(user, agent_id, grant_id)
        wanted = RulesSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        set_tool_rules(owner=user, grant_id=grant_id, name=name, **wanted.validated_data)
        connected = [GrantedServer(found, status_of(found.server))]
        rows = rows_of(found.agent, connected, granted_tools(connected).filter(name=name))
        return Response(GrantedToolSerializer(rows[0]).data if rows else {})


class HeldToolsView(generics.ListAPIView[Any]):
    """The agent's tools that are held back until somebody decides on them."""

    serializer_class = HeldToolSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        agent = agent_for(user_of(request), self.kwargs["agent_id"])
        servers = [connected for connected in connected_servers(agent) if not connected.has_ended]
        page = self.paginate_queryset(held_tools(agent, servers)) or []
        return self.get_paginated_response(HeldToolSerializer(explained(agent, rows_of(agent, servers, page)), many=True).data)


class HeldToolView(APIView):
    @extend_schema(request=DecisionSerializer, responses={204: None, **ERRORS})
    def post(self, request: Request, agent_id: UUID, grant_id: UUID, name: str) -> Response:
        """Approve or refuse a definition. 409 where it is not the one that was looked at any more."""
        user = user_of(request)
        grant_of(user, agent_id, grant_id)
        wanted = DecisionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        DECISIONS[data["decision"]](owner=user, grant_id=grant_id, name=name, digest=data["digest"])
        return Response(status=status.HTTP_204_NO_CONTENT)
