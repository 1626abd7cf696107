"""A server's MCP endpoint on a loopback port, for MCP Inspector and the like; as ``kubectl port-forward`` does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agentopia.lib.errors import AgentopiaError
from dtma_client import DtmaError
from dtma_wire import ErrorBody, ErrorCode
from toolboxes.dtma import dtma_of, pooled_connections
from toolboxes.models import Toolbox

REQUEST_HEADERS = ("accept", "content-type", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id")
ANSWER_HEADERS = ("content-type", "mcp-session-id", "mcp-protocol-version", "allow", "cache-control")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def port_forward_app(toolbox: Toolbox, server_id: str) -> Starlette:
    """An ASGI application that passes ``/mcp`` on to one server.

    It answers only to loopback names, so that a web page cannot reach it by rebinding DNS, and sends no header that a
    browser would need to read the answers.
    """

    async def pass_on(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in REQUEST_HEADERS or name.startswith("mcp-param-")}
        body = await request.body() or None
        stack = AsyncExitStack()
        try:
            client = await stack.enter_async_context(dtma_of(toolbox))
            answer = await stack.enter_async_context(client.forward(server_id, request.method, headers, body))
        except (DtmaError, AgentopiaError) as error:
            problem = ErrorBody(code=ErrorCode.INTERNAL, message=error.message, retryable=error.retryable)
            return JSONResponse(problem.model_dump(), status_code=502)

        async def stream() -> AsyncIterator[bytes]:
            async with stack:
                async for chunk in answer.body:
                    yield chunk

        kept = {name: value for name, value in answer.headers.items() if name.lower() in ANSWER_HEADERS}
        return StreamingResponse(stream(), status_code=answer.status, headers=kept)

    route = Route("/mcp", pass_on, methods=["GET", "POST", "DELETE"])
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK))]
    return Starlette(routes=[route], middleware=middleware, lifespan=_connected)


def _connected(app: Starlette) -> AbstractAsyncContextManager[None]:
    return pooled_connections()
