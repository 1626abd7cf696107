"""The stateless era spoken over a connection of the handshake era: clients of MCP 2026-07-28 on servers of 2025-11-25 and older.

What the server asks in the middle of a call becomes a result of the type ``input_required``. The call waits at the server meanwhile,
under a ``requestState`` that is unguessable, valid once and for a limited time, and bound to the request and to the client's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable

from dtma.mcp.answered import Answered
from dtma.mcp.connection import Client, Connection, Era, Exchange
from dtma.mcp.conversation import Conversation, Turn
from dtma.mcp.errands import Errands
from dtma.mcp.listening import Listening
from dtma.mcp.messages import BUSY
from dtma.mcp.versions import INTERACTIVE
from dtma.mcp.wishes import SET_LEVEL
from mcp_protocol.messages import INVALID_PARAMS, Message, failure, is_response, meta_of, params_of, success
from mcp_protocol.versions import LEVELS, LOG_LEVEL, RESERVED, SERVER_INFO, STATELESS_VERSIONS

PARKED_SECONDS = 300.0
MAX_PARKED = 1000
MAX_LISTENING = 1000


class OverHandshake:
    """A ``Connection``. ``heard`` must be given what the server says to everybody."""

    era = Era.STATELESS

    def __init__(self, connection: Connection) -> None:
        self.on_message: Callable[[Message], None] = _ignore
        self._connection = connection
        self._errands = Errands()
        self._listening: set[Listening] = set()
        self._parked: dict[str, tuple[Conversation, asyncio.TimerHandle]] = {}

    @property
    def opening(self) -> Message:
        """A ``DiscoverResult`` made of the server's ``InitializeResult``."""
        said = self._connection.opening
        capabilities = {name: value for name, value in dict(said.get("capabilities") or {}).items() if name != "tasks"}
        found: Message = {"supportedVersions": list(STATELESS_VERSIONS), "capabilities": capabilities}
        if "instructions" in said:
            found["instructions"] = said["instructions"]
        meta = {SERVER_INFO: said["serverInfo"]} if "serverInfo" in said else {}
        return {**found, "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "_meta": meta}

    async def open(self, request: Message, owner: Client) -> Exchange:
        """Send a client's request."""
        method, params = str(request["method"]), params_of(request)
        if method == "server/discover":
            return Answered(success(request["id"], self.opening))
        if method == "subscriptions/listen":
            return await self._listen(request)
        if method in INTERACTIVE and params.get("requestState") is not None:
            return await self._resume(request, owner)
        level = meta_of(params).get(LOG_LEVEL)
        if level in LEVELS and "logging" in self._connection.opening.get("capabilities", {}):
            await self._set_level(owner, str(level))
        exchange = await self._connection.open(_plain(request), owner)
        return Turn(Conversation(self._connection, exchange, owner, _fingerprint(request, owner)), request, self._park)

    async def notify(self, notification: Message, owner: Client) -> None:
        """Send a client's notification."""
        await self._connection.notify(notification, owner)

    async def leave(self, owner: Client) -> None:
        """Clients of this era leave with each request."""

    def heard(self, message: Message) -> None:
        """Something that the server says to everybody."""
        for listening in self._listening:
            listening.heard(message)

    def close(self) -> None:
        """The server is gone."""
        for listening in self._listening:
            listening.end()
        for _, timer in self._parked.values():
            timer.cancel()
        self._parked.clear()

    # --- calls that wait for their client ---

    def _park(self, conversation: Conversation) -> str:
        if len(self._parked) >= MAX_PARKED:
            self._expire(next(iter(self._parked)))
        state = secrets.token_urlsafe(32)
        self._parked[state] = conversation, asyncio.get_running_loop().call_later(PARKED_SECONDS, self._expire, state)
        return state

    def _expire(self, state: str) -> None:
        conversation, timer = self._parked.pop(state)
        timer.cancel()
        self._errands.run(conversation.end("The client did not answer in time."), "ending a call whose client did not answer")

    async def _resume(self, request: Message, owner: Client) -> Exchange:
        params = params_of(request)
        parked = self._parked.get(str(params["requestState"]))
        # One that is not its own must not take it from whoever owns it.
        if parked is None or parked[0].fingerprint != _fingerprint(request, owner):
            text = "This requestState is not valid: it expired, was used before, or belongs to another request. Send the request again."
            return Answered(failure(request["id"], INVALID_PARAMS, text, {"reason": "invalid_request_state"}))
        conversation, timer = parked
        del self._parked[str(params["requestState"])]
        timer.cancel()
        turn = Turn(conversation, request, self._park)
        answers = params.get("inputResponses")
        await turn.take(answers if isinstance(answers, dict) else {})
        return turn

    # --- what goes on beside calls ---

    async def _set_level(self, owner: Client, level: str) -> None:
        request = {"jsonrpc": "2.0", "id": "level", "method": SET_LEVEL, "params": {"level": level}}
        exchange = await self._connection.open(request, owner)
        while not is_response(await exchange.next()):
            pass

    async def _listen(self, request: Message) -> Exchange:
        if len(self._listening) >= MAX_LISTENING:
            return Answered(failure(request["id"], BUSY, f"{MAX_LISTENING} subscriptions are open already. Try again later."))
        listening = Listening(self._connection, request, self._listening.discard)
        self._listening.add(listening)
        try:
            await listening.begin()
        except asyncio.CancelledError:
            await listening.cancel("The client disconnected.")
            raise
        return listening


def _plain(request: Message) -> Message:
    """A request without what only the stateless era has."""
    params = {name: value for name, value in params_of(request).items() if name not in ("_meta", "requestState", "inputResponses")}
    meta = {name: value for name, value in meta_of(params_of(request)).items() if not name.startswith(RESERVED)}
    if meta:
        params["_meta"] = meta
    plain = {**request, "params": params}
    if not params:
        del plain["params"]
    return plain


def _fingerprint(request: Message, owner: Client) -> bytes:
    """Of whose request it is and what it asks for, whatever it carries besides."""
    params = params_of(request)
    content = [owner.info, request["method"], params.get("name"), params.get("uri"), params.get("arguments")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


def _ignore(message: Message) -> None:
    """Clients of this era hear of changes on the subscriptions that they open."""
