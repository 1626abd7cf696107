"""Waiting for a decision: the row is the truth, an announcement over Redis only says when to look at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from agentopia.lib.announcements import Following, announce
from agents.calling.rows import asked
from agents.models import Approval

CHANNEL = "agentopia:approvals"
LOOK_SECONDS = 5.0
LOOK_UNHEARD_SECONDS = 1.0
"""Where no announcement reaches this process."""

type _Waiting = dict[str, set[asyncio.Event]]

_waiting: dict[asyncio.AbstractEventLoop, tuple[Following, _Waiting]] = {}


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Within this, those who wait in this event loop are woken by announcements."""
    loop = asyncio.get_running_loop()
    waiting: _Waiting = {}
    following = Following(CHANNEL, lambda word: _wake(waiting.get(word, ())), lambda: _wake(*waiting.values()))
    _waiting[loop] = following, waiting
    try:
        async with following.listening():
            yield
    finally:
        del _waiting[loop]


def wake(approval_id: UUID) -> None:
    """Let whoever waits look, in whichever process, once the transaction is committed."""
    announce(CHANNEL, str(approval_id))


async def wait(approval_id: UUID, until: datetime) -> Approval:
    """The approval once it is decided or over, as it is then or at ``until``, whichever comes first."""
    with _woken(approval_id) as (following, event):
        while True:
            approval = await asked(Approval.objects.get, pk=approval_id)
            seconds = (until - timezone.now()).total_seconds()
            if approval.status != Approval.Status.WAITING or seconds <= 0:
                return approval
            look = LOOK_SECONDS if following is not None and following.is_heard else LOOK_UNHEARD_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(min(seconds, look)):
                    await event.wait()
            event.clear()


@contextmanager
def _woken(approval_id: UUID) -> Iterator[tuple[Following | None, asyncio.Event]]:
    event = asyncio.Event()
    following, waiting = _waiting.get(asyncio.get_running_loop(), (None, {}))
    waiting.setdefault(str(approval_id), set()).add(event)
    try:
        yield following, event
    finally:
        events = waiting[str(approval_id)]
        events.discard(event)
        if not events:
            del waiting[str(approval_id)]


def _wake(*events: set[asyncio.Event] | tuple[()]) -> None:
    for event in [event for some in events for event in some]:
        event.set()
