"""A raw MCP session with one server, over DTMA's Streamable HTTP endpoint (MCP 2025-11-25).

Results stay the JSON that the server sent: nothing is validated, dropped or renamed on the way.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from dtma_client.asked import Asked, Clock, QuestionCallback
from dtma_client.exceptions import DtmaError, DtmaFault, DtmaTimeout, DtmaUnreachable, error_from
from dtma_client.mcp_messages import Message, encode, events, result_of
from dtma_client.standalone import Standalone
from dtma_client.transport import QUICK_SECONDS, Transport

PROTOCOL_VERSION = "2025-11-25"
DEFAULT_SECONDS = 60.0
ANSWERING: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
"""The capabilities of a client that answers its servers' questions."""

type NotificationCallback = Callable[[dict[str, Any]], Awaitable[None]]
"""Takes a whole JSON-RPC notification that arrived while the request was open."""
type ProgressCallback = Callable[[float, float | None, str], Awaitable[None]]
"""Takes ``progress``, ``total`` and ``message`` of ``notifications/progress``."""


class _SessionGone(Exception):
    """DTMA no longer knows our session id."""


@dataclass(eq=False)
class _Open:
    """A request under way: who hears what comes before its response."""

    on_notification: NotificationCallback | None
    asked: Asked
    is_asked: bool
    """Whether its caller answers questions."""

    async def take(self, message: Message) -> None:
        """What the server says before it responds."""
        if "method" not in message:
            return
        if "id" in message:
            self.asked.take(message)
        elif message["method"] == "notifications/cancelled":
            self.asked.withdraw(message)
        elif self.on_notification is not None:
            await self.on_notification(message)


