"""The client of one DTMA."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError

from dtma_client.answering import AnsweringSessions
from dtma_client.exceptions import DtmaFault, DtmaUnreachable
from dtma_client.mcp import McpSession
from dtma_client.transport import LIFECYCLE_SECONDS, LOOKUP_SECONDS, AdmittingConnector, Endpoint, Transport
from dtma_wire import (
    WIRE_VERSION,
    EgressReport,
    HostInfo,
    LogLine,
    Orphan,
    PackageInfo,
    Ping,
    Progress,
    ServerEvent,
    ServerSpec,
    ServerState,
    Settled,
    Stats,
    TooOld,
    parse_progress_event,
    spec_for,
)

__all__ = ["DtmaClient", "Endpoint", "Forwarded"]

_states = TypeAdapter(tuple[ServerState, ...])
_orphans = TypeAdapter(tuple[Orphan, ...])
_JSON = {"Content-Type": "application/json"}
_PING = b'{"type":"ping"}'


@dataclass(frozen=True)
class Forwarded:
    """The answer to a forwarded MCP request, its body still to be read."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class DtmaClient:
    """Everything DTMA can do, over one long-lived HTTP session.

    Used as an async context manager it owns its session; given one, it shares that and never closes it. One client serves any
    number of concurrent calls of one event loop. Every method raises ``DtmaError``s only (see ``exceptions``).
    """

    def __init__(self, endpoint: Endpoint, *, session: aiohttp.ClientSession | None = None) -> None:
        self.endpoint = endpoint
        self._owns_session = session is None
        self._session = session
        self._transport: Transport | None = None if session is None else Transport(endpoint, session)
        self._mcp: dict[str, McpSession] = {}
        self._answering: AnsweringSessions | None = None

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the session if this client made it. Calls that are still open fail."""
        if self._answering is not None:
            await self._answering.aclose()
        if self._owns_session and self._session is not None:
            await self._session.close()
            self._session = self._transport = None
            self._mcp.clear()

    def _open(self) -> Transport:
        if self._transport is None:
            self._session = aiohttp.ClientSession(connector=AdmittingConnector(self.endpoint), auto_decompress=False)
            self._transport = Transport(self.endpoint, self._session)
        return self._transport

    async def info(self) -> HostInfo:
        """The host and its engine."""
        return self._parse(HostInfo, await self._open().fetch("GET", "/v1/info"))

    async def put_server(self, server_id: str, spec: ServerSpec, wire_version: int = WIRE_VERSION) -> AsyncGenerator[Progress | Settled]:
        """Bring a server to this spec; yields its steps as they happen and ends with ``Settled``.

        Leaving the iterator early does not stop the work: the same PUT again joins it and sees all steps from the first.
        ``wire_version`` is what DTMA speaks: one that is too old for what the spec asks for is not asked, which raises ``DtmaFault``.
        Raises ``StaleGeneration``, and ``DtmaUnreachable`` or ``DtmaTimeout`` where the stream ends or falls silent before it settled.
        """
        try:
            body = spec_for(spec, wire_version)
        except TooOld as error:
            raise DtmaFault(str(error), code="dtma_too_old") from error
        async with aclosing(self._open().lines("PUT", _path(server_id), body=body, headers=_JSON)) as batches:
            async for event in _progress(batches):
                yield event
                if isinstance(event, Settled):
                    return
        raise DtmaUnreachable(f"The toolbox at {self.endpoint.url} stopped reporting before the server had settled.")

    async def start(self, server_id: str, generation: int | None = None) -> ServerState:
        """Start a stopped or failed server; answers when it is ready or has failed."""
        return await self._act(server_id, "start", generation)

    async def stop(self, server_id: str, generation: int | None = None) -> ServerState:
        """Stop a server and keep it stopped; answers when its container is gone."""
        return await self._act(server_id, "stop", generation)

    async def restart(self, server_id: str, generation: int | None = None) -> ServerState:
        """Replace a server's container; answers when the new one is ready or has failed."""
        return await self._act(server_id, "restart", generation)

    async def delete(self, server_id: str, volumes: Literal["keep", "remove"] = "keep", generation: int | None = None) -> ServerState:
        """Remove a server and, if told so, its data. Deleting one that DTMA does not know succeeds."""
        params = {"volumes": volumes} | _generation(generation)
        body = await self._open().fetch("DELETE", _path(server_id), params=params, seconds=LIFECYCLE_SECONDS)
        return self._parse(ServerState, body)

    async def servers(self) -> tuple[ServerState, ...]:
        """What DTMA observes of all its servers."""
        try:
            return _states.validate_json(await self._open().fetch("GET", "/v1/servers"))
        except ValidationError as error:
            raise DtmaFault("The toolbox answered in a form that is not understood.") from error

    async def server(self, server_id: str) -> ServerState:
        """What DTMA observes of one server, its tools included; raises ``ServerNotFound``."""
        return self._parse(ServerState, await self._open().fetch("GET", _path(server_id)))

    async def logs(
        self,
        server_id: str,
        tail: int | None = None,
        since: datetime | None = None,
        follow: bool = False,
        before: datetime | None = None,
    ) -> AsyncGenerator[list[LogLine]]:
        """What a server printed, oldest first, in batches. ``since`` and ``before`` are exclusive; ``tail`` keeps the last so many lines.

        With ``follow`` it goes on until the caller leaves; resume with ``since=`` the last line's ``ts``. ``before`` reads backwards, page
        by page, and needs a DTMA that speaks version 4 of the protocol; fewer lines than ``tail`` means that there are no older ones.
        """
        params = {"follow": "true"} if follow else {}
        if tail is not None:
            params["tail"] = str(tail)
        if since is not None:
            params["since"] = since.isoformat()
        if before is not None:
            params["before"] = before.isoformat()
        async with aclosing(self._open().lines("GET", _path(server_id) + "/logs", params=params)) as batches:
            async for lines in batches:
                batch = [self._parse(LogLine, line) for line in lines if line != _PING]
                if batch:
                    yield batch

    async def egress(self, server_id: str) -> EgressReport:
        """What a server was let through to and what it was refused, newest first; raises ``ServerNotFound``."""
        return self._parse(EgressReport, await self._open().fetch("GET", _path(server_id) + "/egress"))

    async def stats(self, server_id: str, tail: int | None = None, follow: bool = False) -> AsyncGenerator[Stats]:
        """What a server used lately, oldest first; ``tail`` keeps the last so many samples. With ``follow`` it goes on with each new one,
        until the caller leaves or the server is gone. A server that does not run has no new ones.
        """
        params = {"follow": "true"} if follow else {}
        if tail is not None:
            params["tail"] = str(tail)
        async with aclosing(self._open().lines("GET", _path(server_id) + "/stats", params=params)) as batches:
            async for lines in batches:
                for line in lines:
                    if line != _PING:
                        yield self._parse(Stats, line)

    async def spec(self, server_id: str) -> ServerSpec:
        """What DTMA has as desired, secrets included; raises ``ServerNotFound``."""
        return self._parse(ServerSpec, await self._open().fetch("GET", _path(server_id) + "/spec"))

    async def orphans(self) -> tuple[Orphan, ...]:
        """The containers of this toolbox that belong to no server of its DTMA, as they are now."""
        try:
            return _orphans.validate_json(await self._open().fetch("GET", "/v1/orphans"))
        except ValidationError as error:
            raise DtmaFault("The toolbox answered in a form that is not understood.") from error

    async def package(self, kind: Literal["npm", "pypi"], name: str) -> PackageInfo:
        """What the package registry that the toolbox installs from says of a package; it takes some seconds. Needs a DTMA that speaks
        version 4 of the protocol. Raises ``PackageNotFound``.
        """
        path = f"/v1/packages/{kind}/{quote(name, safe='')}"
        return self._parse(PackageInfo, await self._open().fetch("GET", path, seconds=LOOKUP_SECONDS))

    async def remove_orphan(self, container: str, volumes: Literal["keep", "remove"] = "keep") -> None:
        """Remove such a container and, if told so, its server's data. One that is gone already is no error."""
        params: dict[str, str] = {"volumes": volumes}
        await self._open().fetch("DELETE", _orphan_path(container), params=params, seconds=LIFECYCLE_SECONDS)

    async def adopt_orphan(self, container: str) -> ServerState:
        """Make a server of such a container, which runs on; answers when it is ready or has failed. Raises ``ServerNotFound``, and
        ``DtmaFault`` with the reason where it cannot be adopted.
        """
        body = await self._open().fetch("POST", _orphan_path(container) + "/adopt", seconds=LIFECYCLE_SECONDS)
        return self._parse(ServerState, body)

    async def events(self) -> AsyncGenerator[ServerState]:
        """All servers' states now, then every change as it happens (without tools: see ``tools_hash``)."""
        async with aclosing(self._open().lines("GET", "/v1/events", params={"follow": "true"})) as batches:
            async for lines in batches:
                for line in lines:
                    if line != _PING:
                        yield self._parse(ServerEvent, line).server

    def mcp(self, server_id: str) -> McpSession:
        """The MCP session with this server; one is kept per server and shared by all callers of this client."""
        session = self._mcp.get(server_id)
        if session is None:
            session = self._mcp[server_id] = McpSession(self._open(), _path(server_id) + "/mcp")
        return session

    def answering(self, server_id: str, key: str) -> McpSession:
        """An MCP session in which the server may ask, shared by all who give this key, and ended when nobody has used it for a while."""
        if self._answering is None:
            self._answering = AnsweringSessions(self._open())
        return self._answering.of(_path(server_id) + "/mcp", key)

    @asynccontextmanager
    async def forward(self, server_id: str, method: str, headers: Mapping[str, str], body: bytes | None) -> AsyncIterator[Forwarded]:
        """Pass a raw MCP request on and stream the answer back; every status is an answer, not an error.

        The response may be an endless event stream: only the connection and the first byte have limits.
        """
        path = _path(server_id) + "/mcp"
        async with self._open().open(method, path, body=body, headers=dict(headers), seconds=None) as response:
            yield Forwarded(response.status, response.headers, response.content.iter_any())

    async def _act(self, server_id: str, verb: str, generation: int | None) -> ServerState:
        path = f"{_path(server_id)}/{verb}"
        body = await self._open().fetch("POST", path, params=_generation(generation), seconds=LIFECYCLE_SECONDS)
        return self._parse(ServerState, body)

    @staticmethod
    def _parse[Model: (HostInfo, ServerState, LogLine, ServerEvent, Stats, EgressReport, ServerSpec, PackageInfo)](
        model: type[Model], body: bytes
    ) -> Model:
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise DtmaFault("The toolbox answered in a form that is not understood.") from error


async def _progress(batches: AsyncGenerator[list[bytes]]) -> AsyncIterator[Progress | Settled]:
    async for lines in batches:
        for line in lines:
            try:
                event = parse_progress_event(line)
            except ValidationError as error:
                raise DtmaFault("The toolbox reported progress in a form that is not understood.") from error
            if not isinstance(event, Ping):
                yield event


def _path(server_id: str) -> str:
    return f"/v1/servers/{quote(server_id, safe='')}"


def _orphan_path(container: str) -> str:
    return f"/v1/orphans/{quote(container, safe='')}"


def _generation(generation: int | None) -> dict[str, str]:
    return {} if generation is None else {"generation": str(generation)}
