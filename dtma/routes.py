"""DTMA's HTTP API (ARCHITECTURE.md, section 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, closing
from datetime import datetime
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dtma.errors import Invalid, Refusal
from dtma.observing.board import Board
from dtma.observing.host import host_info
from dtma.observing.logs import LogBook
from dtma.servers.fleet import Fleet
from dtma.servers.server import Server
from dtma.services import Services
from dtma.store import Volumes
from dtma.streams import ndjson
from dtma_wire import Orphan, Progress, ServerEvent, ServerSpec, ServerState, Settled

MAX_SPEC_BYTES = 1024 * 1024
_states = TypeAdapter(tuple[ServerState, ...])
_orphans = TypeAdapter(tuple[Orphan, ...])


class _Query(BaseModel):
    """The parameters in a URL; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid")


class _Lifecycle(_Query):
    generation: int | None = Field(default=None, ge=1)


class _Delete(_Lifecycle):
    volumes: Volumes = "keep"


class _DeleteOrphan(_Query):
    volumes: Volumes = "keep"


class _Events(_Query):
    follow: bool = False


class _Logs(_Query):
    tail: int | None = Field(default=None, ge=0)
    since: datetime | None = None
    before: datetime | None = None
    follow: bool = False


class _Stats(_Query):
    tail: int | None = Field(default=None, ge=0)
    follow: bool = False


