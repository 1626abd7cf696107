"""The REST shapes of conversations, their runs, and what happens in these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.models import Approval
from chat.models import Attachment, Conversation, Question, Run, Step
from chat.models.conversations import TEXT_LIMIT
from chat.services.conversations import LONGEST_TITLE


class NewConversationSerializer(serializers.Serializer[Any]):
    agent = serializers.UUIDField(help_text="The id of one of your agents.")
    title = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_TITLE, help_text="Else the first message's beginning."
    )


class ConversationFieldsSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    title = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_TITLE, help_text="Empty: the first message's beginning."
    )
    pinned = serializers.BooleanField(required=False)


class NewestRunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Run.Status.choices)


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    """A conversation. ``agent`` is null where that was deleted: then it can be read, and not gone on with."""

    pinned = serializers.SerializerMethodField()
    newest_run = serializers.SerializerMethodField()

    class Meta:
        model = Conversation
        fields = ("id", "agent", "agent_name", "title", "pinned", "newest_run", "created_at", "updated_at")

    def get_pinned(self, conversation: Conversation) -> bool:
        return conversation.pinned_at is not None

    @extend_schema_field(NewestRunSerializer(allow_null=True))
    def get_newest_run(self, conversation: Any) -> dict[str, Any] | None:
        if conversation.newest_run_id is None:
            return None
        return {"id": str(conversation.newest_run_id), "status": conversation.newest_run_status}


class AttachmentSerializer(serializers.ModelSerializer[Attachment]):
    """What was given with a message; its content has an address of its own."""

    class Meta:
        model = Attachment
        fields = ("id", "name", "media_type", "size", "server", "uri")


class RunSerializer(serializers.ModelSerializer[Run]):
    """One turn: a message and what the agent answered, as Markdown. ``cost_usd`` is null where no price is known."""

    attachments = AttachmentSerializer(many=True)
    stopping = serializers.SerializerMethodField(help_text="It was told to stop, and has not yet.")

    class Meta:
        model = Run
        fields = (
            *("id", "conversation", "number", "text", "attachments", "answer", "status", "stopping", "error_code", "error_message"),
            *("replaces", "is_superseded", "provider", "model", "requests", "input_tokens", "output_tokens", "cost_usd"),
            *("created_at", "started_at", "ended_at"),
        )

    def get_stopping(self, run: Run) -> bool:
        return run.cancel_requested_at is not None and run.status not in Run.ENDED


class WaitsSerializer(serializers.Serializer[Any]):
    """The approval of a step: what a person said, or has to say until ``expires_at`` at one of the two addresses."""

    id = serializers.UUIDField()
    call = serializers.UUIDField(help_text="The receipt of the call that waits.")
    status = serializers.ChoiceField(choices=Approval.Status.choices)
    reason = serializers.CharField()
    expires_at = serializers.DateTimeField()
    approve = serializers.CharField(help_text="POST here, `{arguments, remember_seconds}`.")
    refuse = serializers.CharField(help_text="POST here, `{note}`.")


class RunStepSerializer(serializers.ModelSerializer[Step]):
    """A tool call as the model asked for it. ``receipt`` names what was done; ``is_cut``: the model was given a part of the result."""

    receipt = serializers.UUIDField(source="receipt_id", allow_null=True)
    approval = serializers.SerializerMethodField()

    class Meta:
        model = Step
        fields = (
            *("id", "number", "round", "name", "server", "server_name", "tool_name", "arguments", "status", "approval", "progress"),
            *("result", "is_cut", "error_code", "error_message", "receipt", "tries", "started_at", "ended_at"),
        )

    @extend_schema_field(WaitsSerializer(allow_null=True))
    def get_approval(self, step: Step) -> dict[str, Any] | None:
        approval = self.context["approvals"].get(step.approval_id)
        return None if approval is None else WaitsSerializer(approval).data


class QuestionSerializer(serializers.ModelSerializer[Question]):
    """What a server asks you: fill in the form of ``schema``, or go to ``url``. Its answer is for the server alone."""

    run = serializers.UUIDField(source="step.run_id")
    conversation = serializers.UUIDField(source="step.run.conversation_id")
    server_name = serializers.CharField(source="step.server_name")
    tool_name = serializers.CharField(source="step.tool_name")

    class Meta:
        model = Question
        fields = (
            *("id", "conversation", "run", "step", "server_name", "tool_name", "message", "schema", "url", "status"),
            *("created_at", "expires_at"),
        )


class RunWithStepsSerializer(RunSerializer):
    """The same with its tool calls, what servers ask in it, and what was given to the model and why (``context``)."""

    steps = serializers.SerializerMethodField()
    questions = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "context", "steps", "questions")  # type: ignore[assignment]  # one longer

    @extend_schema_field(RunStepSerializer(many=True))
    def get_steps(self, run: Run) -> Any:
        steps = list(run.steps.all())
        return RunStepSerializer(steps, many=True, context={"approvals": approvals_of(step.approval_id for step in steps)}).data

    @extend_schema_field(QuestionSerializer(many=True))
    def get_questions(self, run: Run) -> Any:
        asked = Question.objects.filter(step__run=run).select_related("step__run").order_by("created_at", "pk")
        return QuestionSerializer(asked, many=True).data


def approvals_of(ids: Iterable[UUID | None]) -> dict[UUID, dict[str, Any]]:
    """These approvals, with where they are decided."""
    wanted = {pk for pk in ids if pk is not None}
    rows = Approval.objects.filter(pk__in=wanted).values("id", "call", "status", "reason", "expires_at") if wanted else ()
    return {
        row["id"]: {
            **row,
            "approve": reverse("agents_api:call-approve", args=(row["call"],)),
            "refuse": reverse("agents_api:call-refuse", args=(row["call"],)),
        }
        for row in rows
    }


class NewTextSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=TEXT_LIMIT, trim_whitespace=False)
