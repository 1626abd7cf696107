"""REST: what servers ask in the middle of a call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from chat.models import Question
from chat.selectors import question_for, questions_for
from chat.serializers import QuestionSerializer
from chat.services.questions import answer_question

ALL = "all"
STATES = (*Question.Status.values, ALL)


class AnswerSerializer(serializers.Serializer[Any]):
    """``content`` fits the question's schema; it goes with ``accept`` alone."""

    action = serializers.ChoiceField(choices=("accept", "decline", "cancel"))
    content = serializers.DictField(required=False, child=serializers.JSONField(allow_null=True))


class QuestionsView(generics.ListAPIView[Question]):
    serializer_class = QuestionSerializer
    queryset = Question.objects.none()

    def get_queryset(self) -> Any:
        state = self.request.query_params.get("status", Question.Status.WAITING)
        if state not in STATES:
            raise InvalidInput(f"status: It is one of {', '.join(STATES)}.", fields={"status": f"It is one of {', '.join(STATES)}."})
        questions = questions_for(user_of(self.request))
        return questions if state == ALL else questions.filter(status=state)

    @extend_schema(parameters=[OpenApiParameter("status", str, enum=STATES, description="`waiting` unless told.")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What servers ask you, oldest first: what waits for an answer."""
        return super().get(request, *args, **kwargs)


class QuestionView(APIView):
    @extend_schema(responses={200: QuestionSerializer, 404: ErrorSerializer})
    def get(self, request: Request, question_id: UUID) -> Response:
        """One question. What was answered is not kept."""
        return Response(QuestionSerializer(question_for(user_of(request), question_id)).data)


class AnswerView(APIView):
    @extend_schema(
        request=AnswerSerializer, responses={200: QuestionSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
    )
    def post(self, request: Request, question_id: UUID) -> Response:
        """Answer it, say that you will not, or call it off. The run goes on."""
        user = user_of(request)
        question_for(user, question_id)
        wanted = AnswerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        answer_question(user=user, question_id=question_id, action=given["action"], content=given.get("content"))
        return Response(QuestionSerializer(question_for(user, question_id)).data)
