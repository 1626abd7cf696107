"""The connection to an HTTP server of the handshake era, which clients of the other era share.

Every request has an answer of its own, so what the server sends or asks in the middle of a call belongs to that call. What belongs to
none comes on the session's GET stream.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import nullcontext
from typing import Any

from dtma.mcp.connection import Client, Era
from dtma.mcp.handshake import initialize
from dtma.mcp.http_call import HttpCall, ignore, key_of, refusal
from dtma.mcp.http_exchange import HttpExchange, NotMcp, at_once, events_of, message_of, result_of, rpc_messages
from dtma.mcp.http_session import EVENTS, HttpSession
from dtma.mcp.http_upstream import HttpUpstream
from dtma.mcp.messages import RpcError
from dtma.mcp.wishes import METHODS as WISHES
from dtma.mcp.wishes import Wishes
from dtma.observing.cost import Meter
from mcp_protocol.messages import Message, encode, is_response, notification, params_of, success

TELL_SECONDS = 10.0
"""How long the server may take to accept what it need not answer."""
MAX_RESUMPTIONS = 5
"""So many resumptions in a row that bring nothing end a call."""
_KEPT_HERE = frozenset({"notifications/initialized", "notifications/roots/list_changed"})

_numbers = itertools.count(1)


class HandshakeConnection:
    """Implements ``dtma.mcp.connection.Connection``. A session that the server forgot is replaced by a new one."""

    def __init__(self, upstream: HttpUpstream, meter: Meter, seconds: float, hear: Callable[[Message], None] = ignore) -> None:
        self.era = Era.HANDSHAKE
        self.opening: Message = {}
        self.on_message: Callable[[Message], None] = ignore
        self._hear = hear
        self._upstream = upstream
        self._meter = meter
        self._seconds = seconds
        self._session: HttpSession | None = None
        self._beginning = asyncio.Lock()
        self._open: dict[tuple[int, Any], HttpExchange] = {}
        self._wishes = Wishes()
        self._telling: set[asyncio.Task[None]] = set()

    async def begin(self, instead_of: HttpSession | None = None) -> HttpSession:
        """The session, begun if there is none yet or only one that ended; raises ``Failure``."""
        async with self._beginning:
            if self._session is None or self._session is instead_of:
                session = HttpSession(self._upstream)
                self.opening = await initialize(session, self._seconds)
                self._session = session
            return self._session

    async def open(self, request: Message, owner: Client | None) -> HttpExchange:
        """Send a client's request; ``owner`` is None for DTMA's own."""
        measurement = self._meter.begin() if request["method"] == "tools/call" else None
        call = HttpCall(f"dtma-{next(_numbers)}", request, owner, measurement)
        if owner is not None and call.method in WISHES:
            params = self._wishes.wish(call.method, call.params, owner)
            if params is None:
                return HttpExchange(call.theirs, at_once(success(call.theirs, {})), self._tell, _nothing, lambda: None)
            call.outgoing["params"] = params
        key = key_of(owner, call.theirs)

        async def cancel(reason: str) -> None:
            self._tell_soon(notification("notifications/cancelled", {"requestId": call.ours, "reason": reason}))

        def over() -> None:
            self._open.pop(key, None)
            if measurement is not None:
                measurement.end()

        exchange = HttpExchange(call.theirs, self._messages(call), self._tell, cancel, over)
        if owner is not None:
            self._open[key] = exchange
        return exchange

    async def notify(self, notification: Message, owner: Client) -> None:
        """Send a client's notification; a cancellation finds the request that it means."""
        method = notification.get("method")
        if method == "notifications/cancelled":
            params = params_of(notification)
            exchange = self._open.get(key_of(owner, params.get("requestId")))
            if exchange is not None:
                await exchange.cancel(str(params.get("reason") or "The client cancelled the request."))
        elif method not in _KEPT_HERE:
            await self._tell(notification)

    async def leave(self, owner: Client) -> None:
        """That client ended: what it watched is watched for others only."""
        for exchange in [exchange for key, exchange in self._open.items() if key[0] == id(owner)]:
            await exchange.cancel("The client ended its session.")
        for method, params in self._wishes.leave(owner):
            self._tell_soon({"jsonrpc": "2.0", "id": f"dtma-{next(_numbers)}", "method": method, "params": params})

    async def request(self, method: str, params: Message | None = None) -> Message:
        """The result of a request of DTMA's own; raises ``RpcError``."""
        message: Message = {"jsonrpc": "2.0", "id": None, "method": method} | ({} if params is None else {"params": params})
        return await result_of(await self.open(message, None), method)

    async def initialized(self) -> None:
        """Nothing is left to do: ``begin`` has sent it."""

    async def listen(self) -> bool:
        """Take what belongs to no call, until the stream ends; False if this server has no such stream.

        Raises ``HttpError``, ``EventTooLarge`` or ``Failure``.
        """
        session = await self.begin()
        async with self._upstream.open("GET", [*session.identity, EVENTS]) as response:
            if response.status == 404 and session.id is not None:
                await self.begin(instead_of=session)
                return True
            if not response.is_stream:
                return False
            async for event in events_of(response):
                for message in rpc_messages(event.data):
                    if not is_response(message):
                        await self._addressed(message, None)
        return True

    async def close(self) -> None:
        """End the session on the server."""
        for task in self._telling:
            task.cancel()
        if self._session is not None:
            await self._session.leave()

    # --- what the server says ---

    async def _messages(self, call: HttpCall) -> AsyncGenerator[Message]:
        """All of a call that is for its client."""
        with self._upstream.calling() if call.owner is not None else nullcontext():
            async for message in self._for_client(call):
                yield message

    async def _for_client(self, call: HttpCall) -> AsyncGenerator[Message]:
        async for message in self._answer(call):
            if is_response(message):
                if "error" in message and call.owner is not None and call.method in WISHES:
                    self._wishes.refused(call.method, call.params, call.owner)
                yield message
            elif (addressed := await self._addressed(message, call)) is not None:
                yield addressed

    async def _addressed(self, message: Message, call: HttpCall | None) -> Message | None:
        """A notification or question as the call's client shall see it; None if it is not for it, and was dealt with."""
        method, params = str(message["method"]), params_of(message)
        if "id" in message:
            refused = refusal(message, None if call is None else call.owner)
            if refused is None:
                return message
            await self._tell(refused)
        elif method == "notifications/resources/updated":
            for client in self._wishes.watchers(str(params.get("uri"))):
                client.put(message)
        elif method.endswith("/list_changed"):
            self._hear(message)
            self.on_message(message)
        elif call is not None and method == "notifications/progress":
            return call.progress(message)
        elif call is not None:
            is_log = method == "notifications/message"
            return message if not is_log or call.owner is None or self._wishes.wants(call.owner, params.get("level")) else None
        return None

    async def _answer(self, call: HttpCall) -> AsyncGenerator[Message]:
        session = await self.begin()
        for ended in (False, True):
            async with self._upstream.open("POST", session.headers, encode(call.outgoing)) as response:
                if response.status == 404 and session.id is not None and not ended:
                    session = await self.begin(instead_of=session)
                    continue
                if not response.is_stream:
                    yield call.back(await message_of(response, call.ours))
                    return
                async for message in call.messages(response):
                    yield message
                response.finish()
            break
        async for message in self._resumed(call, session):
            yield message

    async def _resumed(self, call: HttpCall, session: HttpSession) -> AsyncGenerator[Message]:
        """The rest of an answer whose stream the server closed in the middle, to be fetched later (2025-11-25, polling)."""
        in_vain = 0
        while not call.complete and call.last_event is not None and in_vain < MAX_RESUMPTIONS:
            await asyncio.sleep(call.retry_seconds)
            before = call.last_event
            async with self._upstream.open("GET", [*session.identity, EVENTS, ("Last-Event-ID", before)]) as response:
                if not response.is_stream:
                    raise NotMcp(f"Its answer broke off and cannot be resumed (HTTP {response.status}).")
                async for message in call.messages(response):
                    yield message
                response.finish()
            in_vain = in_vain + 1 if call.last_event == before else 0

    async def _tell(self, message: Message) -> None:
        if self._session is None:
            return
        try:
            async with asyncio.timeout(TELL_SECONDS):
                await self._session.notify(message)
        except (RpcError, TimeoutError):  # whoever waits for an effect of it learns that from the answer to the call
            return

    def _tell_soon(self, message: Message) -> None:
        """Without waiting: a server that hangs must not hold up whoever lets go of it."""
        task = asyncio.create_task(self._tell(message))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


async def _nothing(reason: str) -> None:
    """There is nothing to cancel at the server."""
