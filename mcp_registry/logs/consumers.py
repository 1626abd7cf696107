"""The lines of a server's log, for the script of its page: JSON over a WebSocket of their own.

Out go ``lines`` (those that are new), ``older`` (those that were asked for), ``end_of_older`` and ``state``; in come ``got`` (one for each
frame with lines) and ``older``. Only so many frames are on their way as the page has not yet said ``got`` to: a slow browser slows down the
reading of DTMA, nothing is queued here, and DTMA says what it had to drop.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agentopia.lib import live
from agentopia.lib.errors import AgentopiaError, NotFound
from dtma_client import DtmaClient, ServerNotFound
from dtma_wire import LogLine
from mcp_registry import selectors
from mcp_registry.logs.reading import MICROSECOND, ahead_of_ours, log_of, micro_of, moment_of, read_back, shortcoming
from mcp_registry.models import McpServer
from toolboxes.models import Toolbox

FIRST_LINES = 2000
MOST_AT_ONCE = 20_000
FRAMES_AHEAD = 8
RETRY_SECONDS = 1.0
NOT_UNDERSTOOD = 4400
NOT_TAKEN_ON = "The toolbox has not taken on this server yet."


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Got(_Message):
    """The page has dealt with one frame of lines."""

    kind: Literal["got"]


class Older(_Message):
    """The page asks for the last ``count`` lines before ``before``, a time of the toolbox's in microseconds since 1970."""

    kind: Literal["older"]
    before: int
    count: int = Field(ge=1, le=MOST_AT_ONCE)


_messages: TypeAdapter[Got | Older] = TypeAdapter(Annotated[Got | Older, Field(discriminator="kind")])


class ServerLogLines(live.LivePage):
    """The query string says where to begin: ``?since=`` the last line that the page has (its time as the toolbox told it), or with the last
    ``?tail=`` lines.
    """

    sends_fragments = False

    def groups_of_page(self) -> list[str]:
        server = selectors.server_for(self.user, self.kwargs["server_id"])
        return [live.server_group(server.pk), live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        selectors.server_for(self.user, self.kwargs["server_id"])  # the socket closes when the server is gone
        return []

    async def connect(self) -> None:
        self._room = asyncio.Semaphore(FRAMES_AHEAD)
        self._on_their_way = 0
        self._asked: asyncio.Queue[Older] = asyncio.Queue(maxsize=1)
        await super().connect()
        if self.joined:
            query = parse_qs(self.scope["query_string"].decode(errors="replace"))
            since = _number(query, "since")
            self._tail = min(_number(query, "tail") or FIRST_LINES, MOST_AT_ONCE)
            self.start(self._follow(None if since is None else moment_of(since)))
            self.start(self._read_back())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = _messages.validate_json(text_data or "")
        except ValidationError:
            await self.close(NOT_UNDERSTOOD)
            return
        if isinstance(message, Older):
            if not self._asked.full():  # the page asks one at a time
                self._asked.put_nowait(message)
        elif self._on_their_way:
            self._on_their_way -= 1
            self._room.release()

    async def _server(self) -> McpServer:
        return await database_sync_to_async(selectors.server_for)(self.user, self.kwargs["server_id"])

    async def _follow(self, since: datetime | None) -> None:
        said: dict[str, Any] = {}
        while True:
            try:
                server = await self._server()
            except NotFound:
                await self.close(live.GONE)
                return
            state = {"live": False, "notice": shortcoming(server.toolbox)}
            try:
                async with log_of(server) as dtma:
                    since = await self._pass_on(dtma, server, since, follow=False)
                    said = await self._say(said, state | {"live": True, "problem": ""})
                    since = await self._pass_on(dtma, server, since, follow=True)
                problem = ""
            except ServerNotFound:
                problem = NOT_TAKEN_ON
            except AgentopiaError as error:
                problem = error.message
            said = await self._say(said, state | {"problem": problem})
            await asyncio.sleep(RETRY_SECONDS)

    async def _pass_on(self, dtma: DtmaClient, server: McpServer, since: datetime | None, *, follow: bool) -> datetime | None:
        """Send what is later than ``since``, else the last lines; with ``follow`` until DTMA ends it. Returns the time of the last line."""
        tail = self._tail if since is None else None
        async with aclosing(dtma.logs(str(server.pk), tail=tail, since=since, follow=follow)) as batches:
            async for batch in batches:
                await self._send_lines("lines", server.toolbox, batch)
                since = batch[-1].ts
        return since

    async def _say(self, said: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        if state != said:
            await self._send_frame("state", **state)
        return state

    async def _read_back(self) -> None:
        while True:
            asked = await self._asked.get()
            found, problem = 0, ""
            try:
                server = await self._server()
                async with aclosing(read_back(server, moment_of(asked.before), asked.count)) as batches:
                    async for batch in batches:
                        await self._send_lines("older", server.toolbox, batch)
                        found += len(batch)
            except ServerNotFound:
                problem = NOT_TAKEN_ON
            except AgentopiaError as error:
                problem = error.message
            await self._send_frame("end_of_older", more=found == asked.count, problem=problem)

    async def _send_lines(self, kind: str, toolbox: Toolbox, lines: list[LogLine]) -> None:
        await self._room.acquire()
        self._on_their_way += 1
        ahead = ahead_of_ours(toolbox, lines)
        compact = [(micro_of(line.ts), line.stream, line.text) for line in lines]
        await self._send_frame(kind, ahead=ahead // MICROSECOND, lines=compact)

    async def _send_frame(self, kind: str, **content: Any) -> None:
        await self.send(json.dumps({"kind": kind, **content}, separators=(",", ":")))


def _number(query: dict[str, list[str]], name: str) -> int | None:
    """What cannot be used counts as not given."""
    text = query.get(name, [""])[-1]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
