"""Clients of the handshake era (MCP 2025-03-26 to 2025-11-25, Streamable HTTP): sessions, event streams, questions and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Receive, Send

from dtma.mcp.asgi import JSON, Refused, accepts_events, respond, while_connected
from dtma.mcp.batches import BATCHES, answer_batch, response_of
from dtma.mcp.connection import Busy, Connection, Exchange, Gone
from dtma.mcp.errands import Errands
from dtma.mcp.messages import BUSY
from dtma.mcp.sessions import Session, Sessions
from dtma.mcp.stateless_rules import unsupported
from dtma.mcp.streams import KEEPALIVE_SECONDS, STANDALONE, CallStream, EventWriter, within
from mcp_protocol.messages import INVALID_REQUEST, Message, encode, is_request, is_response, params_of, success
from mcp_protocol.versions import VERSIONS

EVENTS_AFTER_SECONDS = 2.0
"""A call that said nothing for so long is answered by an event stream: that can be kept open, and resumed."""
RESUME_SECONDS = 5.0
"""A client whose event stream broke may come back for so long; then its call is cancelled."""
_PRIMED_SINCE = "2025-11-25"
"""Older clients stumble over an event without a message."""


class SessionFront:
    """``connect`` gives the connection for a session."""

    def __init__(self, sessions: Sessions, connect: Callable[[Session], Awaitable[Connection]]) -> None:
        self._sessions = sessions
        self._connect = connect
        self._errands = Errands()

    async def post(self, headers: Headers, message: Message, receive: Receive, send: Send) -> None:
        """A message of a client's; raises ``Refused``."""
        method = message.get("method")
        if method == "initialize" and "id" in message:
            await while_connected(receive, self._initialize(message, send))
            return
        session = self._session(headers)
        if is_request(message):
            with session.busy():
                await while_connected(receive, self._answer(message, session, accepts_events(headers), send))
        else:
            await self._take(message, session)
            await respond(send, HTTPStatus.ACCEPTED)

    async def post_batch(self, headers: Headers, messages: list[Message], receive: Receive, send: Send) -> None:
        """Several messages of a client's at once; raises ``Refused``."""
        session = self._session(headers)
        if session.version != BATCHES:
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, f"Only MCP {BATCHES} has batches: send one message per request.")
        requests = [message for message in messages if is_request(message)]
        for message in messages:
            if not is_request(message):
                await self._take(message, session)
        if not requests:
            await respond(send, HTTPStatus.ACCEPTED)
            return

        async def open_call(request: Message) -> Exchange:
            return await (await self._connection(session, request)).open(request, session)

        with session.busy():
            await while_connected(receive, answer_batch(requests, open_call, send))

    async def _take(self, message: Message, session: Session) -> None:
        """A notification, or the answer to a question."""
        if "method" in message:
            await (await self._connection(session, message)).notify(message, session)
        elif (exchange := session.questions.pop(message["id"], None)) is not None:
            await exchange.answer(message)

    async def get(self, headers: Headers, receive: Receive, send: Send) -> None:
        """The session's event stream, or the rest of one that broke; raises ``Refused``."""
        session = self._session(headers)
        if not accepts_events(headers):
            raise Refused(HTTPStatus.NOT_ACCEPTABLE, INVALID_REQUEST, "GET opens an event stream: accept text/event-stream.")
        last = headers.get("last-event-id")
        number, _, event = (last or f"{STANDALONE}-").partition("-")
        if last is not None and not (number.isdigit() and event.isdigit()):
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "This Last-Event-ID was not given here.")
        if int(number) == STANDALONE:
            await while_connected(receive, self._listen(session, int(event) if event else None, send))
            return
        stream = session.streams.get(int(number))
        if stream is None:
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "This stream is over and no longer kept. Send the request again.")
        with session.busy():
            await while_connected(receive, self._resume(session, stream, int(event), send))

    async def delete(self, headers: Headers, send: Send) -> None:
        """The client ends its session; raises ``Refused``."""
        self._sessions.end(self._session(headers))
        await respond(send, HTTPStatus.OK)

    async def _initialize(self, message: Message, send: Send) -> None:
        params = params_of(message)
        capabilities, info = params.get("capabilities"), params.get("clientInfo")
        session = self._sessions.begin(
            VERSIONS[0], capabilities if isinstance(capabilities, dict) else {}, info if isinstance(info, dict) else {}
        )
        try:
            connection = await self._connection(session, message)
        except (Refused, asyncio.CancelledError) as left:
            self._sessions.end(session)
            if isinstance(left, Refused):
                await respond(send, left.status, *left.headers, body=left.body)
                return
            raise
        session.version = _negotiate(params.get("protocolVersion"), connection.opening)
        answer = success(message["id"], {**connection.opening, "protocolVersion": session.version})
        await respond(send, HTTPStatus.OK, JSON, (b"mcp-session-id", session.id.encode()), body=encode(answer))

    async def _answer(self, message: Message, session: Session, events: bool, send: Send) -> None:
        try:
            exchange = await (await self._connection(session, message)).open(message, session)
        except Refused as refused:
            await respond(send, refused.status, *refused.headers, body=refused.body)
            return
        stream = None
        try:
            first = await _first(exchange) if events else await response_of(exchange)
            if first is not None and is_response(first):
                await respond(send, HTTPStatus.OK, JSON, body=encode(first))
                return
            stream = session.stream(exchange, first)
            writer = EventWriter(send)
            await writer.start()
            if session.version >= _PRIMED_SINCE:
                await writer.prime(f"{stream.number}-0")
            await stream.run(writer)
        finally:
            if stream is not None:
                self._left(session, stream)
            else:
                await exchange.cancel("The client disconnected.")

    async def _resume(self, session: Session, stream: CallStream, after: int, send: Send) -> None:
        writer = EventWriter(send)
        stream.taken_over()
        try:
            await writer.start()
            await stream.run(writer, after)
        finally:
            self._left(session, stream)

    async def _listen(self, session: Session, after: int | None, send: Send) -> None:
        writer = EventWriter(send)
        with session.listen() as listener:
            await writer.start()
            if session.version >= _PRIMED_SINCE:
                await writer.prime(session.kept.latest(STANDALONE) if after is None else f"{STANDALONE}-{after}")
            else:
                await writer.comment(b"open")
            for event_id, data in session.kept.after(STANDALONE, after) if after is not None else ():
                await writer.event(data, event_id)
            while True:
                message = await listener.next(KEEPALIVE_SECONDS)
                if message is not None:
                    event_id, data = session.kept.keep(STANDALONE, message)
                    await writer.event(data, event_id)
                elif listener.ended:
                    break
                else:
                    await writer.comment(b"ping")
        await writer.end()

    def _left(self, session: Session, stream: CallStream) -> None:
        """A stream ended or broke. What it said is kept for a while, and its call open."""
        if not stream.attached:
            wait = 0.0 if session.ended else RESUME_SECONDS
            stream.timer = asyncio.get_running_loop().call_later(wait, self._give_up, session, stream)

    def _give_up(self, session: Session, stream: CallStream) -> None:
        if stream.attached:
            return
        session.streams.pop(stream.number, None)
        session.kept.drop(stream.number)
        session.forget_questions(stream.exchange)
        if not stream.complete:
            self._errands.run(stream.exchange.cancel("The client disconnected."), "cancelling the call of a client that left")

    async def _connection(self, session: Session, message: Message) -> Connection:
        request_id = message.get("id") if "method" in message else None
        try:
            return await self._connect(session)
        except Gone as gone:
            self._sessions.end(session)
            raise Refused(HTTPStatus.NOT_FOUND, INVALID_REQUEST, f"{gone} Initialize again.", None, request_id) from gone
        except Busy as busy:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, str(busy), None, request_id) from busy

    def _session(self, headers: Headers) -> Session:
        version = headers.get("mcp-protocol-version")
        if version is not None and version not in VERSIONS:
            raise unsupported(version, None)
        session_id = headers.get("mcp-session-id")
        if session_id is None:
            raise Refused(HTTPStatus.BAD_REQUEST, INVALID_REQUEST, "The Mcp-Session-Id header is missing: initialize first.")
        session = self._sessions.find(session_id)
        if session is None:
            raise Refused(HTTPStatus.NOT_FOUND, INVALID_REQUEST, "This MCP session does not exist, or has ended: initialize again.")
        return session


async def _first(exchange: Exchange) -> Message | None:
    return await within(EVENTS_AFTER_SECONDS, exchange)


def _negotiate(requested: object, opening: Message) -> str:
    """The version for one client: what it asks for if that is spoken here and the server knows it too, else the next best."""
    servers = str(opening.get("protocolVersion", ""))
    newest = servers if servers in VERSIONS else VERSIONS[0]
    return requested if isinstance(requested, str) and requested in VERSIONS and requested <= newest else newest
