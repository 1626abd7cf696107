"""What the MCP endpoints need of ASGI. They are plain ASGI, since they carry every tool call."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Send

from dtma.mcp.messages import parse
from mcp_protocol.messages import INVALID_REQUEST, PARSE_ERROR, Message, encode, failure

JSON = (b"content-type", b"application/json")
MAX_BATCH = 100
MAX_BODY_BYTES = 32 * 1024 * 1024

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BodyTooLarge(Exception):
    """The request's body is larger than ``MAX_BODY_BYTES``."""


WATCHED_AFTER_SECONDS = 0.03
"""Most answers are there sooner, and nobody has to watch whether their client leaves."""
RETRY_SECONDS = b"5"
"""What clients are told that come when there is no room."""


class Refused(Exception):
    """An answer that is an error: an HTTP status and a JSON-RPC error, with the id of the request where that is known."""

    def __init__(self, status: HTTPStatus, code: int, message: str, data: Message | None = None, request_id: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers: tuple[tuple[bytes, bytes], ...] = (JSON,)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers = (JSON, (b"retry-after", RETRY_SECONDS))
        self.body = encode(failure(request_id, code, message, data))


async def read_body(receive: Receive) -> bytes | None:
    """The whole body; None if the client left before it was complete."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return b"".join(pieces)


async def read_whole(receive: Receive) -> bytes | None:
    """The body of a message; None if the client left. Raises ``Refused``."""
    try:
        return await read_body(receive)
    except BodyTooLarge:
        limit = MAX_BODY_BYTES // (1024 * 1024)
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID_REQUEST, f"A message may have at most {limit} MB.") from None


def messages_in(body: bytes) -> Message | list[Message]:
    """The JSON-RPC message in a body, or those of a batch; raises ``Refused``."""
    try:
        said: Any = parse(body)
    except ValueError as error:
        reason = "The body is nested too deeply." if "nested" in str(error) else "The body is not JSON."
        raise Refused(HTTPStatus.BAD_REQUEST, PARSE_ERROR, reason) from None
    if not isinstance(said, list):
        return _checked(said)
    if not 0 < len(said) <= MAX_BATCH:
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, f"A batch has 1 to {MAX_BATCH} messages.")
    return [_checked(message) for message in said]


def _checked(message: Any) -> Message:
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.")
    method = message.get("method")
    if method is None and not ("id" in message and ("result" in message or "error" in message)):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The message is neither a request nor a notification nor a response.")
    if method is not None and not isinstance(method, str):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The method is not a string.")
    if "id" in message and (not isinstance(message["id"], str | int) or isinstance(message["id"], bool)):
        raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The id of a request is a string or an integer.")
    return message


def check_origin(headers: Headers) -> None:
    """Refuse what a page of another site makes a browser send (MCP 2025-11-25, transports, security).

    A page may call a DTMA on its own machine, or the address that it came from. A name is not enough: whoever owns one can let it point
    here (DNS rebinding). Programs send no Origin.
    """
    origin = headers.get("origin")
    if origin is None:
        return
    origin_host = _host(origin)
    own_host = _host(f"//{headers.get('host', '')}")
    if origin_host not in _LOOPBACK and not (origin_host == own_host and _is_address(origin_host)):
        raise Refused(HTTPStatus.FORBIDDEN, INVALID_REQUEST, "Requests from this origin are not accepted.")


def check_content_type(headers: Headers) -> None:
    """A POST carries JSON."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, "Send JSON, with Content-Type: application/json.")


def accepts_events(headers: Headers) -> bool:
    """Whether the client takes an event stream for an answer."""
    accept = headers.get("accept", "*/*")
    return any(kind in accept for kind in ("text/event-stream", "text/*", "*/*"))


async def respond(send: Send, status: HTTPStatus | int, *headers: tuple[bytes, bytes], body: bytes = b"") -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def while_connected(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Do the work, but cancel it soon after the client left. The request's body must have been read."""
    working = asyncio.current_task()
    assert working is not None
    watch = _Watch(receive, working)
    try:
        await work
    except asyncio.CancelledError:
        if not watch.left or working.uncancel() > 0:  # somebody else wants it to end
            raise
    finally:
        watch.end()


class _Watch:
    """Cancels a task when the client leaves: ``left``. A task of its own waits for that, where the answer is not there at once."""

    def __init__(self, receive: Receive, working: asyncio.Task[Any]) -> None:
        self.left = False
        self._receive = receive
        self._working = working
        self._watching: asyncio.Task[None] | None = None
        self._soon = asyncio.get_running_loop().call_later(WATCHED_AFTER_SECONDS, self._begin)

    def end(self) -> None:
        """The work is done."""
        self._soon.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._working.cancel()


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True
