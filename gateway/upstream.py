"""What the gateway says to servers: requests on behalf of a session (handshake era) or of one request (stateless era)."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from agents.relay import DtmaError, DtmaFault, DtmaUnreachable, RawAnswer, Relay, error_from
from agents.toolsets.types import OfferedServer
from gateway.events import blocks_of, data_of, message_of, parts_of
from gateway.introductions import Introductions
from gateway.sessions import Leg, Session, Sessions
from gateway.spares import Spares
from mcp_protocol.messages import Message, ProtocolError, encode, notification, object_of

logger = logging.getLogger(__name__)

QUICK_SECONDS = 15.0
RESUMES = 20
RESUME_PAUSE = 0.25
EITHER = b"application/json, text/event-stream"
_POST = b"Content-Type: application/json\r\nAccept: %s\r\n"

INITIALIZED = encode(notification("notifications/initialized"))

_numbers = itertools.count(1)


@dataclass(slots=True)
class Reply:
    """A server's answer: one message (``body``), or a stream of them."""

    status: int
    body: bytes = b""
    stream: RawAnswer | None = None


class ServerError(Exception):
    """The server answered a request of the gateway's own with a JSON-RPC error, or with nothing that can be read."""

    def __init__(self, error: Any) -> None:
        self.error: Message = object_of(error)
        self.code = self.error.get("code")
        super().__init__(str(self.error.get("message", "It answered with something that is not MCP.")))


