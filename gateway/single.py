"""``/mcp/{agent}/{server}``: one server as it is. Its messages pass as bytes, its names and URIs are its own.

Only what the agent's grant decides is the gateway's: the list of tools, and each call of one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from agentopia.lib.errors import AgentopiaError
from agents.relay import DtmaError
from agents.toolsets.types import OfferedServer, Toolset
from gateway.answers import Answer
from gateway.endpoint import SESSION, Endpoint
from gateway.forwarding import tell
from gateway.listening import Listening
from gateway.requests import Request
from gateway.sessions import Leg, Session
from gateway.subscribing import TOOLS, Subscribing
from gateway.upstream import INITIALIZED, ServerError
from gateway.watching import OpenStream
from mcp_protocol.messages import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    UNAVAILABLE,
    Message,
    ProtocolError,
    encode,
    failure,
    object_of,
    params_of,
    success,
)

logger = logging.getLogger(__name__)

TOOLS_CHANGED = "notifications/tools/list_changed"
OF_WHOLE_SERVERS = ("resources/", "prompts/", "completion/")
"""What belongs to a grant for the whole server alone."""


class Single(Endpoint):
    """One server of the agent's."""

    @property
    def offered(self) -> OfferedServer:
        """The server; raises `ProtocolError`."""
        server = self.toolset.servers.get(self.server)
        if server is None:
            text = f"The agent “{self.toolset.name}” is connected to no server “{self.server[:63]}”."
            raise ProtocolError(INVALID_PARAMS, text, status=404)
        return server

    async def initialize(self, answer: Answer, message: Message) -> None:
        """Begin a session here and at the server, which says what it is: where it has said so before, nobody waits for that."""
        server, params = self.offered, params_of(message)
        try:
            result = self.parts.upstream.introductions.known(server, params)
            if result is None:
                leg, result = await self.parts.upstream.initialize(server, params)
                session = await self._begin(params, leg.version, (server.id, leg), greets=False)
            elif (spare := self.parts.upstream.spares.take(server, params)) is not None:
                session = await self._begin(params, spare.version, (server.id, spare))
                self._greet(server, session, INITIALIZED)
            else:
                session = await self._begin(params, str(result.get("protocolVersion", "")))
                _ = self.parts.works.errand(self._reach(server, session))
            session.spare_params = params
        except ServerError as error:
            body = encode({"jsonrpc": "2.0", "id": message["id"], "error": error.error or {"code": UNAVAILABLE, "message": str(error)}})
            await answer.json(200, body)
            return
        except (DtmaError, AgentopiaError, TimeoutError) as error:
            text = getattr(error, "message", "") or f"“{server.name}” did not answer in time."
            await answer.json(503, encode(failure(message["id"], UNAVAILABLE, text)))
            return
        answered = success(message["id"], {**result, "capabilities": _offered_of(server, object_of(result.get("capabilities")))})
        await answer.json(200, encode(answered), ((SESSION, session.id.encode()),))

    async def _begin(self, params: Message, version: str, leg: tuple[UUID, Leg] | None = None, *, greets: bool = True) -> Session:
        info, capabilities = object_of(params.get("clientInfo")), object_of(params.get("capabilities"))
        return await self.parts.sessions.begin(self.visitor, self.server, version, info, capabilities, leg, greets=greets)

    async def _reach(self, server: OfferedServer, session: Session) -> None:
        """Begin the session at the server, for the request that comes soon: where this fails it tries again, and its client is told."""
        try:
            await self.parts.upstream.leg(server, session)
        except ProtocolError:
            pass  # its client has ended it already
        except (DtmaError, AgentopiaError) as error:
            self.parts.upstream.forget(server)
            logger.info("A session at “%s” was not begun ahead: %s", server.name, error)

    def _greet(self, server: OfferedServer, session: Session, initialized: bytes) -> None:
        """End the handshake at the server while the client is answered: most wait for nothing else before their first call."""
        session.greeting = self.parts.works.errand(tell(self.parts.upstream, server, session, initialized))
        session.greeting.add_done_callback(lambda _: setattr(session, "greeting", None))

    def done(self, session: Session) -> None:
        """After its first request a session at the server is begun for the next client."""
        params, session.spare_params = session.spare_params, None
        server = self.toolset.servers.get(self.server)
        if params is not None and server is not None:
            _ = self.parts.works.errand(self.parts.upstream.spares.prepare(server, params))

    async def ask(self, request: Request) -> None:
        """A request, in either era."""
        method = request.method
        if method == "tools/call":  # one at a server that the agent has no more leaves a receipt too
            name = request.params.get("name")
            tool = self.toolset.by_server.get(self.server, {}).get(name) if isinstance(name, str) else None
            await self.parts.calling.call(request, tool, name, request.params.get("arguments", {}))
            return
        server = self.offered
        if method == "tools/list":
            await list_tools(request, self.toolset.listed_by_server[server.name])
        elif method == "ping" and not request.stateless:
            await request.result({})
        elif method.startswith(OF_WHOLE_SERVERS) and not server.gives_all:
            raise ProtocolError(METHOD_NOT_FOUND, f"The agent may use chosen tools of “{server.name}” alone.")
        elif method == "server/discover" and request.stateless:
            await self._discover(request, server)
        else:
            await self._pass_on(request, server)

    async def _pass_on(self, request: Request, server: OfferedServer) -> None:
        data = await self.parts.calling.pass_on(request, server)
        session, params = request.session, request.params
        if session is None or b'"error"' in data[:200]:
            return
        if request.method == "logging/setLevel":
            await self.parts.sessions.set_level(session, str(params.get("level", "")))
        elif request.method in ("resources/subscribe", "resources/unsubscribe") and isinstance(uri := params.get("uri"), str):
            await self.parts.sessions.watch(session, uri, server.id if request.method.endswith("/subscribe") else None)

    async def _discover(self, request: Request, server: OfferedServer) -> None:
        headers = b"MCP-Protocol-Version: %s\r\nMcp-Method: server/discover\r\n" % request.headers[b"mcp-protocol-version"]
        try:
            result = await self.parts.upstream.ask(server, None, "server/discover", request.params, headers)
        except ServerError as error:
            await request.error(error.code if isinstance(error.code, int) else UNAVAILABLE, str(error), error.error.get("data"))
            return
        except TimeoutError:
            await request.error(UNAVAILABLE, f"“{server.name}” did not answer in time.")
            return
        await request.result({**result, "capabilities": _offered_of(server, object_of(result.get("capabilities")))})

    async def note(self, session: Session, message: Message) -> None:
        """A notification goes on as it is."""
        if message["method"] == "notifications/initialized" and session.greets:
            return
        if message["method"] == "notifications/initialized":
            self._greet(self.offered, session, encode(message))
        else:
            await tell(self.parts.upstream, self.offered, session, encode(message))

    async def respond(self, session: Session, message: Message) -> None:
        """So does an answer."""
        await tell(self.parts.upstream, self.offered, session, encode(message))

    async def listen(self, session: Session, stream: OpenStream, last_event_id: bytes) -> None:
        """The server's event stream, and changes of the grant."""
        server = self.offered
        listening = Listening(self.parts.upstream, session, stream, self.toolset, None)
        await listening.run(self._receive, lambda toolset, _: [toolset.servers.get(self.server, server)], self._changed, last_event_id)

    async def subscribe(self, request: Request, stream: OpenStream) -> None:
        """A subscription at the server, and changes of the grant."""
        server = self.offered
        asked = object_of(request.params.get("notifications"))
        wanted = asked if server.gives_all else {name: value for name, value in asked.items() if name == TOOLS}
        await Subscribing(self.parts.upstream, request, stream, {server.name: (server, wanted)}).run(self._receive, self._changed)

    def _changed(self, before: Toolset, after: Toolset) -> Iterable[str] | None:
        if self.server not in after.servers:
            return None
        same = before.listed_by_server.get(self.server) == after.listed_by_server[self.server]
        return () if same else (TOOLS_CHANGED,)


async def list_tools(request: Request, listed: bytes) -> None:
    """``tools/list`` from what is known: all of them, on one page. ``listed`` is a JSON array."""
    if request.params.get("cursor") is not None:
        raise ProtocolError(INVALID_PARAMS, "This cursor was not given here: all tools are on one page.")
    kind = b'"resultType":"complete","ttlMs":0,"cacheScope":"private",' if request.stateless else b""
    await request.answer.json(200, b'{"jsonrpc":"2.0","id":%s,"result":{%s"tools":%s}}' % (encode(request.id), kind, listed))


def _offered_of(server: OfferedServer, capabilities: Message) -> dict[str, Any]:
    """What of a server's capabilities the agent has, with what the gateway adds."""
    kept = capabilities if server.gives_all else {name: value for name, value in capabilities.items() if name in ("tools", "logging")}
    return {**kept, "tools": {**object_of(capabilities.get("tools")), "listChanged": True}}
