"""One open request at an HTTP server: the messages of its answer, and of what the answer is continued with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from dtma.errors import Failure
from dtma.mcp.asgi import MAX_BODY_BYTES
from dtma.mcp.messages import SERVER_GONE, parse, result_in
from dtma.tasks import cancelled
from lean_http import Answer, HttpError, TooLarge
from mcp_protocol.event_streams import Blocks, Event, EventTooLarge, event_of
from mcp_protocol.messages import Message, failure, is_response

MAX_WAITING = 16
"""So many messages wait here at most; then the server is not read until somebody fetches one."""


class NotMcp(Exception):
    """The server answered with something that is not MCP; the message says with what."""


class HttpExchange:
    """Implements ``dtma.mcp.connection.Exchange``. ``source`` yields the messages as the client shall see them; ``over`` is called once
    nothing of it is open any more, whichever way it ended.
    """

    def __init__(
        self,
        request_id: Any,
        source: AsyncGenerator[Message],
        answer: Callable[[Message], Awaitable[None]],
        cancel: Callable[[str], Awaitable[None]],
        over: Callable[[], None],
    ) -> None:
        self._id = request_id
        self._source = source
        self._answer = answer
        self._cancel = cancel
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        self._complete = False
        self._pumping = asyncio.create_task(self._pump())
        self._pumping.add_done_callback(lambda _: over())  # a task that was cancelled early has never begun

    async def next(self) -> Message:
        """The next message; the last has no ``method``."""
        return await self._inbox.get()

    async def answer(self, response: Message) -> None:
        """The client's response to a request of the server."""
        await self._answer(response)

    async def cancel(self, reason: str) -> None:
        """Nobody waits any more. Whoever still does gets an error."""
        if self._complete:
            return
        self._complete = True
        await cancelled(self._pumping)
        while self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(failure(self._id, SERVER_GONE, "The request was cancelled."))
        await self._cancel(reason)

    async def _pump(self) -> None:
        try:
            async with aclosing(self._source) as messages:
                async for message in messages:
                    self._complete = is_response(message)
                    await self._inbox.put(message)
            problem = "Its answer ended without a response."
        except TooLarge as error:
            problem = f"Its answer has {error}."
        except HttpError as error:
            problem = f"It does not answer: {error}"
        except NotMcp as error:
            problem = str(error)
        except Failure as error:
            problem = error.reason
        except EventTooLarge:
            problem = f"Its answer has more than {MAX_BODY_BYTES // (1024 * 1024)} MB."
        if not self._complete:
            self._complete = True
            await self._inbox.put(failure(self._id, SERVER_GONE, f"The server in the container failed. {problem}"))


async def result_of(exchange: HttpExchange, method: str) -> Message:
    """The result of a request of DTMA's own; raises ``RpcError``."""
    try:
        while not is_response(response := await exchange.next()):
            pass
    finally:
        await exchange.cancel("DTMA no longer waits.")
    return result_in(response, method)


async def at_once(response: Message) -> AsyncGenerator[Message]:
    """A response that is known already."""
    yield response


async def events_of(response: Answer) -> AsyncIterator[Event]:
    """The events of a stream; raises ``EventTooLarge``."""
    blocks = Blocks(MAX_BODY_BYTES)
    async for chunk in response.pieces():
        for block in blocks.feed(chunk):
            yield event_of(block)


async def message_of(response: Answer, request_id: Any) -> Message:
    """The one message of an answer that is no event stream; raises ``NotMcp`` or ``HttpError``. Errors get the request's id where they
    have none.
    """
    messages = rpc_messages(await response.read(MAX_BODY_BYTES))
    for message in messages:
        if is_response(message) and message.get("id") == request_id:
            return message
        if "error" in message and message.get("id") is None:
            return {**message, "id": request_id}
    where = response.headers.get(b"location")
    if where is not None and 300 <= response.status < 400:
        named = where[:200].decode(errors="replace")
        raise NotMcp(f"It redirects to {named}: its transport needs that path.")
    raise NotMcp(f"It answered with HTTP {response.status} and no MCP message.")


def rpc_messages(data: bytes) -> list[Message]:
    """The JSON-RPC messages in a body or an event: one, several in a batch (2025-03-26), or none where it is not JSON-RPC."""
    try:
        parsed = parse(data)
    except ValueError:
        return []
    found = parsed if isinstance(parsed, list) else [parsed]
    return [message for message in found if isinstance(message, dict) and message.get("jsonrpc") == "2.0"]
