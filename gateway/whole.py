"""``/mcp/{agent}``: everything that the agent has, of all its servers, as one server."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial

from agents.toolsets.types import OfferedServer, Toolset
from gateway import choosing
from gateway.answers import Answer
from gateway.combining import Combining
from gateway.endpoint import SESSION, Endpoint
from gateway.forwarding import tell
from gateway.listening import Listening
from gateway.marks import marked_message, unmarked
from gateway.requests import Request
from gateway.sessions import Session
from gateway.single import TOOLS_CHANGED, list_tools
from gateway.subscribing import Subscribing
from gateway.watching import OpenStream
from mcp_protocol.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Message, ProtocolError, encode, object_of, params_of, success
from mcp_protocol.versions import LEVELS, SERVER_INFO, STATELESS, VERSIONS

CAPABILITIES: Message = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
IS_ERROR = (b'"isError":true', b'"isError": true')
OTHER_LISTS_CHANGED = ("notifications/prompts/list_changed", "notifications/resources/list_changed")


class Whole(Endpoint):
    """All servers of the agent's."""

    async def initialize(self, answer: Answer, message: Message) -> None:
        """Begin a session; those at servers begin when they are needed."""
        params = params_of(message)
        asked = params.get("protocolVersion")
        version = asked if isinstance(asked, str) and asked in VERSIONS else VERSIONS[0]
        info, capabilities = object_of(params.get("clientInfo")), object_of(params.get("capabilities"))
        session = await self.parts.sessions.begin(self.visitor, "", version, info, capabilities)
        result = {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": self._implementation()} | self._instructions()
        await answer.json(200, encode(success(message["id"], result)), ((SESSION, session.id.encode()),))

    async def ask(self, request: Request) -> None:
        """A request, in either era."""
        match request.method:
            case "tools/list":
                await list_tools(request, choosing.listed(self.toolset))
            case "tools/call":
                await self._call(request)
            case "ping" if not request.stateless:
                await request.result({})
            case "server/discover" if request.stateless:
                found = {"supportedVersions": [STATELESS], "capabilities": CAPABILITIES, "ttlMs": 0, "cacheScope": "private"}
                await request.result({**found, **self._instructions(), "_meta": {SERVER_INFO: self._implementation()}})
            case "logging/setLevel" if request.session is not None:
                await self._set_level(request, request.session)
            case _:
                if not await Combining(self.parts, self.toolset, request.session, request.message).ask(request):
                    raise ProtocolError(METHOD_NOT_FOUND, f"{request.method[:80]} does not exist here.")

    async def _call(self, request: Request) -> None:
        name, arguments = request.params.get("name"), request.params.get("arguments", {})
        if name == choosing.FIND and choosing.finds(self.toolset):
            await request.result(await choosing.found(self.toolset, arguments, self._who(request)))
            return
        if name == choosing.CALL and choosing.finds(self.toolset) and isinstance(arguments, dict):
            name, arguments = arguments.get("name"), arguments.get("arguments", {})
        tool = self.toolset.tools.get(name) if isinstance(name, str) else None
        rewrite = None if tool is None else partial(marked_message, tool.server.id)
        wrapped = name != request.params.get("name")
        result = await self.parts.calling.call(request, tool, name, arguments, rewrite, wrapped=wrapped)
        if result is not None and tool is not None and choosing.finds(self.toolset) and not any(said in result for said in IS_ERROR):
            await choosing.served(self.toolset, tool, self._who(request))

    async def _set_level(self, request: Request, session: Session) -> None:
        level = request.params.get("level")
        if level not in LEVELS:
            raise ProtocolError(INVALID_PARAMS, f"The level is one of {', '.join(LEVELS)}.")
        await self.parts.sessions.set_level(session, str(level))
        await self._combining(session).set_level(str(level))
        await request.result({})

    async def note(self, session: Session, message: Message) -> None:
        """What is about one question goes to who asked it, the rest to every server that the session has reached."""
        if message["method"] == "notifications/initialized":
            return
        params = params_of(message)
        marked = unmarked(params.get("progressToken"))
        if marked is None:
            servers = self._reached(self.toolset, session)
        else:
            message = {**message, "params": {**params, "progressToken": marked[1]}}
            servers = [server for server in self._reached(self.toolset, session) if server.id.hex == marked[0]]
        for server in servers:
            await tell(self.parts.upstream, server, session, encode(message))

    async def respond(self, session: Session, message: Message) -> None:
        """The answer to a server's question goes to whom its id names."""
        marked = unmarked(message["id"])
        for server in self._reached(self.toolset, session):
            if marked is not None and server.id.hex == marked[0]:
                await tell(self.parts.upstream, server, session, encode({**message, "id": marked[1]}))

    async def listen(self, session: Session, stream: OpenStream, last_event_id: bytes) -> None:
        """What the servers say that the session has reached, and changes of what the agent has."""
        listening = Listening(self.parts.upstream, session, stream, self.toolset, self._combining(session).heard)
        await listening.run(self._receive, self._reached, self._changed)

    async def subscribe(self, request: Request, stream: OpenStream) -> None:
        """Subscriptions at all servers that have something of it, and changes of what the agent has."""
        combining = Combining(self.parts, self.toolset, None, request.message)
        wanted = await combining.wanted(object_of(request.params.get("notifications")))
        subscribing = Subscribing(self.parts.upstream, request, stream, wanted, rewritten=combining.heard, renamed=combining.renamed)
        await subscribing.run(self._receive, self._changed)

    def _combining(self, session: Session) -> Combining:
        return Combining(self.parts, self.toolset, session, {})

    def _reached(self, toolset: Toolset, session: Session) -> list[OfferedServer]:
        return [server for server in toolset.servers.values() if server.id in session.legs]

    def _changed(self, before: Toolset, after: Toolset) -> Iterable[str] | None:
        whole = [{server.id for server in toolset.servers.values() if server.gives_all} for toolset in (before, after)]
        lists = OTHER_LISTS_CHANGED if whole[0] != whole[1] else ()
        return lists if choosing.listed(before) == choosing.listed(after) else (TOOLS_CHANGED, *lists)

    def _who(self, request: Request) -> Hashable:
        """Whoever looks for tools and then calls them."""
        session = request.session.id if request.session is not None else ""
        return self.toolset.agent_id, self.visitor.token_id, self.visitor.token_name, session

    def _implementation(self) -> Message:
        return {"name": "agentopia", "title": f"Agentopia: {self.toolset.name}", "version": "1"}

    def _instructions(self) -> Message:
        return {"instructions": choosing.INSTRUCTIONS} if choosing.finds(self.toolset) else {}
