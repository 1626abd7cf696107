"""REST: conversations, and what was said in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from chat.export import KINDS, file_name, streamed
from chat.models import Conversation
from chat.searching import conversations_found, ids_in_order
from chat.selectors import conversation_for, conversations_for, with_newest_run
from chat.serializers import ConversationFieldsSerializer, ConversationSerializer, NewConversationSerializer
from chat.services.conversations import change_conversation, create_conversation, delete_conversation

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
SEARCH = OpenApiParameter("search", str, description="Words, or their beginnings, in the title or in one message with its answer.")
LONGEST_SEARCH = 500


def shown(user: User, conversation_id: UUID) -> Any:
    """One conversation as JSON."""
    conversation_for(user, conversation_id)
    return ConversationSerializer(with_newest_run(conversations_for(user)).get(pk=conversation_id)).data


class ConversationsView(generics.ListAPIView[Conversation]):
    serializer_class = ConversationSerializer
    queryset = Conversation.objects.none()

    def get_queryset(self) -> Any:
        return conversations_found(user_of(self.request), self.request.query_params.get("search", "")[:LONGEST_SEARCH])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Their ids are read first, all at once: to count them and then to read a page would be to search twice.
        ids = self.paginate_queryset(ids_in_order(self.get_queryset())) or []
        rows = with_newest_run(conversations_for(user_of(request))).filter(pk__in=ids)
        return self.get_paginated_response(ConversationSerializer(rows, many=True).data)

    @extend_schema(parameters=[SEARCH])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Your conversations: the pinned ones first, then by their last messages."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=NewConversationSerializer, responses={201: ConversationSerializer, **ERRORS})
    def post(self, request: Request) -> Response:
        """Begin a conversation with one of your agents."""
        wanted = NewConversationSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, given = user_of(request), wanted.validated_data
        made = create_conversation(user=user, agent_id=given["agent"], title=given.get("title", ""))
        return Response(shown(user, made.pk), status=status.HTTP_201_CREATED)


class ConversationView(APIView):
    @extend_schema(responses={200: ConversationSerializer, 404: ErrorSerializer})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """One conversation."""
        return Response(shown(user_of(request), conversation_id))

    @extend_schema(
        request=ConversationFieldsSerializer(partial=True),
        responses={200: ConversationSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
    )
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        """Rename it, pin it, or let go of it."""
        user = user_of(request)
        conversation_for(user, conversation_id)
        wanted = ConversationFieldsSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        change_conversation(user=user, conversation_id=conversation_id, **wanted.validated_data)
        return Response(shown(user, conversation_id))

    @extend_schema(responses={204: None, 404: ErrorSerializer})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete it with all that was said and given in it; what still runs is stopped. The receipts of its calls stay."""
        delete_conversation(user=user_of(request), conversation_id=conversation_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExportView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=list(KINDS), description="Markdown unless told.")],
        responses={
            (200, "text/markdown"): OpenApiResponse(
                OpenApiTypes.STR, description="The conversation, with its tool calls and their receipts."
            ),
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, description="The same for programs (docs/21-chat.md)."),
            400: ErrorSerializer,
            404: ErrorSerializer,
        },
    )
    def get(self, request: Request, conversation_id: UUID) -> StreamingHttpResponse:
        """A conversation as a file, to keep or to show."""
        conversation = conversation_for(user_of(request), conversation_id)
        kind = KINDS.get(request.query_params.get("as", "markdown"))
        if kind is None:
            raise InvalidInput("as: It is markdown or json.", fields={"as": "It is markdown or json."})
        headers = {
            "Content-Disposition": content_disposition_header(True, file_name(conversation, kind)) or "attachment",
            "Content-Type": f"{kind.media_type}; charset=utf-8",
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(streamed(conversation, kind), headers=headers)
