"""REST: an agent's tools, ranked for a request in words."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agents.models import Grant
from agents.selection.ranking import Ranked, rank
from agents.selectors import agent_for
from agents.toolsets.cache import toolset_of
from agents.toolsets.types import OfferedTool, Toolset

MOST = 500
LONGEST_QUERY = 8_000


class WantedSerializer(serializers.Serializer[Any]):
    query = serializers.CharField(required=False, allow_blank=True, default="", max_length=LONGEST_QUERY)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST, default=20)


class AgentToolSerializer(serializers.Serializer[Any]):
    """A tool that the agent may call under ``name``. ``score``, 1 for the first one, is null without a query, and ``why`` empty."""

    name = serializers.CharField()
    server = serializers.CharField()
    tool = serializers.CharField()
    description = serializers.CharField()
    input_schema = serializers.DictField()
    annotations = serializers.DictField()
    approval = serializers.ChoiceField(choices=Grant.Approval.choices)
    pinned = serializers.BooleanField()
    score = serializers.FloatField(allow_null=True)
    why = serializers.ListField(child=serializers.CharField())


class AgentToolsSerializer(serializers.Serializer[Any]):
    """``count`` is of all tools that the agent may call."""

    count = serializers.IntegerField()
    results = AgentToolSerializer(many=True)


class AgentToolsView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("query", str, description="What is to be done, in words; without it the tools come by their servers' names."),
            OpenApiParameter("limit", int, description=f"20 unless told, {MOST} at most."),
        ],
        responses={200: AgentToolsSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
    )
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's tools, the best ones for a request in words first, with scores and the reasons."""
        agent = agent_for(user_of(request), agent_id)
        wanted = WantedSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        toolset, found = async_to_sync(_found)(agent.pk, wanted.validated_data["query"].strip(), wanted.validated_data["limit"])
        return Response({"count": len(toolset.tools), "results": found})


async def _found(agent_id: UUID, query: str, limit: int) -> tuple[Toolset, list[dict[str, Any]]]:
    toolset = await toolset_of(agent_id)
    if not query:
        return toolset, [_row(tool) for tool in list(toolset.tools.values())[:limit]]
    return toolset, [_row(each.tool, each) for each in await rank(toolset, query, limit)]


def _row(tool: OfferedTool, ranked: Ranked | None = None) -> dict[str, Any]:
    return {
        "name": tool.name,
        "server": tool.server.name,
        "tool": tool.tool_name,
        "description": str(tool.definition.get("description") or ""),
        "input_schema": tool.input_schema,
        "annotations": dict(tool.definition.get("annotations") or {}),
        "approval": tool.approval,
        "pinned": tool.pinned,
        "score": ranked.score if ranked else None,
        "why": ranked.why if ranked else [],
    }
