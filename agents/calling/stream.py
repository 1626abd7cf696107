"""Receipts into Redis: an append-only stream, to which all calls that are at the same point are written in one round trip.

An entry of the stream has a field for each receipt: ``b`` (it began) or ``f`` (it has ended) and the call's id, with the whole row as JSON.
The newest versions of the agents' toolsets are asked for on the same way (agents/toolsets/news.py).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from agents.calling.line import Line, Outcome
from agents.toolsets.news import key_of

BEGAN, ENDED = b"b", b"f"
MOST_AT_ONCE = 256
MOST_BYTES = 1024 * 1024
SPARED_SECONDS = 1.0
"""So long Redis is not asked again after it did not answer: each call that asks would wait."""


def stream_name() -> str:
    """The key of the stream, which belongs to one database: whoever shares Redis must not take another's receipts."""
    return f"agentopia:receipts:{connection.settings_dict['NAME']}"


class Away(Exception):
    """Redis does not answer. What was to be written may have been written."""


@dataclass(slots=True)
class _Waiting:
    name: bytes
    receipt: bytes
    agent_id: UUID | None
    done: asyncio.Future[int | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Stream:
    """The way into the stream for one event loop."""

    def __init__(self) -> None:
        self._line = Line()
        self._key = stream_name()
        self._waiting: list[_Waiting] = []
        self._sent: list[_Waiting] = []
        """What waits for its answer; the rest gathers meanwhile."""
        self._away_until = 0.0

    async def began(self, call_id: UUID, receipt: bytes, agent_id: UUID | None) -> int | None:
        """Append a receipt. Returns the newest version of the agent's toolset, None where nobody has told it. Raises `Away`."""
        return await self._append(_Waiting(BEGAN + call_id.bytes, receipt, agent_id))

    async def ended(self, call_id: UUID, receipt: bytes) -> None:
        """The same, for a call that has ended."""
        await self._append(_Waiting(ENDED + call_id.bytes, receipt, None))

    async def version(self, agent_id: UUID) -> int | None:
        """The newest version of the agent's toolset, None where nobody has told it. Raises `Away`."""
        return await self._append(_Waiting(b"", b"", agent_id))

    async def aclose(self) -> None:
        """Let what is on its way arrive."""
        await asyncio.gather(*(waiting.done for waiting in (*self._sent, *self._waiting)), return_exceptions=True)
        self._line.close()

    async def _append(self, waiting: _Waiting) -> int | None:
        if time.monotonic() < self._away_until:
            raise Away
        self._waiting.append(waiting)
        if not self._sent:
            self._send()
        return await waiting.done

    def _send(self) -> None:
        """Send what has gathered, in one round trip, with the question for the versions that are wanted."""
        batch = self._sent = self._next()
        agents = list({waiting.agent_id: None for waiting in batch if waiting.agent_id})
        fields = [part for waiting in batch if waiting.name for part in (waiting.name, waiting.receipt)]
        commands: list[tuple[Any, ...]] = [("XADD", self._key, "*", *fields)] if fields else []
        if agents:
            commands.append(("MGET", *(key_of(agent_id) for agent_id in agents)))
        self._line.ask(commands, partial(self._told, agents))

    def _told(self, agents: list[UUID], outcome: Outcome) -> None:
        batch, self._sent = self._sent, []
        if isinstance(outcome, Exception):
            self._away_until = time.monotonic() + SPARED_SECONDS
            batch, self._waiting = batch + self._waiting, []
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(Away())
            return
        versions = {agent: int(text) for agent, text in zip(agents, outcome[-1], strict=True) if text} if agents else {}
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(versions.get(waiting.agent_id) if waiting.agent_id else None)
        if self._waiting:
            self._send()

    def _next(self) -> list[_Waiting]:
        size = count = 0
        for waiting in self._waiting[:MOST_AT_ONCE]:
            size += len(waiting.receipt)
            if count and size > MOST_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch
