"""``subscriptions/listen`` (MCP 2026-07-28): one stream to the client, one to each server that has something of what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agentopia.lib.errors import AgentopiaError
from agents.relay import DtmaError
from agents.toolsets.types import OfferedServer
from gateway.events import blocks_of, data_of, message_of
from gateway.listening import PAUSES, Changed, Rewritten
from gateway.requests import Request
from gateway.upstream import Reply, Upstream
from gateway.watching import OpenStream
from mcp_protocol.messages import Message, encode, notification, object_of, params_of, success
from mcp_protocol.versions import SUBSCRIPTION

LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
TOOLS, PROMPTS, RESOURCES, WATCHED = "toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions"
BEGIN_SECONDS = 10.0

type Renamed = Callable[[OfferedServer, str], str]
"""A resource of a server's as the client knows it."""


def _same(server: OfferedServer, uri: str) -> str:
    return uri


class Subscribing:
    """One subscription. ``wanted`` is what each server is asked for (a ``notifications`` object)."""

    def __init__(
        self, upstream: Upstream, request: Request, stream: OpenStream, wanted: dict[str, tuple[OfferedServer, Message]], *,
        rewritten: Rewritten | None = None, renamed: Renamed = _same,
    ) -> None:  # fmt: skip
        self._upstream = upstream
        self._request = request
        self._stream = stream
        self._wanted = wanted
        self._rewritten = rewritten
        self._renamed = renamed
        self._granted: Message = {}
        self._acknowledged = asyncio.Event()
        stream.closing = b"event: message\ndata: " + self._end() + b"\n\n"

    async def run(self, receive: Any, changed: Changed) -> None:
        """Until the client leaves, or may listen no longer."""
        await self._stream.begin()
        waiting = []
        for server, wanted in self._wanted.values():
            begun = asyncio.Event()
            waiting.append(begun.wait())
            _ = self._stream.also(self._follow(server, wanted, begun))
        _ = self._stream.also(self._begin(asyncio.gather(*waiting), changed))
        await self._stream.run(receive)

    async def _begin(self, all_begun: Any, changed: Changed) -> None:
        """Say what is granted, once the servers have said it, and from then on what changes."""
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await all_begun
        except TimeoutError:
            pass  # who has not answered yet is listened to all the same
        asked = object_of(self._request.params.get("notifications"))
        if asked.get(TOOLS) is True:
            self._granted[TOOLS] = True
        await self._stream.say(notification(ACKNOWLEDGED, {"notifications": self._granted}))
        self._acknowledged.set()
        tells = changed if asked.get(TOOLS) is True else lambda before, after: () if changed(before, after) is not None else None
        await self._stream.tell_changes(self._request.toolset, tells)

    async def _follow(self, server: OfferedServer, wanted: Message, begun: asyncio.Event) -> None:
        """One server's stream, opened again whenever it ends."""
        pauses = iter(PAUSES)
        while True:
            try:
                reply = await self._open(server, wanted)
                if reply.stream is None:  # it has nothing of it
                    return
                try:
                    async for block in blocks_of(reply.stream):
                        pauses = iter(PAUSES)
                        if await self._heard(server, data_of(block), begun):
                            break
                finally:
                    reply.stream.leave()
            except (DtmaError, AgentopiaError):
                pass  # it is away, and may come back
            finally:
                begun.set()
            await asyncio.sleep(next(pauses, PAUSES[-1]))

    async def _open(self, server: OfferedServer, wanted: Message) -> Reply:
        request = self._request
        message = {**request.message, "params": {**request.params, "notifications": wanted}}
        version = request.headers.get(b"mcp-protocol-version", b"")
        headers = b"MCP-Protocol-Version: %s\r\nMcp-Method: %s\r\n" % (version, LISTEN.encode())
        return await self._upstream.post(server, None, encode(message), headers)

    async def _heard(self, server: OfferedServer, data: bytes, begun: asyncio.Event) -> bool:
        """Something that a server says; whether it was its last word."""
        message = message_of(data) if data else None
        if message is None:
            return False
        if "method" not in message:
            return True
        if message["method"] == ACKNOWLEDGED:
            self._grant(server, object_of(params_of(message).get("notifications")))
            begun.set()
            return False
        await self._acknowledged.wait()  # which is the first thing that the client hears
        said = message if self._rewritten is None else self._rewritten(server, message)
        if said is not None:
            await self._stream.say(said)
        return False

    def _grant(self, server: OfferedServer, granted: Message) -> None:
        for name, value in granted.items():
            if name == WATCHED and isinstance(value, list):
                known = self._granted.setdefault(WATCHED, [])
                known += [uri for uri in (self._renamed(server, str(uri)) for uri in value) if uri not in known]
            elif name != TOOLS:
                self._granted[name] = value

    def _end(self) -> bytes:
        request_id = self._request.id
        return encode(success(request_id, {"resultType": "complete", "_meta": {SUBSCRIPTION: request_id}}))
