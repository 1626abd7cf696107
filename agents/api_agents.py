"""REST: agents."""

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
from agents.models import Agent
from agents.pages.counting import counts_of
from agents.selectors import agent_for, agents_for
from agents.serializers_agents import AgentFieldsSerializer, AgentSerializer
from agents.services.agents import change_agent, create_agent, delete_agent

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


def shown(agent: Agent) -> Any:
    """One agent as JSON."""
    return AgentSerializer(agent, context={"counts": counts_of([agent.pk])}).data


class AgentsView(generics.ListAPIView[Agent]):
    """The user's agents, by name."""

    serializer_class = AgentSerializer
    queryset = Agent.objects.none()

    def get_queryset(self) -> Any:
        return agents_for(user_of(self.request))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        rows = AgentSerializer(page, many=True, context={"counts": counts_of(agent.pk for agent in page)})
        return self.get_paginated_response(rows.data)

    @extend_schema(request=AgentFieldsSerializer, responses={201: AgentSerializer, 400: ErrorSerializer, 409: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """Make an agent. It may use nothing until servers are connected to it."""
        wanted = AgentFieldsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(shown(create_agent(owner=user_of(request), **wanted.validated_data)), status=status.HTTP_201_CREATED)


class AgentView(APIView):
    @extend_schema(responses={200: AgentSerializer, 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID) -> Response:
        """One agent."""
        return Response(shown(agent_for(user_of(request), agent_id)))

    @extend_schema(request=AgentFieldsSerializer(partial=True), responses={200: AgentSerializer, **ERRORS})
    def patch(self, request: Request, agent_id: UUID) -> Response:
        """Change what is given; it counts from the agent's next call on."""
        user = user_of(request)
        agent_for(user, agent_id)
        wanted = AgentFieldsSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        change_agent(owner=user, agent_id=agent_id, **wanted.validated_data)
        return Response(shown(agent_for(user, agent_id)))  # with the version that it has now

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, agent_id: UUID) -> Response:
        """Delete an agent with its grants; its next call is refused. The receipts of its calls stay."""
        delete_agent(owner=user_of(request), agent_id=agent_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
