"""Servers that speak Streamable HTTP in their container: a client for the handshake and a pass-through for everybody else."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

import aiohttp
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from dtma.mcp.asgi import JSON, respond, while_connected
from dtma.mcp.bridge import Message, RpcError, encode, parse
from dtma.mcp.endpoint import VERSIONS, Refused, check_origin, read_whole
from dtma_wire import HttpTransport

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.05
LARGE_BODY_BYTES = 512 * 1024
_FORWARDED = frozenset({"accept", "content-type", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"})
"""Of a client's request headers; anything that could be a credential stays here."""
_RETURNED = frozenset({"allow", "cache-control", "content-type", "mcp-protocol-version", "mcp-session-id", "retry-after"})


class HttpUpstream:
    """The MCP endpoint inside one container."""

    def __init__(self, http: aiohttp.ClientSession, address: str, transport: HttpTransport) -> None:
        self._http = http
        self._address = address
        self.port = transport.port
        self._url = f"http://{address}:{transport.port}{transport.path}"
        has_port = transport.host.rpartition("]")[2].count(":") > 0
        self._host = transport.host if has_port else f"{transport.host}:{transport.port}"
        self._session_id: str | None = None
        self._version: str | None = None
        self._numbers = 0

    async def wait_until_listening(self) -> None:
        """Return once the port accepts connections. It has no limit of its own."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, writer = await asyncio.open_connection(self._address, self.port)
            except OSError:  # a timeout is one too
                await asyncio.sleep(RETRY_SECONDS)
            else:
                writer.close()
                return

    # --- as a client ---

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The ``result`` of a request; raises ``RpcError``."""
        self._numbers += 1
        message: Message = {"jsonrpc": "2.0", "id": self._numbers, "method": method}
        if params is not None:
            message["params"] = params
        try:
            async with self._open("POST", self._headers(), encode(message)) as response:
                self._session_id = response.headers.get("Mcp-Session-Id", self._session_id)
                answer = await _answer(response, self._numbers)
        except aiohttp.ClientError as error:
            raise RpcError({"code": 0, "message": f"its HTTP answer to {method} broke off ({error})"}) from error
        if answer is None:
            raise RpcError({"code": response.status, "message": f"it answered {method} with HTTP {response.status} and no MCP message"})
        if "error" in answer:
            raise RpcError(answer["error"])
        result = answer.get("result")
        if not isinstance(result, dict):
            raise RpcError({"code": 0, "message": f"it answered {method} with something that is not a result"})
        if method == "initialize":
            self._version = str(result.get("protocolVersion", VERSIONS[0]))
        return result

    async def initialized(self) -> None:
        """The notification that ends the handshake."""
        message = encode({"jsonrpc": "2.0", "method": "notifications/initialized"})
        try:
            async with self._open("POST", self._headers(), message) as response:
                await response.read()
        except aiohttp.ClientError as error:
            raise RpcError({"code": 0, "message": f"its HTTP answer to notifications/initialized broke off ({error})"}) from error

    async def leave(self) -> None:
        """End DTMA's own session on the server, if it keeps sessions."""
        if self._session_id is None:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS), self._open("DELETE", self._headers(), None) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self._session_id is not None:
            headers["Mcp-Session-Id"] = self._session_id
        if self._version is not None:
            headers["MCP-Protocol-Version"] = self._version
        return headers

    # --- as a pass-through ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            check_origin(headers)
            body = await read_whole(receive)
        except Refused as refused:
            await respond(send, refused.status, JSON, body=refused.body)
            return
        if body is not None:
            kept = {name: value for name, value in headers.items() if name in _FORWARDED or name.startswith("mcp-param-")}
            await while_connected(receive, self._stream(scope["method"], kept, body, send))

    async def _stream(self, method: str, headers: dict[str, str], body: bytes, send: Send) -> None:
        started = False
        try:
            async with self._open(method, headers, body or None) as response:
                returned = [(name.encode(), value.encode()) for name, value in response.headers.items() if name.lower() in _RETURNED]
                await send({"type": "http.response.start", "status": response.status, "headers": returned})
                started = True
                async for chunk in response.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except aiohttp.ClientError as error:
            if not started:
                text = f"The server in the container does not answer: {error}"
                message = encode({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": text}})
                await respond(send, HTTPStatus.BAD_GATEWAY, JSON, body=message)
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _open(self, method: str, headers: dict[str, str], body: bytes | None) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        # A large body is written piece by piece, so that it does not hold up the event loop.
        data = body if body is None or len(body) <= LARGE_BODY_BYTES else io.BytesIO(body)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        return self._http.request(
            method, self._url, headers={"Host": self._host, **headers}, data=data, timeout=limits, allow_redirects=False
        )


async def _answer(response: aiohttp.ClientResponse, request_id: int) -> Message | None:
    """The response to a request out of a JSON or event stream body."""
    if response.content_type != "text/event-stream":
        message = _json(await response.read())
        return message if isinstance(message, dict) and "jsonrpc" in message else None
    async for message in _events(response):
        if message.get("id") == request_id and "method" not in message:
            return message
    return None


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[Message]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            message = _json(line[5:]) if line.startswith(b"data:") else None
            if isinstance(message, dict):
                yield message


def _json(text: bytes) -> object:
    try:
        return parse(text)
    except ValueError:
        return None
