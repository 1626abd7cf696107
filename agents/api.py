"""REST: calling a tool."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer, error_body
from agents.models import ToolCall
from agents.services import CallFailed, call_tool


class CallRequestSerializer(serializers.Serializer[Any]):
    arguments = serializers.DictField(required=False, default=dict, child=serializers.JSONField(allow_null=True))


class CallAnswerSerializer(serializers.Serializer[Any]):
    """``result`` is the MCP `CallToolResult`, which may say ``isError``; ``call`` names the receipt."""

    call = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ToolCall.Status.choices)
    duration_ms = serializers.FloatField()
    result = serializers.DictField()


class CallErrorSerializer(ErrorSerializer):
    call = serializers.UUIDField()


class CallToolView(APIView):
    @extend_schema(
        request=CallRequestSerializer,
        responses={
            200: CallAnswerSerializer,
            400: CallErrorSerializer,
            404: ErrorSerializer,
            409: CallErrorSerializer,
            502: CallErrorSerializer,
            503: CallErrorSerializer,
        },
    )
    def post(self, request: Request, server_id: UUID, tool: str) -> Response:
        """Call a tool and wait for its result."""
        wanted = CallRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            outcome = call_tool(
                user=user_of(request),
                server_id=server_id,
                tool_name=tool,
                arguments=wanted.validated_data["arguments"],
                via=ToolCall.Via.API,
            )
        except CallFailed as error:
            return Response({**error_body(error), "call": error.receipt_id}, status=error.http_status)
        receipt = outcome.receipt
        return Response({"call": receipt.pk, "status": receipt.status, "duration_ms": receipt.duration_ms, "result": outcome.result})
