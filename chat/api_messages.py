"""REST: what is said to an agent, said anew, and stopped."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from chat.api_runs import run_shown
from chat.attaching import LARGEST_BODY, TOO_LARGE, AttachmentsField, new_attachments
from chat.models import Run
from chat.selectors import conversation_for, run_for, said_in, step_for
from chat.serializers import NewTextSerializer, RunSerializer, RunWithStepsSerializer
from chat.services.messages import ask_again, edit_message, retry_step, send_message
from chat.services.runs import stop_run

ERRORS = {400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
STARTED = {201: RunWithStepsSerializer, **ERRORS}


class NewMessageSerializer(NewTextSerializer):
    attachments = AttachmentsField(required=False)


class ArgumentsSerializer(serializers.Serializer[Any]):
    arguments = serializers.DictField(child=serializers.JSONField(allow_null=True))


class MessagesView(generics.ListAPIView[Run]):
    serializer_class = RunSerializer
    queryset = Run.objects.none()
    largest_body, too_large = LARGEST_BODY, TOO_LARGE

    def get_queryset(self) -> Any:
        conversation = conversation_for(user_of(self.request), self.kwargs["conversation_id"])
        return said_in(conversation).prefetch_related("attachments__server")

    @extend_schema(responses={200: RunSerializer(many=True), 404: ErrorSerializer})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What was said, oldest first: of each turn the message and the answer. Messages that were edited are left out."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=NewMessageSerializer, responses={**STARTED, 413: ErrorSerializer})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        """Say something. The answer is the run that works on it; what happens in it comes at its `events/`.

        409 `run_in_progress` while the agent is still at the message before; 413 `too_large` where its files are too much for one.
        """
        user = user_of(request)
        conversation_for(user, conversation_id)
        wanted = NewMessageSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        attached = new_attachments(given.get("attachments", ()))
        return _started(request, send_message(user=user, conversation_id=conversation_id, text=given["text"], attachments=attached))


class EditView(APIView):
    @extend_schema(request=NewTextSerializer, responses=STARTED)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Say it otherwise: a new run takes the place of this one and of all that came after it."""
        user = user_of(request)
        run_for(user, run_id)
        wanted = NewTextSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _started(request, edit_message(user=user, run_id=run_id, text=wanted.validated_data["text"]))


class AgainView(APIView):
    @extend_schema(request=None, responses=STARTED)
    def post(self, request: Request, run_id: UUID) -> Response:
        """Ask the same again: a new run takes the place of this one and of all that came after it."""
        return _started(request, ask_again(user=user_of(request), run_id=run_id))


class CancelView(APIView):
    @extend_schema(request=None, responses={202: RunWithStepsSerializer, 404: ErrorSerializer})
    def post(self, request: Request, run_id: UUID) -> Response:
        """Stop it, and the tool call that it is at. Nothing happens to one that has ended."""
        user = user_of(request)
        stop_run(user=user, run_id=run_id)
        return Response(run_shown(user, run_id), status=status.HTTP_202_ACCEPTED)


class RetryView(APIView):
    @extend_schema(request=ArgumentsSerializer, responses=STARTED)
    def post(self, request: Request, step_id: UUID) -> Response:
        """Make a tool call with other arguments: a new run takes the place of its run, and goes on from there."""
        user = user_of(request)
        step_for(user, step_id)
        wanted = ArgumentsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _started(request, retry_step(user=user, step_id=step_id, arguments=wanted.validated_data["arguments"]))


def _started(request: Request, run: Run) -> Response:
    return Response(run_shown(user_of(request), run.pk), status=status.HTTP_201_CREATED)
