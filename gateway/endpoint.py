"""What the two kinds of addresses have in common: eras, sessions, and the answer to what goes wrong.

`Endpoint` is an agent's address; what is done with a message there, is said by `gateway.single` (one server) and `gateway.whole` (all).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Self

from agentopia.lib.errors import AgentopiaError
from agents.relay import DtmaError
from agents.toolsets.types import Toolset
from gateway import batches
from gateway.answers import Answer
from gateway.approving import QUESTION
from gateway.auth import Visitor
from gateway.batches import Collected
from gateway.listeners import Listener, TooMany
from gateway.messages import checked, messages_in
from gateway.parts import Parts
from gateway.requests import Request
from gateway.resuming import Stream, named_in, replay
from gateway.rules import given
from gateway.sessions import Session
from gateway.subscribing import LISTEN
from gateway.watching import OpenStream, Recheck
from mcp_protocol.headers import check
from mcp_protocol.messages import (
    INVALID_REQUEST,
    UNAVAILABLE,
    Message,
    ProtocolError,
    encode,
    failure,
    is_request,
    meta_of,
    params_of,
    unsupported,
)
from mcp_protocol.versions import PRIMED_SINCE, STATELESS, VERSION, VERSIONS

SESSION = b"mcp-session-id"


class Endpoint(ABC):
    """One request's view of an address: who asks, and what the agent has. ``server`` is empty for all servers."""

    def __init__(
        self, parts: Parts, visitor: Visitor, toolset: Toolset, server: str, headers: dict[bytes, bytes], receive: Any, send: Any,
        recheck: Recheck,
    ) -> None:  # fmt: skip
        self.parts = parts
        self.visitor = visitor
        self.toolset = toolset
        self.server = server
        self.headers = headers
        self._receive = receive
        self._send = send
        self._recheck = recheck

    # --- what is said by each kind ---

    @abstractmethod
    async def initialize(self, answer: Answer, message: Message) -> None:
        """A client begins a session."""

    @abstractmethod
    async def ask(self, request: Request) -> None:
        """A request, in either era."""

    @abstractmethod
    async def note(self, session: Session, message: Message) -> None:
        """A notification in a session, but for cancellations."""

    @abstractmethod
    async def respond(self, session: Session, message: Message) -> None:
        """The client's answer to a question of a server's."""

    @abstractmethod
    async def listen(self, session: Session, stream: OpenStream, last_event_id: bytes) -> None:
        """The event stream of a session."""

    @abstractmethod
    async def subscribe(self, request: Request, stream: OpenStream) -> None:
        """A subscription in the stateless era."""

    def done(self, session: Session) -> None:  # noqa: B027 (most have nothing to do)
        """A request in a session was answered."""

    # --- POST ---

    async def post(self, body: bytes) -> None:
        """A message of a client's; raises `ProtocolError`."""
        if self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise ProtocolError(INVALID_REQUEST, "Send JSON, with Content-Type: application/json.", status=415)
        message = messages_in(body)
        if isinstance(message, list):
            await self._post_batch(message, await self.session())
            return
        version = self.headers.get(b"mcp-protocol-version", b"").decode("latin-1").strip()
        if version == STATELESS or VERSION in meta_of(params_of(message)):
            await self._post_stateless(message)
        elif version and version not in VERSIONS:
            raise unsupported(version, message.get("id"))
        elif message.get("method") == "initialize" and "id" in message:
            await self._run(message, None, {})
        else:
            await self._post_in_session(message, await self.session())

    async def _post_stateless(self, message: Message) -> None:
        if "method" not in message:
            raise ProtocolError(INVALID_REQUEST, "Clients send no responses in this version: nothing was asked.", status=400)
        if "id" not in message:  # one cancels by leaving, and no other notification means anything without a session
            await Answer(self._send).empty(202)
            return
        meta = check(given(self.headers), message)
        if message["method"] != LISTEN:
            await self._run(message, None, meta)
            return
        request = self._request(message, None, meta, Answer(self._send))
        if not request.takes_events:
            text = f"{LISTEN} is answered by an event stream: accept text/event-stream."
            raise ProtocolError(INVALID_REQUEST, text, status=406, request_id=message["id"])
        with self._listener("") as listener:
            await self.subscribe(request, OpenStream(self._send, listener, self._recheck, message["id"]))

    async def _post_in_session(self, message: Message, session: Session) -> None:
        if is_request(message):
            await self._run(message, session, {})
            return
        await self._take(message, session)
        await Answer(self._send).empty(202)

    async def _take(self, message: Message, session: Session) -> None:
        """What nobody answers."""
        if "method" not in message:
            if not str(message["id"]).startswith(QUESTION):
                await self.respond(session, message)
        elif message["method"] == "notifications/cancelled":
            cancelled = params_of(message).get("requestId")
            if not self.parts.works.cancel(session.id, cancelled):
                await self.parts.processes.say("cancelled", f"{session.id} {encode(cancelled).decode()}")
        else:
            await self.note(session, message)

    async def _post_batch(self, said: list[Any], session: Session) -> None:
        batches.check(said, session.version)
        messages = [checked(message) for message in said]
        for message in messages:
            if not is_request(message):
                await self._take(message, session)
        collected = [Collected(message, partial(self.respond, session)) for message in messages if is_request(message)]
        async with asyncio.TaskGroup() as together:
            for each in collected:
                _ = together.create_task(self._for(each)._in_batch(each.request, session))  # noqa: SLF001 (another one of this class)
        answer = Answer(self._send)
        await (answer.json(200, b"[" + b",".join(each.response for each in collected) + b"]") if collected else answer.empty(202))

    async def _in_batch(self, message: Message, session: Session) -> None:
        if message["method"] == "initialize":
            text = "initialize is not part of a batch."
            await Answer(self._send).json(200, encode(failure(message["id"], INVALID_REQUEST, text)))
        else:
            await self._run(message, session, {})

    def _for(self, collected: Collected) -> Self:
        """The same view, whose answers are collected."""
        return type(self)(self.parts, self.visitor, self.toolset, self.server, self.headers, self._receive, collected.send, self._recheck)

    async def _run(self, message: Message, session: Session | None, meta: Message) -> None:
        primed = session is not None and session.version >= PRIMED_SINCE
        answer = Answer(self._send, primed=primed)
        work = self.parts.works.begin(session.id if session else "", message["id"], answer)
        if session is not None:
            answer.resumable = lambda: self.parts.works.streams(Stream(session.id, self.parts.store, work.leave))
        doing = self.initialize(answer, message) if message["method"] == "initialize" and session is None and not meta else self._asked(
            self._request(message, session, meta, answer)
        )  # fmt: skip
        await self.parts.works.run(work, self._receive, doing)
        if session is not None:
            self.done(session)

    async def _asked(self, request: Request) -> None:
        try:
            await self.ask(request)
        except ProtocolError as error:
            await request.error(error.code, error.message, error.data, error.status)
        except DtmaError as error:
            await request.error(UNAVAILABLE, error.message, {"code": str(error.code), "retryable": error.retryable})
        except AgentopiaError as error:
            await request.error(UNAVAILABLE, error.message, {"code": error.code, "retryable": error.retryable})

    def _request(self, message: Message, session: Session | None, meta: Message, answer: Answer) -> Request:
        return Request(self.visitor, self.toolset, self.server, self.headers, message, answer, session, meta)

    # --- GET and DELETE ---

    async def get(self) -> None:
        """The session's event stream, or the rest of one that broke; raises `ProtocolError`."""
        self._refuse_stateless()
        session = await self.session()
        accept = self.headers.get(b"accept", b"*/*")
        if not any(kind in accept for kind in (b"text/event-stream", b"text/*", b"*/*")):
            raise ProtocolError(INVALID_REQUEST, "GET opens an event stream: accept text/event-stream.", status=406)
        last = self.headers.get(b"last-event-id", b"")
        named = named_in(last)
        with self._listener(session.id) as listener:
            stream = OpenStream(self._send, listener, self._recheck)
            if named is not None:
                await self._resume(session, stream, *named)
                return
            await self.parts.processes.say("listening", f"{session.id} {listener.id}")
            await self.listen(session, stream, last)

    async def _resume(self, session: Session, stream: OpenStream, name: str, after: int) -> None:
        """The rest of a call's answer, which some process still works on."""
        processes, about, done = self.parts.processes, f"{session.id}:{name}", False
        await processes.say("resumed", about)

        async def go_on() -> None:
            nonlocal done
            done = await replay(self.parts.store, session.id, name, after, stream.write)
            stream.listener.end()

        try:
            await stream.begin()
            _ = stream.also(go_on())
            await stream.run(self._receive)
        finally:
            if not done:
                await processes.say("left", about)

    async def delete(self) -> None:
        """The client ends its session; raises `ProtocolError`."""
        self._refuse_stateless()
        session = await self.session()
        await self.parts.sessions.end(session)
        for server in self.toolset.servers.values():
            leg = session.legs.get(server.id)
            if leg is not None and leg.session_id:
                _ = self.parts.works.errand(self.parts.upstream.leave(server, leg))
        await Answer(self._send).empty(200)

    async def session(self) -> Session:
        """The session that the request names; raises `ProtocolError`."""
        version = self.headers.get(b"mcp-protocol-version")
        if version is not None and version.decode("latin-1") not in VERSIONS:
            raise unsupported(version.decode("latin-1"))
        session_id = self.headers.get(SESSION)
        if session_id is None:
            raise ProtocolError(INVALID_REQUEST, "The Mcp-Session-Id header is missing: initialize first.", status=400)
        session = await self.parts.sessions.find(session_id.decode("latin-1"))
        # That of another is none, and nothing tells the two apart.
        if session is None or not session.belongs_to(self.visitor, self.server):
            raise ProtocolError(INVALID_REQUEST, "This MCP session does not exist, or has ended: initialize again.", status=404)
        return session

    def _listener(self, session_id: str) -> Any:
        return _refusing(self.parts.listeners.open(session_id, self.visitor.user_id))

    def _refuse_stateless(self) -> None:
        if self.headers.get(b"mcp-protocol-version", b"").decode("latin-1").strip() == STATELESS:
            raise ProtocolError(INVALID_REQUEST, f"In MCP {STATELESS} every request is a POST.", status=405)


class _refusing:  # noqa: N801 (read as a word)
    """Too many of them are a refusal."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def __enter__(self) -> Listener:
        try:
            listener: Listener = self._opened.__enter__()
        except TooMany:
            raise ProtocolError(UNAVAILABLE, "You have too many event streams open.", status=429) from None
        return listener

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(*error)


def error_body(error: ProtocolError) -> bytes:
    """The answer to a request that could not be taken."""
    return encode(failure(error.request_id, error.code, error.message, error.data))
