"""What a server asks while a request to it is open: each question is answered beside the others, and all end with the request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dtma_client.exceptions import DtmaError, McpError
from dtma_client.mcp_messages import INTERNAL_ERROR, METHOD_NOT_FOUND, Message

logger = logging.getLogger(__name__)

TELL_TRIES = 3
MOST_AT_ONCE = 16
BUSY = -32000

type QuestionCallback = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]
"""Takes ``method`` and ``params`` of a server's request and gives its ``result``; None: that is not offered. It may raise ``McpError``, and
is cancelled where the server, or whoever made the call, does not want the answer any more.
"""


class Clock:
    """A limit of time that stands still while somebody is asked."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._asked = 0
        self._left = 0.0

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Within this no time passes. May be entered by several at once."""
        now = asyncio.get_running_loop().time
        when = self._limit.when()
        if self._asked == 0 and when is not None:
            self._left = when - now()
            self._limit.reschedule(None)
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1
            if self._asked == 0 and when is not None and not self._limit.expired():
                self._limit.reschedule(now() + self._left)


class Asked:
    """The questions of one request. ``tell`` posts an answer to the server and may raise ``DtmaError``; without ``ask`` none is offered."""

    def __init__(self, tell: Callable[[Message], Awaitable[None]], ask: QuestionCallback | None, clock: Clock) -> None:
        self._tell, self._ask, self._clock = tell, ask, clock
        self._open: dict[Any, asyncio.Task[None]] = {}

    def take(self, message: Message) -> None:
        """A request of the server's; it is answered as soon as there is an answer."""
        name = message["id"]
        if not isinstance(name, str | int | float) or name in self._open:
            return
        task = self._open[name] = asyncio.create_task(self._answer(message, busy=len(self._open) >= MOST_AT_ONCE))
        task.add_done_callback(lambda done: self._ended(name, done))

    def withdraw(self, notification: Message) -> None:
        """The server says of a question of its own that it wants no answer any more."""
        params = notification.get("params")
        name = params.get("requestId") if isinstance(params, dict) else None
        task = self._open.get(name) if isinstance(name, str | int | float) else None
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """The request is over: nobody wants the answers any more."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(self, message: Message, *, busy: bool) -> None:
        method, params = str(message["method"]), message.get("params")
        reply: Message = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            reply |= _busy() if busy else await self._found(method, params if isinstance(params, dict) else {})
        except McpError as error:
            reply["error"] = _error(error.rpc_code, error.message, error.data)
        except asyncio.CancelledError:
            raise
        except BaseException:  # the server is told before whoever watches the task is
            await self._send(reply | {"error": _error(INTERNAL_ERROR, "This question could not be answered.")})
            raise
        await self._send(reply)

    async def _found(self, method: str, params: dict[str, Any]) -> Message:
        if method == "ping":
            return {"result": {}}
        result = None
        if self._ask is not None:
            with self._clock.stopped():
                result = await self._ask(method, params)
        if result is None:
            return {"error": _error(METHOD_NOT_FOUND, f"{method} is not offered here.")}
        return {"result": result}

    async def _send(self, reply: Message) -> None:
        for attempt in range(1, TELL_TRIES + 1):
            try:
                return await self._tell(reply)
            except DtmaError as error:
                if attempt == TELL_TRIES or not error.retryable:
                    logger.warning("The answer to a server's question could not be given: %s", error.message)
                    return None
            await asyncio.sleep(0.2 * attempt)
        return None

    def _ended(self, name: Any, task: asyncio.Task[None]) -> None:
        self._open.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A server's question could not be answered.", exc_info=error)


def _busy() -> Message:
    return {"error": _error(BUSY, "Too many questions are open at once.")}


def _error(code: int, text: str, data: Any = None) -> Message:
    return {"code": code, "message": text} | ({} if data is None else {"data": data})
