"""Many clients on one duplex stream of JSON-RPC lines (MCP, stdio transport), in either era.

Every request gets an id of our own before it reaches the server. The id begins with DTMA's epoch: a server that outlived an earlier
DTMA may still answer calls of that one, and such an answer must find nobody. Messages stay parsed JSON; only ids, progress tokens and
subscription ids are touched, so fields that we do not know pass through.

On such a stream nothing says which call a server's question or log message belongs to. It is given to a client only where there is
one client that it can belong to (``dtma.mcp.questions``).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from dtma.errors import EngineUnavailable
from dtma.mcp.calls import Call
from dtma.mcp.connection import Client, Era
from dtma.mcp.gate import Gate
from dtma.mcp.messages import BUSY, SERVER_GONE, RpcError, parse, result_in
from dtma.mcp.notices import Notices
from dtma.mcp.outbox import Full, Outbox
from dtma.mcp.questions import Questions, can_be_asked
from dtma.mcp.task_owners import TaskOwners
from dtma.mcp.versions import OURSELVES, enveloped
from dtma.mcp.wishes import METHODS as WISHES
from dtma.mcp.wishes import Wishes
from dtma.observing.cost import Meter
from mcp_protocol.messages import INVALID_PARAMS, Message, encode, failure, is_response, meta_of, notification, params_of, success

MAX_OPEN_CALLS = 1000
ABANDONED_SECONDS = 10.0
"""For so long a server may go on with a call that was cancelled, and ask or log for it."""

_ANSWERED = re.compile(rb'"id"\s*:\s*"(dtma-\d+-\d+)"')
"""Where a line that is no JSON, or not all of it, seems to answer a call."""

_numbers = itertools.count(1)


class Bridge:
    """A ``Connection`` over one stream. ``write`` takes whole lines and waits while the server does not read; ``receive`` is given what
    the server says. The era is set by whoever greets the server.
    """

    def __init__(
        self,
        epoch: int,
        write: Callable[[bytes], Awaitable[None]],
        on_message: Callable[[Message], None],
        meter: Meter | None = None,
    ) -> None:
        self.era = Era.HANDSHAKE
        self.opening: Message = {}
        self.on_message = on_message
        self.heard_at = time.monotonic()
        """When the last message came from the server."""
        self._meter = meter
        self._prefix = f"dtma-{epoch}-"
        self._outbox = Outbox(write)
        self._calls: dict[str, Call] = {}
        self._by_client: dict[tuple[int, Any], Call] = {}
        self._gate = Gate()
        self._wishes = Wishes()
        self._questions = Questions(self._calls)
        self._tasks = TaskOwners()
        self._notices = Notices(self._calls, self._questions, self._wishes, self._tasks, self._to_everybody)
        self._closed: str | None = None

    # --- towards the server ---

    async def open(self, request: Message, owner: Client | None) -> Call:
        """Send a client's request; waits while the server does not read. One that must run alone may be sent later.

        ``owner`` is None for DTMA's own. Whoever is cancelled while it waits leaves nothing behind.
        """
        call = Call(self, f"{self._prefix}{next(_numbers)}", request, owner)
        if self._closed is not None:
            call.put(failure(call.theirs, SERVER_GONE, self._closed))
        elif len(self._calls) >= MAX_OPEN_CALLS:
            call.put(failure(call.theirs, BUSY, f"This server has {MAX_OPEN_CALLS} calls open already. Try again later."))
        elif self._tasks.is_anothers(call.method, call.params, owner):
            call.put(failure(call.theirs, INVALID_PARAMS, "This client has no such task."))
        elif not self._is_granted(call):
            self._calls[call.ours] = call
            self._by_client[_client_key(owner, call.theirs)] = call
            try:
                await self._start(call)
            except asyncio.CancelledError:
                await self.abandon(call, "The client disconnected.")
                raise
        return call

    async def notify(self, notification: Message, owner: Client) -> None:
        """Send a client's notification on; a cancellation is translated, and what only concerns DTMA stays here."""
        method = notification.get("method")
        if method == "notifications/cancelled":
            params = params_of(notification)
            call = self._by_client.get(_client_key(owner, params.get("requestId")))
            if call is not None:
                await self.abandon(call, str(params.get("reason") or "The client cancelled the request."))
        elif method == "notifications/progress":
            if self._questions.is_answered_in_steps(owner, params_of(notification).get("progressToken")):
                await self._outbox.send(notification)
        elif method not in ("notifications/initialized", "notifications/roots/list_changed"):
            await self._outbox.send(notification)

    async def leave(self, owner: Client) -> None:
        """That client ended: what it watched is watched for others only."""
        for call in [call for call in self._calls.values() if call.owner is owner]:
            await self.abandon(call, "The client ended its session.")
        self._questions.leave(owner)
        self._tasks.leave(owner)
        for method, params in self._wishes.leave(owner):
            self._outbox.tell({"jsonrpc": "2.0", "id": f"{self._prefix}{next(_numbers)}", "method": method, "params": params})

    async def answer(self, call: Call, response: Message) -> None:
        """A client's response to a question that the server asked in this call."""
        if call.questions.pop(response.get("id"), self) is not self:
            await self._outbox.send(response)

    async def abandon(self, call: Call, reason: str) -> None:
        """Nobody waits for this call any more: tell the server. A call that has its response is left alone."""
        if self._calls.get(call.ours) is not call or call.abandoned:
            return
        self._by_client.pop(_client_key(call.owner, call.theirs), None)
        call.put(failure(call.theirs, SERVER_GONE, "The request was cancelled."))
        self._drop_questions(call, "The call that this was asked in was cancelled.")
        if call.sent:
            self._outbox.tell(notification("notifications/cancelled", {"requestId": call.ours, "reason": reason}))
        if call.interactive and call.sent:
            # What the server still asks must not be taken for another client's.
            call.abandoned = True
            asyncio.get_running_loop().call_later(ABANDONED_SECONDS, self._forget, call)
        else:
            self._forget(call)

    async def request(self, method: str, params: Message | None = None) -> Message:
        """A request of DTMA's own; returns its result or raises ``RpcError``. It has no limit of its own."""
        message: Message = {"jsonrpc": "2.0", "id": None, "method": method}
        if self.era is Era.STATELESS:
            params = enveloped(params, {}, OURSELVES)
        if params is not None:
            message["params"] = params
        call = await self.open(message, None)
        try:
            while not is_response(response := await call.next()):
                pass
        finally:
            self._forget(call)
        return result_in(response, method)

    @property
    def open_calls(self) -> int:
        """How many requests of clients wait for their response."""
        return sum(call.owner is not None and not call.abandoned for call in self._calls.values())

    async def probe(self) -> None:
        """Ask the server whether it is there; returns once it answers anything."""
        try:
            await self.request("ping" if self.era is Era.HANDSHAKE else "server/discover")
        except RpcError:
            return

    async def initialized(self) -> None:
        """The notification that ends the handshake."""
        await self._outbox.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    # --- from the server ---

    def receive(self, line: bytes) -> bool:
        """Take a line of the server's; False if it is no JSON-RPC, or a log message that belongs to no client."""
        try:
            message = parse(line)
        except ValueError as error:
            self._fail_unreadable(line, error)
            return False
        if isinstance(message, list) and message and all(_is_rpc(item) for item in message):  # a batch (2025-03-26)
            results = [self._dispatch(item, 0) for item in message]
            return all(results)
        return _is_rpc(message) and self._dispatch(message, len(line))

    def close(self, reason: str) -> None:
        """The server is gone: every open call fails now."""
        self._closed = reason
        for call in list(self._calls.values()):
            self._forget(call)
            call.put(failure(call.theirs, SERVER_GONE, reason))
        self._outbox.close()

    def _dispatch(self, message: Message, size: int) -> bool:
        self.heard_at = time.monotonic()
        if is_response(message):
            self._on_response(message, size)
            return True
        if "id" in message:
            self._on_question(message, size)
            return True
        return self._notices.take(message, size, self.era)

    def _fail_unreadable(self, line: bytes, error: ValueError) -> None:
        """An answer that nobody can read is one all the same: whoever waits for it must not wait for ever."""
        found = _ANSWERED.search(line)
        call = None if found is None else self._calls.get(found[1].decode())
        if call is not None:
            self._forget(call)
            if not call.abandoned:
                call.put(failure(call.theirs, SERVER_GONE, f"The server answered with something that cannot be read: {error}."))

    def _on_response(self, message: Message, size: int) -> None:
        call = self._calls.get(str(message.get("id")))
        if call is None:
            return
        if call.measurement is not None and isinstance(result := message.get("result"), dict) and (cost := call.measurement.end()):
            result["_meta"] = {**meta_of(result), **cost}
        self._forget(call)
        if call.abandoned:
            return
        self._drop_questions(call, "The call that this was asked in has ended.")
        if "error" in message and call.method in WISHES and call.owner is not None:
            self._wishes.refused(call.method, call.params, call.owner)
        message["id"] = call.theirs
        if isinstance(result := message.get("result"), dict):
            self._tasks.learn(call.method, result, call.owner)
            message = call.in_their_words(message, result)
        call.put(message, size)

    def _on_question(self, request: Message, size: int) -> None:
        if request["method"] == "ping":
            self._outbox.tell(success(request["id"], {}))
            return
        call = self._questions.ask(request, self.era)
        if isinstance(call, Call):
            self._gate.shut()
            call.put(request, size)
        else:
            self._outbox.tell(call)

    # --- within ---

    def _to_everybody(self, message: Message) -> None:
        self.on_message(message)  # which may be another one by now

    def _is_granted(self, call: Call) -> bool:
        """Whether a wish needs no question to the server: then it is answered now."""
        if call.method not in WISHES or call.owner is None or self.era is Era.STATELESS:
            return False
        params = self._wishes.wish(call.method, call.params, call.owner)
        if params is None:
            call.put(success(call.theirs, {}))
            return True
        if params is not call.params:
            call.outgoing["params"] = params
        return False

    async def _start(self, call: Call) -> None:
        if call.interactive:
            alone = self._questions.seen and can_be_asked(call.owner)
            if not self._gate.enter_now(alone=alone):
                call.turn = asyncio.create_task(self._wait(call, alone=alone))
                return
            call.inside = True
        await self._write_call(call)

    async def _wait(self, call: Call, *, alone: bool) -> None:
        """Send a call when its turn has come."""
        await self._gate.enter(alone=alone)
        call.inside = True
        await self._write_call(call)

    async def _write_call(self, call: Call) -> None:
        if self._meter is not None and call.method == "tools/call":
            call.measurement = self._meter.begin()
        call.sent = True
        try:
            await self._outbox.request(encode(call.outgoing) + b"\n")
        except Full:
            self._forget(call)
            call.put(failure(call.theirs, BUSY, "The server does not read what it is sent. Try again later."))
        except EngineUnavailable as error:
            self._forget(call)
            call.put(failure(call.theirs, SERVER_GONE, f"The server can no longer be reached: {error}"))

    def _drop_questions(self, call: Call, reason: str) -> None:
        for question in call.questions:
            self._outbox.tell(failure(question, SERVER_GONE, reason))
        call.questions.clear()

    def _forget(self, call: Call) -> None:
        if self._calls.get(call.ours) is not call:
            return
        del self._calls[call.ours]
        if self._by_client.get(key := _client_key(call.owner, call.theirs)) is call:
            del self._by_client[key]
        if call.measurement is not None:
            call.measurement.end()
        if call.inside:
            self._gate.leave()
        elif call.turn is not None:
            call.turn.cancel()


def _is_rpc(message: object) -> bool:
    return isinstance(message, dict) and message.get("jsonrpc") == "2.0" and ("method" in message or "id" in message)


def _client_key(owner: Client | None, request_id: Any) -> tuple[int, Any]:
    # JSON's 1 and "1" are different ids; so are Python's.
    return id(owner), request_id if isinstance(request_id, str | int | float) else None
