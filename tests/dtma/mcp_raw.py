"""MCP by hand over HTTP, in both eras: for what the official SDK's client would prevent, or not show."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.dtma.agent import Agent

RESERVED = "io.modelcontextprotocol/"
STATELESS = "2026-07-28"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
REPLY = {"role": "assistant", "content": {"type": "text", "text": "indeed"}, "model": "m"}
"""What a client's model says to every question."""
SECONDS = 20

type Message = dict[str, Any]


class Answer:
    """An HTTP answer and the messages in it, in whichever form they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content_type = response.content_type
        self.last_event_id = ""
        self.event_ids: list[str] = []
        self._response = response

    async def messages(self) -> AsyncIterator[Message]:
        """Up to the response."""
        if self.content_type != "text/event-stream":
            yield json.loads(await self._response.read())
            return
        async for raw in self._response.content:
            line = raw.decode().rstrip("\r\n")
            if line.startswith("id: "):
                self.last_event_id = line.removeprefix("id: ")
                self.event_ids.append(self.last_event_id)
            elif line.startswith("data: ") and line != "data: ":
                yield json.loads(line.removeprefix("data: "))

    async def next(self) -> Message:
        """The next message."""
        async with asyncio.timeout(SECONDS):
            async for message in self.messages():
                return message
        raise AssertionError("the stream ended")

    async def response(self) -> Message:
        """The response, whatever comes before."""
        async with asyncio.timeout(SECONDS):
            async for message in self.messages():
                if "method" not in message:
                    return message
        raise AssertionError("the stream ended without a response")


class Raw:
    """One client of the handshake era. Its ids begin at 1, as everybody's do."""

    def __init__(self, http: aiohttp.ClientSession, path: str) -> None:
        self.http = http
        self.path = path
        self.session: dict[str, str] = {}
        self.opening: Message = {}
        self._ids = 0

    async def begin(self, capabilities: Message | None = None, version: str = "2025-11-25") -> Raw:
        """Initialise."""
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "raw", "version": "1"}}
        async with self.open("initialize", params) as answer:
            self.session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": version}
            self.opening = (await answer.response())["result"]
        return self

    @asynccontextmanager
    async def open(self, method: str, params: Message | None = None, **fields: Any) -> AsyncIterator[Answer]:
        """A request whose answer is read by the caller."""
        self._ids += 1
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params or {}, **fields}
        async with self.http.post(self.path, data=_body(message), headers=self.session) as response:
            yield Answer(response)

    async def request(self, method: str, params: Message | None = None, **fields: Any) -> Message:
        """The response to a request."""
        async with self.open(method, params, **fields) as answer:
            return await answer.response()

    @asynccontextmanager
    async def calling(self, tool: str, **arguments: Any) -> AsyncIterator[Answer]:
        """A tool call whose answer is read by the caller. It reports its progress."""
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": "mine"}}
        async with self.open("tools/call", params) as answer:
            yield answer

    async def call(self, tool: str, **arguments: Any) -> str:
        """The text that a tool answers."""
        response = await self.request("tools/call", {"name": tool, "arguments": arguments})
        return str(response["result"]["content"][0]["text"])

    async def post(self, message: Message) -> int:
        """A notification, or an answer to the server; the HTTP status."""
        async with self.http.post(self.path, json={"jsonrpc": "2.0", **message}, headers=self.session) as response:
            return response.status

    @asynccontextmanager
    async def listen(self, last_event_id: str | None = None) -> AsyncIterator[Answer]:
        """The session's event stream, or the rest of one that broke."""
        more = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        async with self.http.get(self.path, headers=self.session | more) as response:
            yield Answer(response)


class Visitor:
    """A client of the stateless era."""

    def __init__(self, http: aiohttp.ClientSession, path: str, capabilities: Message | None = None, name: str = "raw") -> None:
        self.http = http
        self.path = path
        self.meta = {
            RESERVED + "protocolVersion": STATELESS,
            RESERVED + "clientCapabilities": capabilities or {},
            RESERVED + "clientInfo": {"name": name, "version": "1"},
        }

    @asynccontextmanager
    async def open(self, method: str, params: Message | None = None, headers: dict[str, str] | None = None) -> AsyncIterator[Answer]:
        """A request whose answer is read by the caller. ``headers`` replace the right ones."""
        params = dict(params or {})
        params["_meta"] = self.meta | params.get("_meta", {})
        right = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
        name = params.get("name") or params.get("uri")
        if isinstance(name, str):
            right["Mcp-Name"] = name
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.http.post(self.path, data=_body(message), headers=right | (headers or {})) as response:
            yield Answer(response)

    async def request(self, method: str, params: Message | None = None, headers: dict[str, str] | None = None) -> Message:
        """The response to a request."""
        async with self.open(method, params, headers) as answer:
            return await answer.response()

    async def call(self, tool: str, arguments: Message | None = None, **more: Any) -> Message:
        """The response to a tool call; ``more`` are further parameters."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}, **more})


def _body(message: Message) -> io.BytesIO:
    # In pieces: a large one in one piece would hold up the event loop.
    return io.BytesIO(json.dumps(message).encode())


@asynccontextmanager
async def http_to(agent: Agent) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP as the control plane; as many connections as there are requests."""
    async with agent.http(headers=HEADERS, read_bufsize=2**20) as http:
        yield http


def path_of(server_id: str) -> str:
    """The MCP endpoint of a server."""
    return f"/v1/servers/{server_id}/mcp"


def text_of(response: Message) -> str:
    """What a tool answered."""
    return str(response["result"]["content"][0]["text"])
