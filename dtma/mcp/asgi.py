"""What the MCP endpoints need of ASGI. They are plain ASGI, since they carry every tool call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus

from starlette.types import Receive, Send

from dtma.tasks import cancelled

JSON = (b"content-type", b"application/json")
MAX_BODY_BYTES = 32 * 1024 * 1024


class BodyTooLarge(Exception):
    """The request's body is larger than ``MAX_BODY_BYTES``."""


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


async def respond(send: Send, status: HTTPStatus, *headers: tuple[bytes, bytes], body: bytes = b"") -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status.value, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def while_connected(receive: Receive, work: Coroutine[None, None, None]) -> None:
    """Do the work, but cancel it when the client leaves. The request's body must have been read."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not working.done():
            await cancelled(working)
    if not working.cancelled():
        working.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
