"""The event stream of a session (GET, handshake era): what its servers say outside of calls, and what changes for its agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

from agentopia.lib.errors import AgentopiaError
from agents.relay import DtmaError
from agents.toolsets.types import OfferedServer, Toolset
from gateway.answers import PING
from gateway.events import blocks_of, data_of, message_of, parts_of
from gateway.sessions import Session
from gateway.upstream import Upstream
from gateway.watching import OpenStream, ended
from mcp_protocol.messages import Message, ProtocolError

PAUSES = (0.2, 1.0, 2.0, 5.0, 15.0)

type Servers = Callable[[Toolset, Session], Iterable[OfferedServer]]
"""Those that are listened to."""
type Changed = Callable[[Toolset, Toolset], Iterable[str] | None]
type Rewritten = Callable[[OfferedServer, Message], Message | None]
"""A message of a server's as the client sees it; None: not at all."""


class Listening:
    """One such stream. Without ``rewritten`` the events of its one server pass as they are, with their ids."""

    def __init__(self, upstream: Upstream, session: Session, stream: OpenStream, toolset: Toolset, rewritten: Rewritten | None) -> None:
        self._upstream = upstream
        self._session = session
        self._stream = stream
        self._toolset = toolset
        self._rewritten = rewritten
        self._following: dict[UUID, asyncio.Task[None]] = {}

    async def run(self, receive: object, servers: Servers, changed: Changed, last_event_id: bytes = b"") -> None:
        """Until the client leaves, or may listen no longer."""
        await self._stream.begin()
        _ = self._stream.also(self._stream.tell_changes(self._toolset, self._noting(changed)))
        _ = self._stream.also(self._follow_all(servers, last_event_id))
        await self._stream.run(receive)

    def _noting(self, changed: Changed) -> Changed:
        def note(before: Toolset, after: Toolset) -> Iterable[str] | None:
            self._toolset = after
            return changed(before, after)

        return note

    async def _follow_all(self, servers: Servers, last_event_id: bytes) -> None:
        """Listen to those servers that are the session's now."""
        listener = self._stream.listener
        while not listener.over.is_set():
            listener.changed.clear()
            wanted = {server.id: server for server in servers(self._toolset, self._session)}
            for server_id in self._following.keys() - wanted.keys():
                await ended(self._following.pop(server_id))
            for server_id in wanted.keys() - self._following.keys():
                self._following[server_id] = self._stream.also(self._follow(wanted[server_id], last_event_id))
            await listener.changed.wait()

    async def _follow(self, server: OfferedServer, last: bytes) -> None:
        """One server's event stream, opened again whenever it ends."""
        pauses = iter(PAUSES)
        while True:
            try:
                answer = await self._upstream.get(server, self._session, last)
                if answer.status in (405, 501):  # it has none
                    await answer.read()
                    return
                if answer.status == 200 and answer.is_stream:
                    try:
                        async for block in blocks_of(answer):
                            pauses = iter(PAUSES)
                            last = parts_of(block)[0] or last
                            await self._write(server, block)
                    finally:
                        answer.leave()
                else:
                    await answer.read()
                    last = b""
            except ProtocolError:  # the session is over
                self._stream.listener.end()
                return
            except (DtmaError, AgentopiaError):
                pass  # it is away, and may come back
            await asyncio.sleep(next(pauses, PAUSES[-1]))

    async def _write(self, server: OfferedServer, block: bytes) -> None:
        if self._rewritten is None:
            await self._stream.write(block)
            return
        data = data_of(block)
        message = message_of(data) if data else None
        said = self._rewritten(server, message) if message is not None else None
        if said is not None:
            await self._stream.say(said)
        elif not data:
            await self._stream.write(PING)
