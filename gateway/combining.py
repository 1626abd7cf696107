"""Prompts, resources and completions of all servers that an agent has whole, as if they were one server's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from agentopia.lib.errors import AgentopiaError
from agents.relay import DtmaError
from agents.toolsets.types import OfferedServer, Toolset
from gateway.directory import Directory, behind, items_in, natural
from gateway.events import message_of
from gateway.marks import marked_message
from gateway.parts import Parts
from gateway.requests import Request
from gateway.sessions import Session
from gateway.subscribing import PROMPTS, RESOURCES, WATCHED
from gateway.upstream import ServerError
from mcp_protocol.messages import INVALID_PARAMS, RESOURCE_NOT_FOUND, Message, ProtocolError, encode, meta_of, object_of, params_of
from mcp_protocol.versions import CAPABILITIES, CLIENT_INFO, LOG_LEVEL, VERSION
from mcp_registry.status import Status

logger = logging.getLogger(__name__)

MOST_PAGES = 50
RUNNING = (Status.RUNNING, Status.UNHEALTHY)
UPDATED = "notifications/resources/updated"
TOOLS_CHANGED = "notifications/tools/list_changed"
_LISTS = {
    "prompts/list": ("prompts", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
}
_ENVELOPE = (VERSION, CAPABILITIES, CLIENT_INFO, LOG_LEVEL)

_directories: dict[UUID, Directory] = {}


class Combining:
    """For one request, or one event stream. ``message`` is the request in the stateless era, whose envelope the servers get."""

    def __init__(self, parts: Parts, toolset: Toolset, session: Session | None, message: Message) -> None:
        self._parts = parts
        self._toolset = toolset
        self._session = session
        self._meta = {name: value for name, value in meta_of(params_of(message)).items() if name in _ENVELOPE}
        self._directory = _directory_of(toolset.agent_id)

    async def ask(self, request: Request) -> bool:
        """Answer a request; whether it is one that there is. Raises `ProtocolError`, `DtmaError`, `AgentopiaError`."""
        match request.method:
            case "prompts/list" | "resources/list" | "resources/templates/list":
                await self._list(request)
            case "prompts/get":
                server, name = await self._prompt(request.params.get("name"))
                await self._parts.calling.pass_on(request, server, {**request.params, "name": name}, self._mark(server))
            case "resources/read":
                await self._read(request)
            case "resources/subscribe" | "resources/unsubscribe" if self._session is not None:
                await self._watch(request, self._session)
            case "completion/complete":
                await self._complete(request)
            case _:
                return False
        return True

    async def set_level(self, level: str) -> None:
        """Tell the servers that the session has reached which log messages are wanted."""
        assert self._session is not None
        for server in self._toolset.servers.values():
            leg = self._session.legs.get(server.id)
            if leg is not None and "logging" in leg.capabilities:
                try:
                    await self._parts.upstream.ask(server, self._session, "logging/setLevel", {"level": level})
                except (ServerError, DtmaError, AgentopiaError, TimeoutError) as error:
                    logger.info("“%s” was not told the log level: %s", server.name, error)

    def heard(self, server: OfferedServer, message: Message) -> Message | None:
        """What a server says outside of calls, as the client sees it."""
        if message.get("method") == TOOLS_CHANGED:
            return None  # it hears of that when the tools that it may call have changed
        if message.get("method") == UPDATED:
            params = params_of(message)
            return {**message, "params": {**params, "uri": self.renamed(server, str(params.get("uri")))}}
        return marked_message(server.id, message)

    def renamed(self, server: OfferedServer, uri: str) -> str:
        """A resource of a server's as the client sees it."""
        return self._directory.seen(server.name, uri)

    async def wanted(self, asked: Message) -> dict[str, tuple[OfferedServer, Message]]:
        """What each server is asked for, so that the client hears what it asked for."""
        lists = {name: True for name in (PROMPTS, RESOURCES) if asked.get(name) is True}
        wanted: dict[str, tuple[OfferedServer, Message]] = {}
        if lists:
            wanted = {server.name: (server, dict(lists)) for server in self._whole()}
        uris = asked.get(WATCHED)
        for uri in uris if isinstance(uris, list) else []:
            if isinstance(uri, str):
                server, own = await self._resource(uri)
                wanted.setdefault(server.name, (server, {}))[1].setdefault(WATCHED, []).append(own)
        return wanted

    # --- lists ---

    async def _list(self, request: Request) -> None:
        if request.params.get("cursor") is not None:
            raise ProtocolError(INVALID_PARAMS, "This cursor was not given here: everything is on one page.")
        key, _ = _LISTS[request.method]
        found = await self._look(request.method)
        kind = {"ttlMs": 0, "cacheScope": "private"} if request.stateless else {}
        await request.result({**kind, key: found})

    async def _look(self, method: str) -> list[Message]:
        """Ask all servers for one of the lists; who does not answer has nothing in it."""
        servers = self._whole()
        listed = await asyncio.gather(*(self._listed(server, method) for server in servers))
        by_name = {server.name: items for server, items in zip(servers, listed, strict=True)}
        if method == "prompts/list":
            return self._directory.take_prompts(by_name)
        return self._directory.take_resources(by_name) if method == "resources/list" else self._directory.take_templates(by_name)

    async def _listed(self, server: OfferedServer, method: str) -> list[Message]:
        try:
            if self._session is not None:
                leg = await self._parts.upstream.leg(server, self._session)
                if method.partition("/")[0] not in leg.capabilities:
                    return []
            return [item async for item in self._items(server, method)]
        except ServerError:
            return []  # it does not know this list
        except (DtmaError, AgentopiaError, TimeoutError) as error:
            logger.info("What “%s” has is left out: %s", server.name, error)
            return []

    async def _items(self, server: OfferedServer, method: str) -> AsyncIterator[Message]:
        cursor: Any = None
        for _ in range(MOST_PAGES):
            params: Message = {"cursor": cursor} if cursor is not None else {}
            headers = b""
            if self._session is None:
                params["_meta"] = self._meta
                headers = b"MCP-Protocol-Version: %s\r\nMcp-Method: %s\r\n" % (str(self._meta.get(VERSION)).encode(), method.encode())
            result = await self._parts.upstream.ask(server, self._session, method, params, headers)
            for item in items_in(result, *_LISTS[method]):
                yield item
            cursor = result.get("nextCursor")
            if cursor is None:
                return

    def _whole(self) -> list[OfferedServer]:
        return [server for server in self._toolset.servers.values() if server.gives_all and server.state in RUNNING]

    # --- one prompt or resource ---

    async def _read(self, request: Request) -> None:
        uri = request.params.get("uri")
        server, own = await self._resource(uri)
        if own == uri:
            await self._parts.calling.pass_on(request, server, None, self._mark(server))
            return

        def named(data: bytes) -> bytes:
            message = message_of(data) or {}
            contents = object_of(message.get("result")).get("contents")
            if not isinstance(contents, list):
                return data
            seen = [{**item, "uri": uri} if isinstance(item, dict) and item.get("uri") == own else item for item in contents]
            return encode({**message, "result": {**message["result"], "contents": seen}})

        await self._parts.calling.pass_on(request, server, {**request.params, "uri": own}, self._mark(server), named)

    async def _watch(self, request: Request, session: Session) -> None:
        server, own = await self._resource(request.params.get("uri"))
        data = await self._parts.calling.pass_on(request, server, {**request.params, "uri": own})
        if b'"error"' not in data[:200]:
            await self._parts.sessions.watch(session, own, server.id if request.method == "resources/subscribe" else None)

    async def _complete(self, request: Request) -> None:
        ref = object_of(request.params.get("ref"))
        if ref.get("type") == "ref/prompt":
            server, own = await self._prompt(ref.get("name"))
            ref = {**ref, "name": own}
        else:
            server, own = await self._resource(ref.get("uri"))
            ref = {**ref, "uri": own}
        await self._parts.calling.pass_on(request, server, {**request.params, "ref": ref}, self._mark(server))

    async def _prompt(self, name: Any) -> tuple[OfferedServer, str]:
        text = str(name)
        pair = self._directory.prompts.get(text)
        if pair is None and not self._directory.is_fresh("prompts"):
            await self._look("prompts/list")
            pair = self._directory.prompts.get(text)
        pair = pair or natural(text, self._toolset.servers)  # which may know more than it lists
        server = self._server(pair[0]) if pair is not None else None
        if pair is None or server is None:
            raise ProtocolError(INVALID_PARAMS, f"There is no prompt “{text[:100]}”.")
        return server, pair[1]

    async def _resource(self, uri: Any) -> tuple[OfferedServer, str]:
        text = str(uri)
        named = behind(text)
        if named is not None:
            server = self._server(named[0])
            if server is not None:
                return server, named[1]
        owner = self._directory.server_of(text)
        if owner is None and not self._directory.is_fresh("templates"):
            await self._look("resources/list")
            await self._look("resources/templates/list")
            owner = self._directory.server_of(text)
        server = self._server(owner) if owner is not None else None
        if server is None:
            whole = self._whole()
            if len(whole) != 1:
                code = INVALID_PARAMS if self._session is None else RESOURCE_NOT_FOUND
                raise ProtocolError(code, f"There is no resource “{text[:200]}”.", data={"uri": text[:2000]})
            server = whole[0]  # which may know more than it lists
        return server, text

    def _server(self, name: str) -> OfferedServer | None:
        server = self._toolset.servers.get(name)
        return server if server is not None and server.gives_all else None

    def _mark(self, server: OfferedServer) -> Any:
        return lambda message: marked_message(server.id, message)


def _directory_of(agent_id: UUID) -> Directory:
    if len(_directories) > 1000 and agent_id not in _directories:
        del _directories[next(iter(_directories))]
    return _directories.setdefault(agent_id, Directory())
