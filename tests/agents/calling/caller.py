"""An agent that calls, and what its toolbox answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async

from accounts.models import User
from agents.calling.carry import carry
from agents.calling.types import Call, Caller, Forward, Forwarded
from agents.models import Agent, ToolCall
from agents.toolsets.cache import toolset_of
from mcp_registry.models import McpServer

Via = ToolCall.Via


def result_of(text: str = "done", **more: Any) -> bytes:
    """A result as a toolbox sends it."""
    return json.dumps({"content": [{"type": "text", "text": text}], **more}).encode()


@dataclass
class Answering:
    """A toolbox that answers at once, and remembers what it was asked; with a ``gate`` it answers once that is open."""

    result: bytes = field(default_factory=result_of)
    gate: asyncio.Event | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let it answer."""
        assert self.gate is not None
        self.gate.set()

    async def __call__(self, call: Call) -> Forwarded:
        self.asked.append(call.arguments)
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        return Forwarded(self.result)


def failing(error: Exception) -> Forward:
    """A toolbox that does not answer."""

    async def forward(call: Call) -> Forwarded:
        raise error

    return forward


@dataclass(frozen=True)
class AgentAtWork:
    """An agent, its owner, and its server, whose tool `echo` it may call."""

    owner: User
    agent: Agent
    server: McpServer

    async def prepared(self, name: str = "notes__echo", arguments: Any = None, via: Via = Via.GATEWAY, **more: Any) -> Call:
        """A call that is about to be made. ``more`` is of the caller, or is the ``approval``."""
        toolset = await toolset_of(self.agent.pk)
        approval = more.pop("approval", None)
        caller = Caller(self.owner.pk, via, **more)
        given = {"message": "hi"} if arguments is None else arguments
        return Call(caller=caller, toolset=toolset, tool=toolset.tools.get(name), asked_for=name, arguments=given, approval=approval)

    async def call(self, forward: Forward | None = None, name: str = "notes__echo", arguments: Any = None, **more: Any) -> Call:
        """Make one; ``more`` is of `carry`."""
        of_carry = {key: more.pop(key) for key in ("waits", "on_waiting", "patience") if key in more}
        call = await self.prepared(name, arguments, **more)
        await carry(call, forward or Answering(), **of_carry)
        return call


async def receipt_of(call: Call | UUID) -> ToolCall:
    """Its receipt, once it has come into PostgreSQL."""
    return await in_database(ToolCall.objects.get, pk=call if isinstance(call, UUID) else call.id)


async def in_database[**P, R](work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    return await database_sync_to_async(work)(*args, **kwargs)
