"""``/mcp/{agent}`` and ``/mcp/{agent}/{server}``: the gateway, a plain ASGI application beside Django. docs/14-gateway.md"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.db import DatabaseError

from agentopia.lib.errors import AgentopiaError, NotFound
from agents.toolsets.cache import toolset_of
from gateway import origins
from gateway.answers import JSON, NO_STORE, Answer
from gateway.auth import authenticate
from gateway.endpoint import Endpoint, error_body
from gateway.parts import Parts, assembled
from gateway.refusals import headers_of as headers_of_refusal
from gateway.requests import headers_of
from gateway.single import Single
from gateway.whole import Whole
from mcp_protocol.messages import INVALID_REQUEST, UNAVAILABLE, ProtocolError

logger = logging.getLogger(__name__)

PREFIX = "/mcp/"
_PATH = re.compile(r"/mcp/([a-z0-9-]{1,63})(?:/([a-z0-9-]{1,63}))?/?")

_serving: dict[asyncio.AbstractEventLoop, Parts] = {}


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """Within this the application answers, in the running event loop."""
    loop = asyncio.get_running_loop()
    async with assembled() as parts:
        _serving[loop] = parts
        try:
            yield
        finally:
            del _serving[loop]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """One HTTP request."""
    try:
        await _answer(scope, receive, send)
    except ProtocolError as error:
        headers = ((b"allow", b"POST"),) if error.status == 405 else ()
        await Answer(send).json(error.status or 400, error_body(error), headers)
    except DatabaseError as error:
        logger.warning("PostgreSQL does not answer: %s", error)
        said = ProtocolError(UNAVAILABLE, "Agentopia cannot look up what is asked for now. Try again in a moment.")
        await Answer(send).json(503, error_body(said), (NO_STORE,))
    except AgentopiaError as error:
        said = ProtocolError(_code_of(error), error.message, data={"code": error.code, "retryable": error.retryable})
        await Answer(send).json(error.http_status, error_body(said), (NO_STORE, *headers_of_refusal(error)))


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    parts = _serving.get(asyncio.get_running_loop())
    if parts is None:
        raise ProtocolError(UNAVAILABLE, "The gateway does not serve in this process.", status=503)
    origins.check(scope)
    path = _PATH.fullmatch(scope["path"])
    if path is None:
        raise NotFound("There is no such address: it is /mcp/AGENT, or /mcp/AGENT/SERVER.")
    agent, server = path[1], path[2] or ""
    visitor = await authenticate(scope, agent)
    toolset = await toolset_of(visitor.agent_id)

    async def recheck() -> None:
        await authenticate(scope, agent)

    kind: type[Endpoint] = Single if server else Whole
    endpoint = kind(parts, visitor, toolset, server, headers_of(scope), receive, send, recheck)
    match scope["method"]:
        case "POST":
            body = await origins.body_of(scope, receive)
            if body is not None:
                await endpoint.post(body)
        case "GET":
            await endpoint.get()
        case "DELETE":
            await endpoint.delete()
        case _:
            allow = (b"allow", b"GET, POST, DELETE")
            error = ProtocolError(INVALID_REQUEST, "Use GET, POST or DELETE.")
            await Answer(send).json(405, error_body(error), (JSON, allow)[1:])


def _code_of(error: AgentopiaError) -> int:
    return UNAVAILABLE if error.http_status >= 500 else INVALID_REQUEST