class McpSession:
    """Requests to one MCP server; initialises itself at the first one, and once again where DTMA forgot the session.

    Any number of requests may be open at once. A request that is abandoned (cancelled or timed out) is cancelled on the server too.

    With ``answering`` the server is told that its questions are answered (elicitation, sampling); a request that has no ``on_question``
    refuses them. Questions come on the stream of the request that they belong to, or, as some servers do it, on the one that belongs to
    none; those are put to the request that was opened last.
    """

    def __init__(self, transport: Transport, path: str, *, answering: bool = False) -> None:
        self._transport = transport
        self._path = path
        self._capabilities = ANSWERING if answering else {}
        self._ids = itertools.count(1)
        self._session_id: str | None = None
        self._initialized: dict[str, Any] | None = None
        self._initializing = asyncio.Lock()
        self._open: list[_Open] = []
        self._standalone = Standalone(transport, path, self._hear)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._open

    async def initialize(self) -> dict[str, Any]:
        """The server's ``InitializeResult``."""
        try:
            async with asyncio.timeout(QUICK_SECONDS):
                return await self._ensure()
        except TimeoutError:
            raise DtmaTimeout("The server did not answer initialize in time.") from None

    async def request(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        timeout: float = DEFAULT_SECONDS,  # noqa: ASYNC109 - the limit is part of what a caller must decide
        on_notification: NotificationCallback | None = None,
        on_question: QuestionCallback | None = None,
    ) -> dict[str, Any]:
        """One request; returns its ``result``. ``timeout`` is in seconds and covers all of it but the time that ``on_question`` takes.

        Raises ``McpError`` for a JSON-RPC error, ``DtmaTimeout``, ``ServerNotReady`` and the like for the way there.
        """
        try:
            async with asyncio.timeout(timeout) as limit:
                opened = _Open(on_notification, Asked(self._tell, on_question, Clock(limit)), on_question is not None)
                self._open.append(opened)
                try:
                    return await self._in_session(method, params, opened)
                finally:
                    self._open.remove(opened)
        except _SessionGone:
            raise DtmaFault("The toolbox keeps forgetting the MCP session.", retryable=True) from None
        except TimeoutError:
            raise DtmaTimeout(f"The server did not answer {method} within {timeout:g} s.") from None

    async def call_tool(
        self,
        name: str,
        arguments: dict[str, Any],
        timeout: float = DEFAULT_SECONDS,  # noqa: ASYNC109 - the limit is part of what a caller must decide
        on_progress: ProgressCallback | None = None,
        on_question: QuestionCallback | None = None,
    ) -> dict[str, Any]:
        """``tools/call``; returns the raw ``CallToolResult``, which may say ``isError``."""
        params: dict[str, Any] = {"name": name, "arguments": arguments}
        if on_progress is None:
            return await self.request("tools/call", params, timeout, on_question=on_question)
        token = f"progress-{next(self._ids)}"
        params["_meta"] = {"progressToken": token}

        async def heard(notification: dict[str, Any]) -> None:
            about = notification.get("params") or {}
            if notification.get("method") == "notifications/progress" and about.get("progressToken") == token:
                await on_progress(about.get("progress", 0), about.get("total"), about.get("message") or "")

        return await self.request("tools/call", params, timeout, heard, on_question)

    async def aclose(self) -> None:
        """End the session on DTMA; failing to is no matter, for DTMA ends idle ones itself. The next request begins a new one."""
        await self._standalone.end()
        if self._initialized is not None and self._session_id is not None:
            headers = self._headers()
            self._initialized = None
            try:
                async with self._transport.open("DELETE", self._path, headers=headers, seconds=QUICK_SECONDS):
                    pass
            except DtmaError:
                return

    async def _in_session(self, method: str, params: dict[str, Any] | None, opened: _Open) -> dict[str, Any]:
        await self._ensure()
        used = self._session_id
        try:
            return await self._exchange(method, params, opened)
        except _SessionGone:
            if self._session_id == used:  # else another request has begun a new one already
                self._initialized = None
            await self._ensure()
            return await self._exchange(method, params, opened)

    async def _ensure(self) -> dict[str, Any]:
        if self._initialized is not None:
            return self._initialized
        async with self._initializing:
            if self._initialized is None:
                self._session_id = None
                params = {
                    "protocolVersion": PROTOCOL_VERSION,
                    "capabilities": self._capabilities,
                    "clientInfo": {"name": "agentopia", "version": "1"},
                }
                result = await self._exchange("initialize", params, None)
                await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
                self._initialized = result
                if self._capabilities:
                    await self._standalone.begin(self._headers())
            return self._initialized

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL_VERSION,
        }
        if self._initialized is not None:
            headers["MCP-Protocol-Version"] = str(self._initialized.get("protocolVersion", PROTOCOL_VERSION))
        if self._session_id is not None:
            headers["Mcp-Session-Id"] = self._session_id
        return headers

    async def _post(self, message: Message) -> None:
        """What is not answered: a notification, or the answer to a question."""
        async with self._transport.open(
            "POST", self._path, body=encode(message), headers=self._headers(), seconds=QUICK_SECONDS
        ) as response:
            if response.status >= 300:
                raise error_from(response.status, await response.read())

    async def _tell(self, reply: Message) -> None:
        await self._post(reply)

    async def _hear(self, message: Message) -> None:
        """What comes on the stream that belongs to no request."""
        if "method" in message and "id" in message:
            asked = [opened for opened in self._open if opened.is_asked] or self._open
            for opened in asked[-1:]:
                await opened.take(message)
            return
        for opened in list(self._open):
            await opened.take(message)

    async def _exchange(self, method: str, params: dict[str, Any] | None, opened: _Open | None) -> dict[str, Any]:
        request_id = next(self._ids)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        try:
            try:
                async with self._transport.open(
                    "POST", self._path, body=encode(message), headers=self._headers(), seconds=None
                ) as response:
                    return await self._answer(response, request_id, opened)
            finally:
                if opened is not None:
                    await opened.asked.aclose()
        except asyncio.CancelledError:
            # A server behind HTTP does not learn from a closed connection that nobody waits any more (MCP 2025-11-25, cancellation).
            if method != "initialize":
                await self._abandon(request_id)
            raise

    async def _abandon(self, request_id: int) -> None:
        params = {"requestId": request_id, "reason": "The caller left."}
        try:
            async with asyncio.timeout(2):
                await self._post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        except (DtmaError, TimeoutError):
            return

    async def _answer(self, response: aiohttp.ClientResponse, request_id: int, opened: _Open | None) -> dict[str, Any]:
        if response.status == 404 and self._session_id is not None:
            body = await response.read()
            if b'"server_not_found"' in body:
                raise error_from(404, body)
            raise _SessionGone
        session_id = response.headers.get("Mcp-Session-Id")
        if session_id is not None:
            self._session_id = session_id
        if response.content_type == "text/event-stream":
            async for message in events(response.content):
                if message.get("id") == request_id and "method" not in message:
                    return result_of(message)
                if opened is not None:
                    await opened.take(message)
            raise DtmaUnreachable("The server's answer broke off before the result.")
        body = await response.read()
        try:
            message = json.loads(body)
        except ValueError:
            raise error_from(response.status, body) from None
        if not isinstance(message, dict) or "jsonrpc" not in message:
            raise error_from(response.status, body)
        return result_of(message)