class Routes:
    """The routes over one fleet."""

    def __init__(self, services: Services, fleet: Fleet, board: Board) -> None:
        self._services = services
        self._fleet = fleet
        self._board = board

    def table(self) -> list[BaseRoute]:
        """What is served where, but for ``mcp``."""
        one = "/v1/servers/{server_id}"
        return [
            Route("/v1/info", self.info, methods=["GET"]),
            Route("/v1/events", self.events, methods=["GET"]),
            Route("/v1/servers", self.servers, methods=["GET"]),
            Route(one, self.server, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one + "/start", self.start, methods=["POST"]),
            Route(one + "/stop", self.stop, methods=["POST"]),
            Route(one + "/restart", self.restart, methods=["POST"]),
            Route(one + "/logs", self.logs, methods=["GET"]),
            Route(one + "/stats", self.stats, methods=["GET"]),
            Route(one + "/egress", self.egress, methods=["GET"]),
            Route(one + "/spec", self.spec, methods=["GET"]),
            Route("/v1/packages/{kind}/{name:path}", self.package, methods=["GET"]),
            Route("/v1/orphans", self.orphans, methods=["GET"]),
            Route("/v1/orphans/{container}", self.remove_orphan, methods=["DELETE"]),
            Route("/v1/orphans/{container}/adopt", self.adopt_orphan, methods=["POST"]),
        ]

    async def info(self, request: Request) -> Response:
        """``GET /v1/info``"""
        return _json(await host_info(self._services.engine, self._services.home.root))

    async def servers(self, request: Request) -> Response:
        """``GET /v1/servers``"""
        return Response(_states.dump_json(tuple(self._board.states)), media_type="application/json")

    async def server(self, request: Request) -> Response:
        """``GET /v1/servers/{id}``"""
        return _json(self._fleet.find(request.path_params["server_id"]).state)

    async def put(self, request: Request) -> Response:
        """``PUT /v1/servers/{id}``: NDJSON of progress, the last line says how it settled."""
        events = self._fleet.put(request.path_params["server_id"], await _spec(request))
        first = await anext(events)  # a refusal must come before the first byte of the answer
        return ndjson(_progress(first, events))

    async def start(self, request: Request) -> Response:
        """``POST /v1/servers/{id}/start``: answers when it is ready or has failed."""
        server, generation = self._lifecycle(request)
        return _json(await server.start(generation))

    async def stop(self, request: Request) -> Response:
        """``POST /v1/servers/{id}/stop``: answers when its container is gone."""
        server, generation = self._lifecycle(request)
        return _json(await server.stop(generation))

    async def restart(self, request: Request) -> Response:
        """``POST /v1/servers/{id}/restart``: answers when the new container is ready or has failed."""
        server, generation = self._lifecycle(request)
        return _json(await server.restart(generation))

    async def delete(self, request: Request) -> Response:
        """``DELETE /v1/servers/{id}?volumes=keep|remove``"""
        query = _query(_Delete, request)
        return _json(await self._fleet.delete(request.path_params["server_id"], query.volumes, query.generation))

    async def logs(self, request: Request) -> Response:
        """``GET /v1/servers/{id}/logs?tail=&since=&before=&follow=``"""
        query = _query(_Logs, request)
        for name, moment in (("since", query.since), ("before", query.before)):
            if moment is not None and moment.tzinfo is None:
                raise Invalid(f"{name} needs a time zone, e.g. 2026-01-31T12:00:00Z.")
        if query.follow and query.before is not None:
            raise Invalid("What comes before a moment cannot be followed.")
        log = self._fleet.find(request.path_params["server_id"]).log
        return ndjson(_log(log, query) if query.follow else _stored(log, query))

    async def stats(self, request: Request) -> Response:
        """``GET /v1/servers/{id}/stats?follow=&tail=``"""
        query = _query(_Stats, request)
        server_id = request.path_params["server_id"]
        self._fleet.find(server_id)
        return ndjson(self._services.sampler.usage(server_id).samples(query.tail, follow=query.follow))

    async def egress(self, request: Request) -> Response:
        """``GET /v1/servers/{id}/egress``"""
        record = self._fleet.find(request.path_params["server_id"]).record
        return _json(self._services.guard.report(record.id, record.spec))

    async def spec(self, request: Request) -> Response:
        """``GET /v1/servers/{id}/spec``: what is desired, its secrets included, as the control plane gave it."""
        spec = self._fleet.find(request.path_params["server_id"]).record.spec
        return Response(spec.model_dump_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")

    async def package(self, request: Request) -> Response:
        """``GET /v1/packages/{npm|pypi}/{name}``: what the registry that this toolbox installs from says of a package."""
        return _json(await self._services.builder.packages.look_up(request.path_params["kind"], request.path_params["name"]))

    async def orphans(self, request: Request) -> Response:
        """``GET /v1/orphans``"""
        await self._fleet.orphans.look()
        return Response(_orphans.dump_json(self._fleet.orphans.current or ()), media_type="application/json")

    async def remove_orphan(self, request: Request) -> Response:
        """``DELETE /v1/orphans/{container}?volumes=keep|remove``: one that is gone already is no error."""
        await self._fleet.orphans.remove(request.path_params["container"], _query(_DeleteOrphan, request).volumes)
        return Response(status_code=204)

    async def adopt_orphan(self, request: Request) -> Response:
        """``POST /v1/orphans/{container}/adopt``: answers when it is ready or has failed."""
        return _json(await self._fleet.adopt(request.path_params["container"]))

    async def events(self, request: Request) -> Response:
        """``GET /v1/events?follow=``"""
        if _query(_Events, request).follow:
            return ndjson(self._follow_events())
        return ndjson(_each([_event(state) for state in self._board.states]))

    async def mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``ANY /v1/servers/{id}/mcp``: handed to the endpoint of the running container. Plain ASGI: it carries every tool call."""
        await self._fleet.find(scope["path_params"]["server_id"]).endpoint(scope, receive, send)

    def _lifecycle(self, request: Request) -> tuple[Server, int | None]:
        generation = _query(_Lifecycle, request).generation
        return self._fleet.find(request.path_params["server_id"]), generation

    async def _follow_events(self) -> AsyncGenerator[bytes]:
        with self._board.watch(current=True) as watch:
            async for state in watch.changes():
                yield _event(state)


def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that is not carried out."""
    refusal = cast(Refusal, error)
    return Response(refusal.body.model_dump_json(), refusal.status, media_type="application/json")


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _event(state: ServerState) -> bytes:
    return ServerEvent(server=state.model_copy(update={"tools": None})).model_dump_json().encode() + b"\n"


async def _each(lines: list[bytes]) -> AsyncGenerator[bytes]:
    for line in lines:
        yield line


async def _progress(first: Progress | Settled, others: AsyncIterator[Progress | Settled]) -> AsyncGenerator[bytes]:
    yield first.model_dump_json().encode() + b"\n"
    async for event in others:
        yield event.model_dump_json().encode() + b"\n"


async def _log(log: LogBook, query: _Logs) -> AsyncGenerator[bytes]:
    with log.follow() as follower:
        async with aclosing(_stored(log, query)) as blocks:
            async for block in blocks:
                yield block
        async with aclosing(follower.batches()) as batches:
            async for batch in batches:
                yield batch


async def _stored(log: LogBook, query: _Logs) -> AsyncGenerator[bytes]:
    with closing(log.snapshot(tail=query.tail, since=query.since, before=query.before)) as stored:
        for block in stored.blocks():
            yield block
            await asyncio.sleep(0)  # others have their turn, however fast this reader is


def _query[Model: _Query](model: type[Model], request: Request) -> Model:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise Invalid(_what_is_wrong(error)) from None


async def _spec(request: Request) -> ServerSpec:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_SPEC_BYTES:
            raise Invalid("A spec may have at most 1 MB.")
    try:
        return ServerSpec.model_validate_json(body)
    except ValidationError as error:
        raise Invalid(_what_is_wrong(error)) from None


def _what_is_wrong(error: ValidationError) -> str:
    """The fields and what is wrong with them, never their values: they may be secret."""
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors(include_input=False))
