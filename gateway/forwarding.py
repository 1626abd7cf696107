"""The way of one admitted request to its server and back: what comes before the response goes to the client as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

from django.conf import settings

from agentopia.lib.errors import AgentopiaError
from agents.calling.types import Call, Forwarded
from agents.relay import DtmaError, DtmaTimeout, DtmaUnreachable
from agents.toolsets.types import OfferedServer
from gateway.bodies import Shape, outcome
from gateway.requests import Request
from gateway.rules import parameter_lines, routing_lines
from gateway.sessions import Session
from gateway.upstream import Upstream
from gateway.works import Works
from mcp_protocol.messages import Message, ProtocolError, encode, notification

logger = logging.getLogger(__name__)

ASKED_SECONDS = 15 * 60.0
"""So long a server may be silent once it has asked the client something: a person may have to answer."""

type Rewrite = Callable[[Message], Message]
"""Changes a message of a server's, other than the response, before the client sees it."""


class Forwarding:
    """Makes one request. ``params`` are those for the server; ``rewrite`` is None where its messages pass as they are."""

    def __init__(
        self,
        upstream: Upstream,
        works: Works,
        request: Request,
        server: OfferedServer | None,
        params: Message,
        rewrite: Rewrite | None = None,
    ) -> None:
        self._upstream = upstream
        self._works = works
        self._request = request
        self._server = server
        self._rewrite = rewrite
        self._params = params
        self._silence = float(settings.TOOL_CALL_TIMEOUT_SECONDS)

    async def call(self, call: Call) -> Forwarded:
        """A tool call, as `agents.calling.carry` wants it made."""
        tool = call.tool
        assert tool is not None
        self._server = tool.server  # of the toolset that counts at this moment
        params = {**self._params, "name": tool.tool_name}
        if call.arguments or "arguments" in params:
            params["arguments"] = call.arguments
        self._params = params
        return await self.make(parameter_lines(call.arguments, tool.input_schema) if self._request.stateless else b"")

    async def make(self, lines: bytes = b"") -> Forwarded:
        """Any request; ``rest`` is the response as bytes, with the HTTP status where it came alone. Raises `DtmaError`."""
        try:
            return await self._make(lines)
        except TimeoutError as error:
            self._cancelled("It did not answer in time.")
            raise DtmaTimeout(f"“{self._name}” said nothing for {self._silence:g} s.") from error
        except asyncio.CancelledError:
            self._cancelled("The client does not want it any more.")
            raise

    async def _make(self, lines: bytes) -> Forwarded:
        request, server = self._request, self._server
        assert server is not None
        shape = Shape(request.id)
        body = encode({**request.message, "params": self._params} if self._params or "params" in request.message else request.message)
        async with asyncio.timeout(self._silence) as limit:
            headers = routing_lines(self._request.method, self._params, self._request.meta) + lines if request.stateless else b""
            reply = await self._upstream.post(server, request.session, body, headers, request.accept)
            if reply.stream is None:
                found = shape.forwarded(reply.body, (reply.status, reply.body))
                return found if isinstance(found, Forwarded) else outcome(found, (reply.status, reply.body))
            await request.answer.begin_if_late()
            async with aclosing(self._upstream.messages(server, request.session, reply)) as messages:
                async for data in messages:
                    if not data:
                        await request.answer.ping()
                        continue
                    found = shape.forwarded(data, (200, data))
                    if isinstance(found, Forwarded):
                        reply.stream.finish()
                        return found
                    await self._pass_on(found, data)
                    self._heard(limit, found)
        raise DtmaUnreachable(f"The answer of “{server.name}” ended before its result.")

    async def _pass_on(self, message: Message, data: bytes) -> None:
        """Something that the server says, or asks, in the course of it."""
        if not message:
            return
        await self._request.answer.event(data if self._rewrite is None else encode(self._rewrite(message)))

    def _heard(self, limit: asyncio.Timeout, message: Message) -> None:
        if "id" in message:
            self._silence = max(self._silence, ASKED_SECONDS)
        limit.reschedule(asyncio.get_running_loop().time() + self._silence)

    def _cancelled(self, reason: str) -> None:
        """In the handshake era a server does not learn from a closed connection that nobody waits any more."""
        session, server = self._request.session, self._server
        if session is not None and server is not None and session.legs.get(server.id) is not None:
            params = {"requestId": self._request.id, "reason": reason}
            _ = self._works.errand(tell(self._upstream, server, session, encode(notification("notifications/cancelled", params))))

    @property
    def _name(self) -> str:
        return self._server.name if self._server is not None else ""


async def tell(upstream: Upstream, server: OfferedServer, session: Session | None, body: bytes) -> None:
    """Send what nobody answers; that it does not arrive is no error of the client's."""
    try:
        async with asyncio.timeout(5):
            reply = await upstream.post(server, session, body)
            if reply.stream is not None:
                reply.stream.leave()
    except (DtmaError, AgentopiaError, ProtocolError, TimeoutError) as error:
        logger.info("“%s” was not told something: %s", server.name, error)