class Upstream:
    """The servers of all agents, as clients of this process reach them."""

    def __init__(self, relay: Relay, sessions: Sessions) -> None:
        self.relay = relay
        self.introductions = Introductions()
        self.spares = Spares(self._initialized, self.leave)
        self._sessions = sessions
        self._opening: dict[tuple[str, Any], asyncio.Task[Leg]] = {}

    async def post(
        self, server: OfferedServer, session: Session | None, body: bytes, headers: bytes = b"", accept: bytes = EITHER
    ) -> Reply:
        """Send a message. In a session that the server has forgotten, a new one is begun there, and the message sent again.

        Raises `DtmaError`, `AgentopiaError`, and `ProtocolError` where the session itself is over.
        """
        plain = _POST % accept + headers
        if session is None:
            return await self._send(server, plain, body)
        if session.greeting is not None and session.greeting is not asyncio.current_task():
            await asyncio.shield(session.greeting)
        leg = session.legs.get(server.id) or await self.leg(server, session)
        reply = await self._send(server, plain + _lines_of(leg), body)
        if reply.status == 404 and leg.session_id:
            leg = await self.leg(server, session, leg)
            reply = await self._send(server, plain + _lines_of(leg), body)
        return reply

    async def get(self, server: OfferedServer, session: Session, last_event_id: bytes = b"") -> RawAnswer:
        """The session's event stream at the server, or the rest of one that broke; raises `DtmaError`."""
        leg = session.legs.get(server.id) or await self.leg(server, session)
        headers = b"Accept: text/event-stream\r\n" + _lines_of(leg)
        if last_event_id:
            headers += b"Last-Event-ID: %s\r\n" % last_event_id
        answer = await self.relay.send(server.toolbox_id, server.id, b"GET", headers)
        if answer.status == 404 and leg.session_id and b'"server_not_found"' not in await answer.read():
            leg = await self.leg(server, session, leg)
            answer = await self.relay.send(server.toolbox_id, server.id, b"GET", b"Accept: text/event-stream\r\n" + _lines_of(leg))
        return answer

    async def leg(self, server: OfferedServer, session: Session, lost: Leg | None = None) -> Leg:
        """The session's session at the server, begun where there is none but ``lost``."""
        known = session.legs.get(server.id)
        if known is not None and known != lost:
            return known
        key = (session.id, server.id)
        task = self._opening.get(key)
        if task is None:
            task = self._opening[key] = asyncio.create_task(self._open(server, session, lost))
            task.add_done_callback(lambda _: self._opening.pop(key))
        return await asyncio.shield(task)

    async def initialize(self, server: OfferedServer, params: Message) -> tuple[Leg, Message]:
        """Begin a session at a server; what it says of itself with it. Raises `ServerError` where it does not want to."""
        request = {"jsonrpc": "2.0", "id": "agentopia-initialize", "method": "initialize", "params": params}
        async with asyncio.timeout(QUICK_SECONDS):
            answer = await self.relay.send(server.toolbox_id, server.id, b"POST", _POST % EITHER, encode(request))
            reply = await self._read(answer)
            result = await self._result(reply, request["id"])
        self.introductions.keep(server, params, result)
        found = answer.headers.get(b"mcp-session-id", b"").decode("latin-1")
        return Leg(found, str(result.get("protocolVersion", "")), tuple(object_of(result.get("capabilities")))), result

    def forget(self, server: OfferedServer) -> None:
        """It is not there, or not what it was: the next client is told what it says then."""
        self.introductions.forget(server)
        self.spares.forget(server)

    async def ask(self, server: OfferedServer, session: Session | None, method: str, params: Message, headers: bytes = b"") -> Message:
        """A request of the gateway's own; its result. Raises `ServerError`, `DtmaError`, `TimeoutError`."""
        request: Message = {"jsonrpc": "2.0", "id": f"agentopia-{next(_numbers)}", "method": method, "params": params}
        async with asyncio.timeout(QUICK_SECONDS):
            return await self._result(await self.post(server, session, encode(request), headers), request["id"])

    async def leave(self, server: OfferedServer, leg: Leg) -> None:
        """End a session at a server; failing to is no matter, for idle ones end by themselves."""
        try:
            async with asyncio.timeout(QUICK_SECONDS):
                answer = await self.relay.send(server.toolbox_id, server.id, b"DELETE", _lines_of(leg))
                await answer.read()
        except (DtmaError, TimeoutError) as error:
            logger.info("A session at “%s” was left to end by itself: %s", server.name, error)

    async def messages(self, server: OfferedServer, session: Session | None, reply: Reply) -> AsyncGenerator[bytes]:
        """The data of a stream's events, one message each; empty ones stand for a sign of life. Ends when the server ends it for good.

        In a session a stream that broke off is taken up where it was.
        """
        answer, last, resumes = reply.stream, b"", 0
        assert answer is not None
        while True:
            try:
                async for block in blocks_of(answer):
                    event_id, data = parts_of(block)
                    last = event_id or last
                    yield data
            except DtmaUnreachable:
                if session is None or not last or resumes >= RESUMES:
                    raise
            finally:
                answer.leave()
            if session is None or not last or resumes >= RESUMES:
                return
            resumes += 1
            await asyncio.sleep(RESUME_PAUSE)
            answer = reply.stream = await self.get(server, session, last)
            if answer.status != 200 or not answer.is_stream:
                await answer.read()
                return

    async def _open(self, server: OfferedServer, session: Session, lost: Leg | None) -> Leg:
        params = {"protocolVersion": session.version, "capabilities": session.capabilities, "clientInfo": session.info}
        leg = await self._initialized(server, params)
        counts, _ = await asyncio.gather(self._sessions.set_leg(session, server.id, lost, leg), self._greet(server, leg))
        if counts != leg:
            await self.leave(server, leg)
        if counts is None:
            raise ProtocolError(-32600, "This MCP session has ended: initialize again.", status=404)
        if counts == leg:
            await self._wish(server, session, leg)
        return counts

    async def _initialized(self, server: OfferedServer, params: Message) -> Leg:
        """A session at a server, whose handshake waits for its end."""
        try:
            return (await self.initialize(server, params))[0]
        except ServerError as error:
            raise DtmaFault(f"“{server.name}” does not begin a session: {error}") from error
        except TimeoutError as error:
            raise DtmaUnreachable(f"“{server.name}” did not begin a session in time.") from error

    async def _greet(self, server: OfferedServer, leg: Leg) -> None:
        """The end of the handshake."""
        await self._send(server, _POST % EITHER + _lines_of(leg), INITIALIZED)

    async def _wish(self, server: OfferedServer, session: Session, leg: Leg) -> None:
        """What the client had asked for before."""
        wishes: list[tuple[str, Message]] = [
            ("resources/subscribe", {"uri": uri}) for uri, of in session.watched.items() if of == server.id
        ]
        if session.level and "logging" in leg.capabilities:
            wishes.append(("logging/setLevel", {"level": session.level}))
        for method, params in wishes:
            request = {"jsonrpc": "2.0", "id": f"agentopia-{next(_numbers)}", "method": method, "params": params}
            reply = await self._send(server, _POST % EITHER + _lines_of(leg), encode(request))
            if reply.stream is not None:
                reply.stream.leave()

    async def _send(self, server: OfferedServer, headers: bytes, body: bytes) -> Reply:
        try:
            return await self._read(await self.relay.send(server.toolbox_id, server.id, b"POST", headers, body))
        except DtmaError:
            self.forget(server)
            raise

    async def _read(self, answer: RawAnswer) -> Reply:
        if answer.status == 200 and answer.is_stream:
            return Reply(200, stream=answer)
        try:
            body = await answer.read()
        except asyncio.CancelledError:
            answer.leave()
            raise
        if answer.status >= 300 and b'"jsonrpc"' not in body:
            if answer.status != 404 or b'"code"' in body:
                raise error_from(answer.status, body)
        elif answer.status == 404 and b'"server_not_found"' in body:
            raise error_from(answer.status, body)
        return Reply(answer.status, body)

    async def _result(self, reply: Reply, request_id: Any) -> Message:
        found: Message | None = None
        if reply.stream is None:
            found = message_of(reply.body)
        else:
            try:
                async for block in blocks_of(reply.stream):
                    found = message_of(data_of(block))
                    if found is not None and "method" not in found and found.get("id") == request_id:
                        reply.stream.finish()
                        break
            finally:
                reply.stream.leave()
        if found is None or not isinstance(found.get("result"), dict):
            raise ServerError(None if found is None else found.get("error"))
        result: Message = found["result"]
        return result


def _lines_of(leg: Leg) -> bytes:
    lines = b"MCP-Protocol-Version: %s\r\n" % leg.version.encode("latin-1", "replace")
    return lines + b"Mcp-Session-Id: %s\r\n" % leg.session_id.encode("latin-1", "replace") if leg.session_id else lines
