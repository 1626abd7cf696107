"""The Streamable HTTP endpoint of a stdio server (MCP 2025-03-26 to 2025-11-25).

All clients share the server's one session: ``initialize`` is answered from what the server said to DTMA. A client of the stateless
era (2026-07-28) is told which versions are spoken here, whereupon it falls back to ``initialize``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from dtma.mcp.asgi import JSON, MAX_BODY_BYTES, BodyTooLarge, read_body, respond, while_connected
from dtma.mcp.bridge import Bridge, Call, Message, encode, params_of, parse
from dtma.mcp.sessions import Session, Sessions

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""What is spoken here, newest first."""
KEEPALIVE_SECONDS = 15.0

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
UNSUPPORTED_VERSION = -32022
"""MCP 2026-07-28; its ``data.supported`` is what makes newer clients fall back."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Refused(Exception):
    """An answer that is an error: an HTTP status and a JSON-RPC error without an id."""

    def __init__(self, status: HTTPStatus, code: int, message: str, data: Message | None = None) -> None:
        super().__init__(message)
        self.status = status
        error: Message = {"code": code, "message": message} | ({} if data is None else {"data": data})
        self.body = encode({"jsonrpc": "2.0", "id": None, "error": error})


class StdioEndpoint:
    """An ASGI application for one server's ``/mcp``."""

    def __init__(self, bridge: Bridge, initialize_result: Message, sessions: Sessions) -> None:
        self._bridge = bridge
        self._initialize_result = initialize_result
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            check_origin(headers)
            match scope["method"]:
                case "POST":
                    await self._post(headers, receive, send)
                case "GET":
                    await self._listen(self._session(headers), headers, receive, send)
                case "DELETE":
                    self._sessions.end(self._session(headers))
                    await respond(send, HTTPStatus.OK)
                case _:
                    await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, (b"allow", b"GET, POST, DELETE"))
        except Refused as refused:
            await respond(send, refused.status, JSON, body=refused.body)

    async def _post(self, headers: Headers, receive: Receive, send: Send) -> None:
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, "Send JSON, with Content-Type: application/json.")
        body = await read_whole(receive)
        if body is None:
            return
        message = _message(body)
        method = message.get("method")
        if method == "initialize" and "id" in message:
            session = self._sessions.begin(_negotiate(message, self._initialize_result))
            result = {**self._initialize_result, "protocolVersion": session.version}
            answer = encode({"jsonrpc": "2.0", "id": message["id"], "result": result})
            await respond(send, HTTPStatus.OK, JSON, (b"mcp-session-id", session.id.encode()), body=answer)
            return
        session = self._session(headers)
        if method is None:  # the response to a request that a server made: none is forwarded, so nobody waits for it
            await respond(send, HTTPStatus.ACCEPTED)
        elif "id" not in message:
            await self._bridge.notify(message, session)
            await respond(send, HTTPStatus.ACCEPTED)
        else:
            with session.busy():
                await self._call(message, session, _accepts_events(headers), receive, send)

    async def _call(self, message: Message, session: Session, events: bool, receive: Receive, send: Send) -> None:
        call = self._bridge.open(message, session)
        try:
            await while_connected(receive, self._answer(call, events, send))
        finally:
            # Ends the call on the server if the client left, or if DTMA itself is being stopped.
            await self._bridge.cancel(call, "The client disconnected.")

    async def _answer(self, call: Call, events: bool, send: Send) -> None:
        await self._bridge.send(call)
        first = await call.next()
        while not events and "method" in first:
            first = await call.next()
        if "method" not in first:
            await respond(send, HTTPStatus.OK, JSON, body=encode(first))
            return
        await _start_events(send)
        await _event(send, first)
        last = first
        while "method" in last:
            last = await call.next()
            await _event(send, last)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, session: Session, headers: Headers, receive: Receive, send: Send) -> None:
        if not _accepts_events(headers):
            raise Refused(HTTPStatus.NOT_ACCEPTABLE, INVALID_REQUEST, "GET opens an event stream: accept text/event-stream.")
        await while_connected(receive, _stream_broadcasts(session, send))

    def _session(self, headers: Headers) -> Session:
        version = headers.get("mcp-protocol-version")
        if version is not None and version not in VERSIONS:
            data = {"supported": list(VERSIONS), "requested": version}
            text = f"MCP {version} is not spoken here; initialize with {VERSIONS[0]}."
            raise Refused(HTTPStatus.BAD_REQUEST, UNSUPPORTED_VERSION, text, data)
        session_id = headers.get("mcp-session-id")
        if session_id is None:
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The Mcp-Session-Id header is missing: initialize first.")
        session = self._sessions.find(session_id)
        if session is None:
            raise Refused(HTTPStatus.NOT_FOUND, INVALID_REQUEST, "This MCP session does not exist, or has ended: initialize again.")
        return session


def check_origin(headers: Headers) -> None:
    """Refuse what a page of another site makes a browser send (MCP 2025-11-25, transports, security)."""
    origin = headers.get("origin")
    if origin is None:
        return
    origin_host = urlsplit(origin).hostname
    own_host = urlsplit(f"//{headers.get('host', '')}").hostname
    if origin_host is None or (origin_host not in _LOOPBACK and origin_host != own_host):
        raise Refused(HTTPStatus.FORBIDDEN, INVALID_REQUEST, "Requests from this origin are not accepted.")


async def read_whole(receive: Receive) -> bytes | None:
    """The body of a message; None if the client left."""
    try:
        return await read_body(receive)
    except BodyTooLarge:
        limit = MAX_BODY_BYTES // (1024 * 1024)
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID_REQUEST, f"A message may have at most {limit} MB.") from None


def _message(body: bytes) -> Message:
    try:
        message: Any = parse(body)
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, PARSE_ERROR, "The body is not JSON.") from None
    if isinstance(message, list):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "Batches are not supported: send one message per request.")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.")
    method = message.get("method")
    if method is None and not ("id" in message and ("result" in message or "error" in message)):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The message is neither a request nor a notification nor a response.")
    if method is not None and not isinstance(method, str):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The method is not a string.")
    if method is not None and "id" in message and (not isinstance(message["id"], str | int) or isinstance(message["id"], bool)):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The id of a request is a string or an integer.")
    return message


def _negotiate(initialize: Message, result: Message) -> str:
    """The version for one client: what it asks for if that is spoken here and the server knows it too, else the next best."""
    requested = params_of(initialize).get("protocolVersion")
    servers = str(result.get("protocolVersion", ""))
    newest = servers if servers in VERSIONS else VERSIONS[0]
    return requested if requested in VERSIONS and requested <= newest else newest


def _accepts_events(headers: Headers) -> bool:
    accept = headers.get("accept", "*/*")
    return any(kind in accept for kind in ("text/event-stream", "text/*", "*/*"))


async def _start_events(send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _event(send: Send, message: Message) -> None:
    await send({"type": "http.response.body", "body": b"event: message\ndata: " + encode(message) + b"\n\n", "more_body": True})


async def _stream_broadcasts(session: Session, send: Send) -> None:
    await _start_events(send)
    # The first byte tells the client that the stream is open.
    await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
    with session.listen() as listener:
        while True:
            message = await listener.next(KEEPALIVE_SECONDS)
            if message is not None:
                await _event(send, message)
            elif listener.ended:
                break
            else:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
