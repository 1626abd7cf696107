"""A raw MCP session with one server, over DTMA's Streamable HTTP endpoint (MCP 2025-11-25).

Results stay the JSON that the server sent: nothing is validated, dropped or renamed on the way.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp

from dtma_client.exceptions import DtmaError, DtmaFault, DtmaTimeout, DtmaUnreachable, McpError, error_from
from dtma_client.transport import QUICK_SECONDS, Transport

PROTOCOL_VERSION = "2025-11-25"
DEFAULT_SECONDS = 60.0

type NotificationCallback = Callable[[dict[str, Any]], Awaitable[None]]
"""Takes a whole JSON-RPC notification that arrived while the request was open."""
type ProgressCallback = Callable[[float, float | None, str], Awaitable[None]]
"""Takes ``progress``, ``total`` and ``message`` of ``notifications/progress``."""


class _SessionGone(Exception):
    """DTMA no longer knows our session id."""


class McpSession:
    """Requests to one MCP server; initialises itself at the first one, and once again where DTMA forgot the session.

    Any number of requests may be open at once. A request that is abandoned (cancelled or timed out) is cancelled on the server too.
    """

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._ids = itertools.count(1)
        self._session_id: str | None = None
        self._initialized: dict[str, Any] | None = None
        self._initializing = asyncio.Lock()

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
    ) -> dict[str, Any]:
        """One request; returns its ``result``. ``timeout`` is in seconds and covers all of it.

        Raises ``McpError`` for a JSON-RPC error, ``DtmaTimeout``, ``ServerNotReady`` and the like for the way there.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ensure()
                used = self._session_id
                try:
                    return await self._exchange(method, params, on_notification)
                except _SessionGone:
                    if self._session_id == used:  # else another request has begun a new one already
                        self._initialized = None
                    await self._ensure()
                    return await self._exchange(method, params, on_notification)
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
    ) -> dict[str, Any]:
        """``tools/call``; returns the raw ``CallToolResult``, which may say ``isError``."""
        params: dict[str, Any] = {"name": name, "arguments": arguments}
        if on_progress is None:
            return await self.request("tools/call", params, timeout)
        token = f"progress-{next(self._ids)}"
        params["_meta"] = {"progressToken": token}

        async def heard(notification: dict[str, Any]) -> None:
            about = notification.get("params") or {}
            if notification.get("method") == "notifications/progress" and about.get("progressToken") == token:
                await on_progress(about.get("progress", 0), about.get("total"), about.get("message") or "")

        return await self.request("tools/call", params, timeout, heard)

    async def aclose(self) -> None:
        """End the session on DTMA; failing to is no matter, for DTMA ends idle ones itself."""
        if self._initialized is not None and self._session_id is not None:
            self._initialized = None
            try:
                async with self._transport.open("DELETE", self._path, headers=self._headers(), seconds=QUICK_SECONDS):
                    pass
            except DtmaError:
                return

    async def _ensure(self) -> dict[str, Any]:
        if self._initialized is not None:
            return self._initialized
        async with self._initializing:
            if self._initialized is None:
                self._session_id = None
                params = {
                    "protocolVersion": PROTOCOL_VERSION,
                    "capabilities": {},
                    "clientInfo": {"name": "agentopia", "version": "1"},
                }
                result = await self._exchange("initialize", params, None)
                await self._notify("notifications/initialized", None)
                self._initialized = result
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

    async def _notify(self, method: str, params: dict[str, Any] | None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        async with self._transport.open(
            "POST", self._path, body=_encode(message), headers=self._headers(), seconds=QUICK_SECONDS
        ) as response:
            if response.status >= 300:
                raise error_from(response.status, await response.read())

    async def _exchange(self, method: str, params: dict[str, Any] | None, on_notification: NotificationCallback | None) -> dict[str, Any]:
        request_id = next(self._ids)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        try:
            async with self._transport.open("POST", self._path, body=_encode(message), headers=self._headers(), seconds=None) as response:
                return await self._answer(response, request_id, on_notification)
        except asyncio.CancelledError:
            # A server behind HTTP does not learn from a closed connection that nobody waits any more (MCP 2025-11-25, cancellation).
            if method != "initialize":
                await self._abandon(request_id)
            raise

    async def _abandon(self, request_id: int) -> None:
        try:
            async with asyncio.timeout(2):
                await self._notify("notifications/cancelled", {"requestId": request_id, "reason": "The caller left."})
        except (DtmaError, TimeoutError):
            return

    async def _answer(
        self, response: aiohttp.ClientResponse, request_id: int, on_notification: NotificationCallback | None
    ) -> dict[str, Any]:
        if response.status == 404 and self._session_id is not None:
            body = await response.read()
            if b'"server_not_found"' in body:
                raise error_from(404, body)
            raise _SessionGone
        session_id = response.headers.get("Mcp-Session-Id")
        if session_id is not None:
            self._session_id = session_id
        if response.content_type == "text/event-stream":
            async for message in _events(response.content):
                if message.get("id") == request_id and "method" not in message:
                    return _result(message)
                if "method" in message and "id" not in message and on_notification is not None:
                    await on_notification(message)
            raise DtmaUnreachable("The server's answer broke off before the result.")
        body = await response.read()
        try:
            message = json.loads(body)
        except ValueError:
            raise error_from(response.status, body) from None
        if not isinstance(message, dict) or "jsonrpc" not in message:
            raise error_from(response.status, body)
        return _result(message)


def _encode(message: dict[str, Any]) -> bytes:
    try:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(message, separators=(",", ":")).encode()


def _result(message: dict[str, Any]) -> dict[str, Any]:
    error = message.get("error")
    if isinstance(error, dict):
        raise McpError(int(error.get("code", 0)), str(error.get("message", "")), error.get("data"))
    result = message.get("result")
    if not isinstance(result, dict):
        raise DtmaFault("The server answered with something that is not an MCP result.")
    return result


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects in the ``data`` of a server-sent event stream."""
    rest = b""
    data: list[bytes] = []
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (whole.rstrip(b"\r") for whole in lines):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                joined = b"\n".join(data)
                data = []
                if not joined.strip():
                    continue
                try:
                    message = json.loads(joined)
                except ValueError as error:
                    raise DtmaFault("The server sent an event that is not JSON.") from error
                if isinstance(message, dict):
                    yield message
