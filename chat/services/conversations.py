"""Conversations are begun, renamed, pinned and deleted."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib import live
from agentopia.lib.deadlocks import over_deadlocks
from agentopia.lib.errors import Conflict, InvalidInput
from agents.selectors import agent_for
from chat.models import Conversation, Run
from chat.selectors import conversation_for
from chat.services.runs import stop_run

LONGEST_TITLE = 200
MOST_CONVERSATIONS = 50_000


@transaction.atomic
def create_conversation(*, user: User, agent_id: UUID | str, title: str = "") -> Conversation:
    """Begin a conversation with one of the user's agents. Raises `NotFound`, `InvalidInput`, and `Conflict` for one too many."""
    agent = agent_for(user, agent_id)
    if user.conversations.count() >= MOST_CONVERSATIONS:
        raise Conflict(f"You have {MOST_CONVERSATIONS} conversations. Delete those that you do not need.", code="too_many_conversations")
    title = _title(title)
    made = Conversation.objects.create(owner=user, agent=agent, agent_name=agent.name, title=title, is_renamed=bool(title))
    live.publish(live.owner_group(user.pk))
    return made


@transaction.atomic
def change_conversation(*, user: User, conversation_id: UUID | str, title: str | None = None, pinned: bool | None = None) -> Conversation:
    """Rename or pin it; what is None stays. Raises `NotFound` and `InvalidInput`. An empty title is its first message's again."""
    conversation = conversation_for(user, conversation_id)
    if title is not None:
        own = _title(title)
        conversation.title, conversation.is_renamed = own or _said_first(conversation), bool(own)
    if pinned is not None and pinned != (conversation.pinned_at is not None):
        conversation.pinned_at = timezone.now() if pinned else None
    conversation.save(update_fields=("title", "is_renamed", "pinned_at"))
    live.publish(live.owner_group(user.pk))
    return conversation


@over_deadlocks
@transaction.atomic
def delete_conversation(*, user: User, conversation_id: UUID | str) -> None:
    """Delete it with its runs, their events and attachments; what still runs is stopped. The receipts of its calls stay.

    Raises `NotFound`.
    """
    conversation = conversation_for(user, conversation_id)
    # In this order nobody else adds to it from here on, and who does so now is waited for: a worker holds its run, and asks for the
    # conversation's key alone.
    Conversation.objects.select_for_update(no_key=True).filter(pk=conversation.pk).first()
    for run_id, status in conversation.runs.select_for_update().order_by("number").values_list("pk", "status"):
        if status not in Run.ENDED:
            stop_run(user=user, run_id=run_id)
    # Its title is what was said in it, and the audit is read by others too.
    audit.record(action="conversation.deleted", target=audit.Target("conversation", str(conversation.pk)), owner=user)
    conversation.delete()
    live.publish(live.owner_group(user.pk))


def title_from(text: str) -> str:
    """A title of a message's beginning: its first line with words, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = " ".join(line.split())
    if len(line) <= SHORT_TITLE:
        return line
    cut = line[:SHORT_TITLE]
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut[SHORT_TITLE // 2 :] else cut}…"


SHORT_TITLE = 80


def _said_first(conversation: Conversation) -> str:
    text = conversation.runs.filter(is_superseded=False).order_by("number").values_list("text", flat=True).first()
    return title_from(text or "")


def _title(text: str) -> str:
    title = " ".join(text.split())
    if "\x00" in title:
        raise InvalidInput("A title must not contain a NUL character.", fields={"title": "It must not contain a NUL character."})
    if len(title) > LONGEST_TITLE:
        raise InvalidInput(f"A title has at most {LONGEST_TITLE} characters.", fields={"title": f"At most {LONGEST_TITLE} characters."})
    return title
