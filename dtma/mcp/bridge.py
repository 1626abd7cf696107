"""Many clients on one stdio server (MCP 2025-11-25, stdio transport).

Every request gets an id of our own before it reaches the server. The id begins with DTMA's epoch: a server that outlived an earlier
DTMA may still answer calls of that one, and such an answer must find nobody. Messages stay parsed JSON; only ids and progress tokens
are touched, so fields that we do not know pass through.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from dtma.errors import EngineUnavailable

logger = logging.getLogger(__name__)

type Message = dict[str, Any]

METHOD_NOT_FOUND = -32601
SERVER_GONE = -32000
BUSY = -32000
MAX_OPEN_CALLS = 1000
MAX_WAITING_NOTIFICATIONS = 1000

# "NaN" and "Infinity" are no JSON, but Python servers print them; null is what a JavaScript server would send.
_decoder = json.JSONDecoder(parse_constant=lambda name: None)
_numbers = itertools.count(1)


def parse(data: bytes) -> Any:
    """Parse JSON; raises ``ValueError``."""
    try:
        return _decoder.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(message: Message) -> bytes:
    """Compact JSON without a line end inside."""
    try:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(message, separators=(",", ":")).encode()


def params_of(message: Message) -> Message:
    """The parameters of a message; none where they are not an object, as MCP has them."""
    params = message.get("params")
    return params if isinstance(params, dict) else {}


class RpcError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: Any) -> None:
        self.rpc_code = error.get("code", 0) if isinstance(error, dict) else 0
        self.rpc_message = str(error.get("message", "")) if isinstance(error, dict) else str(error)
        super().__init__(f"{self.rpc_message} ({self.rpc_code})")


class Call:
    """An open request: what arrives for it, notifications first, the response last."""

    def __init__(self, ours: str, request: Message, owner: object) -> None:
        params = params_of(request)
        meta = params.get("_meta")
        self.ours = ours
        self.theirs = request.get("id")
        self.token = meta.get("progressToken") if isinstance(meta, dict) else None
        self.owner = owner
        self.outgoing: Message = {**request, "id": ours}
        if isinstance(meta, dict) and self.token is not None:
            self.outgoing["params"] = {**params, "_meta": {**meta, "progressToken": ours}}
        self._inbox: deque[Message] = deque()
        self._arrived = asyncio.Event()

    def put(self, message: Message) -> None:
        """Take a message; of too many notifications that nobody fetches, the oldest are dropped."""
        if len(self._inbox) >= MAX_WAITING_NOTIFICATIONS:
            self._inbox.popleft()
        self._inbox.append(message)
        self._arrived.set()

    async def next(self) -> Message:
        """The next message; one without ``method`` is the response and the last."""
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()


class Bridge:
    """One attach stream's worth of JSON-RPC. ``broadcast`` takes notifications that belong to no call."""

    def __init__(self, epoch: int, write: Callable[[bytes], Awaitable[None]], broadcast: Callable[[Message], None]) -> None:
        self._prefix = f"dtma-{epoch}-"
        self._write = write
        self._broadcast = broadcast
        self._calls: dict[str, Call] = {}
        self._by_client: dict[tuple[int, Any], Call] = {}
        self._replies: set[asyncio.Task[None]] = set()
        self._closed: str | None = None

    # --- towards the server ---

    def open(self, request: Message, owner: object) -> Call:
        """Take a client's request, to be sent with ``send``. ``owner`` is whoever's ids these are; ids of different owners may be equal."""
        call = Call(f"{self._prefix}{next(_numbers)}", request, owner)
        if self._closed is not None:
            call.put(_error(call.theirs, SERVER_GONE, self._closed))
        elif len(self._calls) >= MAX_OPEN_CALLS:
            call.put(_error(call.theirs, BUSY, f"This server has {MAX_OPEN_CALLS} calls open already. Try again later."))
        else:
            self._calls[call.ours] = call
            self._by_client[_client_key(owner, call.theirs)] = call
        return call

    async def send(self, call: Call) -> None:
        """Send an open call to the server; waits while the server does not read."""
        if call.ours not in self._calls:
            return
        try:
            await self._write(encode(call.outgoing) + b"\n")
        except EngineUnavailable as error:
            self._forget(call)
            call.put(_error(call.theirs, SERVER_GONE, f"The server can no longer be reached: {error}"))

    async def notify(self, notification: Message, owner: object) -> None:
        """Send a client's notification on; a cancellation is translated, and what only concerns DTMA stays here."""
        method = notification.get("method")
        if method == "notifications/cancelled":
            params = params_of(notification)
            call = self._by_client.get(_client_key(owner, params.get("requestId")))
            if call is not None:
                await self.cancel(call, str(params.get("reason") or "The client cancelled the request."))
            return
        if method in ("notifications/initialized", "notifications/roots/list_changed", "notifications/progress"):
            return
        await self._send(notification)

    async def cancel(self, call: Call, reason: str) -> None:
        """Nobody waits for this call any more: tell the server. A call that has its response is left alone."""
        if self._forget(call):
            call.put(_error(call.theirs, SERVER_GONE, "The request was cancelled."))
            params = {"requestId": call.ours, "reason": reason}
            await self._send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    async def request(self, method: str, params: Message | None = None) -> Message:
        """A request of DTMA's own; returns its result or raises ``RpcError``. It has no limit of its own."""
        message: Message = {"jsonrpc": "2.0", "id": None, "method": method}
        if params is not None:
            message["params"] = params
        call = self.open(message, self)
        try:
            await self.send(call)
            while "method" in (response := await call.next()):
                pass
        finally:
            self._forget(call)
        if "error" in response:
            raise RpcError(response["error"])
        result = response.get("result")
        if not isinstance(result, dict):
            raise RpcError({"code": 0, "message": f"it answered {method} with something that is not a result"})
        return result

    async def initialized(self) -> None:
        """The notification that ends the handshake."""
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    # --- from the server ---

    def receive(self, line: bytes) -> bool:
        """Take a line of the server's standard output; False if it is not JSON-RPC."""
        try:
            message = parse(line)
        except ValueError:
            return False
        if isinstance(message, list) and message and all(_is_rpc(item) for item in message):  # a batch (2025-03-26)
            for item in message:
                self._dispatch(item)
            return True
        if not _is_rpc(message):
            return False
        self._dispatch(message)
        return True

    def close(self, reason: str) -> None:
        """The server is gone: every open call fails now."""
        self._closed = reason
        for call in list(self._calls.values()):
            self._forget(call)
            call.put(_error(call.theirs, SERVER_GONE, reason))
        for reply in self._replies:
            reply.cancel()

    def _dispatch(self, message: Message) -> None:
        if "method" not in message:
            call = self._calls.get(str(message.get("id")))
            if call is not None:
                self._forget(call)
                message["id"] = call.theirs
                call.put(message)
        elif "id" in message:
            self._reply_to(message)
        elif message["method"] == "notifications/progress":
            params = params_of(message)
            call = self._calls.get(str(params.get("progressToken")))
            if call is not None and call.token is not None:
                params["progressToken"] = call.token
                call.put(message)
        elif message["method"] != "notifications/cancelled":
            self._broadcast(message)

    def _reply_to(self, request: Message) -> None:
        if request["method"] == "ping":
            answer: Message = {"jsonrpc": "2.0", "id": request["id"], "result": {}}
        else:
            answer = _error(request["id"], METHOD_NOT_FOUND, f"{request['method']} is not offered to servers here.")
        # Not awaited: the reader must go on, or a server that waits for its output to be read would never read its input.
        reply = asyncio.create_task(self._send(answer))
        self._replies.add(reply)
        reply.add_done_callback(self._replies.discard)

    async def _send(self, message: Message) -> None:
        if self._closed is not None:
            return
        try:
            await self._write(encode(message) + b"\n")
        except EngineUnavailable:
            logger.info("a message to a server was not sent: its stream is closed")

    def _forget(self, call: Call) -> bool:
        self._by_client.pop(_client_key(call.owner, call.theirs), None)
        return self._calls.pop(call.ours, None) is not None


def _is_rpc(message: object) -> bool:
    return isinstance(message, dict) and message.get("jsonrpc") == "2.0" and ("method" in message or "id" in message)


def _client_key(owner: object, request_id: Any) -> tuple[int, Any]:
    # JSON's 1 and "1" are different ids; so are Python's.
    return id(owner), request_id if isinstance(request_id, str | int | float) else None


def _error(request_id: Any, code: int, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}}
