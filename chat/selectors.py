"""Reads; each starts from the user who asks."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from accounts.models import User
from agentopia.lib.errors import NotFound
from chat.models import Attachment, Conversation, Question, Run, Step

ORDER = (F("pinned_at").desc(nulls_last=True), F("updated_at").desc(), F("pk").asc())


def conversations_for(user: User) -> QuerySet[Conversation]:
    """This user's conversations: the pinned ones first, then by their last messages."""
    return Conversation.objects.filter(owner=user).order_by(*ORDER)


def conversation_for(user: User, conversation_id: UUID | str) -> Conversation:
    """One of this user's conversations, with its agent; raises `NotFound`."""
    rows = Conversation.objects.filter(owner=user).select_related("agent")
    found = rows.filter(pk=uuid).first() if (uuid := _uuid(conversation_id)) else None
    if found is None:
        raise NotFound("You have no such conversation; it may have been deleted.", code="conversation_not_found")
    return found


def with_newest_run(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """The same, each with ``newest_run_id`` and ``newest_run_status`` of its last run; null where nothing was said yet."""
    newest = Run.objects.filter(conversation=OuterRef("pk")).order_by("-number")
    return conversations.annotate(newest_run_id=Subquery(newest.values("pk")[:1]), newest_run_status=Subquery(newest.values("status")[:1]))


def runs_for(user: User) -> QuerySet[Run]:
    """The runs of this user's conversations, without what only the model reads of them."""
    return Run.objects.filter(conversation__owner=user).defer("messages")


def run_for(user: User, run_id: UUID | str) -> Run:
    """A run of one of this user's conversations, with that; raises `NotFound`."""
    rows = Run.objects.filter(conversation__owner=user).select_related("conversation")
    found = rows.filter(pk=uuid).first() if (uuid := _uuid(run_id)) else None
    if found is None:
        raise NotFound("You have no such run; its conversation may have been deleted.", code="run_not_found")
    return found


def said_in(conversation: Conversation) -> QuerySet[Run]:
    """The runs that are part of a conversation, in their order: no edit took the place of theirs or an earlier message."""
    return conversation.runs.filter(is_superseded=False).defer("messages").order_by("number")


def steps_for(user: User) -> QuerySet[Step]:
    """The tool calls in this user's runs."""
    return Step.objects.filter(run__conversation__owner=user)


def step_for(user: User, step_id: UUID | str) -> Step:
    """A tool call in one of this user's runs, with its run and conversation; raises `NotFound`."""
    rows = steps_for(user).select_related("run__conversation")
    found = rows.filter(pk=uuid).first() if (uuid := _uuid(step_id)) else None
    if found is None:
        raise NotFound("You have no such step of a run; its conversation may have been deleted.", code="step_not_found")
    return found


def questions_for(user: User) -> QuerySet[Question]:
    """What servers ask this user, oldest first, each with its step, run and conversation."""
    return (
        Question.objects.filter(step__run__conversation__owner=user).select_related("step__run__conversation").order_by("created_at", "pk")
    )


def question_for(user: User, question_id: UUID | str) -> Question:
    """What a server asks this user; raises `NotFound`."""
    found = questions_for(user).filter(pk=uuid).first() if (uuid := _uuid(question_id)) else None
    if found is None:
        raise NotFound("There is no such question; its conversation may have been deleted.", code="question_not_found")
    return found


def attachment_for(user: User, attachment_id: UUID | str) -> Attachment:
    """What this user gave with a message, with its content; raises `NotFound`."""
    rows = Attachment.objects.filter(run__conversation__owner=user).select_related("run")
    found = rows.filter(pk=uuid).first() if (uuid := _uuid(attachment_id)) else None
    if found is None:
        raise NotFound("There is no such attachment; its conversation may have been deleted.", code="attachment_not_found")
    return found


def _uuid(text: UUID | str) -> UUID | None:
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        return None
