"""What a user says in a conversation: each message is a run, queued for a worker. An edit, another try and other arguments are runs too,
which take the place of what was said from there on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from agentopia.lib import leases
from agentopia.lib.errors import Conflict, InvalidInput
from chat.live import publish_change
from chat.models import Attachment, Conversation, Run, Step
from chat.models.conversations import TEXT_LIMIT
from chat.providers.choosing import models_for
from chat.selectors import conversation_for, run_for, said_in, step_for
from chat.services.conversations import title_from
from chat.services.rewinding import rewound
from chat.services.waiting import TASK

UNFINISHED = (Run.Status.QUEUED, Run.Status.RUNNING, Run.Status.WAITING)
MOST_ATTACHMENTS = 20
LARGEST_ATTACHMENT = 20 * 1024 * 1024
MOST_BYTES = 50 * 1024 * 1024
"""Of all attachments of a message together."""
LONGEST_NAME = 255


@dataclass(frozen=True)
class NewAttachment:
    """Something that is given with a message; ``server_id`` and ``uri`` where it is a resource of a server."""

    name: str
    media_type: str
    content: bytes
    server_id: UUID | None = None
    uri: str = ""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content)


@transaction.atomic
def send_message(*, user: User, conversation_id: UUID | str, text: str, attachments: Sequence[NewAttachment] = ()) -> Run:
    """The next message of a conversation. Raises `NotFound`, `InvalidInput`, `NoModel`, and `Conflict` while a run is in progress."""
    conversation = _locked(conversation_for(user, conversation_id))
    _check_text(text, attachments)
    run = _new_run(conversation, text)
    for given in attachments:
        _attach(run, given)
    if not conversation.title and not conversation.is_renamed:
        conversation.title = title_from(text)
        conversation.save(update_fields=("title",))
    return run


@transaction.atomic
def edit_message(*, user: User, run_id: UUID | str, text: str) -> Run:
    """Say something else in place of this message; what came after it is no part of the conversation any more. Raises as `send_message`."""
    return _again(user, run_id, text)


@transaction.atomic
def ask_again(*, user: User, run_id: UUID | str) -> Run:
    """Answer this message once more, in place of the answer and of what came after it. Raises as `send_message`."""
    return _again(user, run_id, None)


@transaction.atomic
def retry_step(*, user: User, step_id: UUID | str, arguments: dict[str, Any]) -> Run:
    """Make a tool call with other arguments, and go on from there, in place of what came of it. Raises as `send_message`.

    What the run had done before that call stands, and is not done again.
    """
    step = step_for(user, step_id)
    if not isinstance(arguments, dict):
        raise InvalidInput("The arguments must be a JSON object.", fields={"arguments": "A JSON object."})
    old = step.run
    conversation = _locked(conversation_for(user, old.conversation_id))
    old.refresh_from_db()
    _check_not_replaced(old)
    run = _new_run(conversation, old.text, replaces=old, hands_over=False)
    _copy_attachments(old, run)
    _supersede(conversation, old, but=run)
    rewound(old, run, Step.objects.get(pk=step.pk), copy.deepcopy(arguments))
    _hand_over(run)
    return run


def _again(user: User, run_id: UUID | str, text: str | None) -> Run:
    old = run_for(user, run_id)
    conversation = _locked(conversation_for(user, old.conversation_id))
    old.refresh_from_db()
    text = old.text if text is None else text
    _check_text(text, list(old.attachments.all()))
    _check_not_replaced(old)
    run = _new_run(conversation, text, replaces=old)
    _copy_attachments(old, run)
    _supersede(conversation, old, but=run)
    if not conversation.is_renamed and not said_in(conversation).filter(number__lt=old.number).exists():
        Conversation.objects.filter(pk=conversation.pk).update(title=title_from(text))
    return run


def _locked(conversation: Conversation) -> Conversation:
    """The conversation, with nobody else at it; raises `Conflict` where it cannot be gone on with now."""
    rows = Conversation.objects.select_for_update(of=("self",)).select_related("agent", "owner")
    locked = rows.get(pk=conversation.pk)
    if locked.agent is None:
        raise Conflict("The agent of this conversation was deleted: it can be read, and not gone on with.", code="agent_gone")
    if not locked.agent.enabled:
        raise Conflict(f"The agent “{locked.agent.name}” is switched off: switch it on to go on.", code="agent_off")
    if locked.runs.filter(status__in=UNFINISHED).exists():
        raise Conflict("The agent is still at your last message: wait for it, or stop it.", code="run_in_progress")
    models_for(locked.agent)
    return locked


def _check_not_replaced(run: Run) -> None:
    if run.is_superseded:
        raise Conflict("Another message took the place of this one already.", code="run_superseded")


def _check_text(text: str, attachments: Sequence[Any]) -> None:
    if "\x00" in text:
        raise InvalidInput("A message must not contain a NUL character.", fields={"text": "It must not contain a NUL character."})
    if not text.strip() and not attachments:
        raise InvalidInput("Write a message.", fields={"text": "Write a message."})
    if len(text) > TEXT_LIMIT:
        sentence = f"A message has at most {TEXT_LIMIT:,} characters: attach the rest as a file."
        raise InvalidInput(sentence, fields={"text": sentence})
    if len(attachments) > MOST_ATTACHMENTS:
        raise InvalidInput(f"Attach at most {MOST_ATTACHMENTS} files.", fields={"attachments": f"At most {MOST_ATTACHMENTS}."})
    check_together(sum(given.size for given in attachments))


def check_together(size: int) -> None:
    """Raises `InvalidInput` where attachments of so many bytes are too much for one message."""
    if size > MOST_BYTES:
        sentence = f"The files of a message may have {MOST_BYTES // 2**20} MB together: send some with another message."
        raise InvalidInput(sentence, fields={"attachments": sentence})


def _new_run(conversation: Conversation, text: str, *, replaces: Run | None = None, hands_over: bool = True) -> Run:
    last = conversation.runs.aggregate(last=Max("number"))["last"] or 0
    run = Run.objects.create(conversation=conversation, number=last + 1, text=text, replaces=replaces)
    conversation.updated_at = timezone.now()
    conversation.save(update_fields=("updated_at",))
    publish_change(run)
    if hands_over:
        _hand_over(run)
    return run


def _hand_over(run: Run) -> None:
    transaction.on_commit(partial(leases.hand_over, TASK, run.pk))


def _supersede(conversation: Conversation, old: Run, *, but: Run) -> None:
    conversation.runs.filter(number__gte=old.number, is_superseded=False).exclude(pk=but.pk).update(is_superseded=True)
    if conversation.summarised_to >= old.number:  # it tells of what is no part of the conversation any more
        conversation.summary, conversation.summarised_to = "", 0
        conversation.save(update_fields=("summary", "summarised_to"))


def _attach(run: Run, given: NewAttachment) -> None:
    if given.size > LARGEST_ATTACHMENT:
        sentence = f"“{given.name[:80]}” is larger than {LARGEST_ATTACHMENT // 1024 // 1024} MB."
        raise InvalidInput(sentence, fields={"attachments": sentence})
    Attachment.objects.create(
        run=run,
        name=given.name.replace("\x00", "")[:LONGEST_NAME] or "file",
        media_type=given.media_type.replace("\x00", "")[:100] or "application/octet-stream",
        size=given.size,
        server_id=given.server_id,
        uri=given.uri[:2000],
        content=given.content,
    )


def _copy_attachments(old: Run, new: Run) -> None:
    for row in old.attachments.all():
        row.pk, row.run, row._state.adding = None, new, True  # noqa: SLF001 (Django's documented way to copy a row)
        row.save(force_insert=True)
