"""A proxy that shows who asks, by a certificate or a token: the suite cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
from aiohttp import web

from tests.dtma.authority import any_toolbox

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})


def as_control_plane(target: str) -> AbstractAsyncContextManager[str]:
    """The URL of a proxy that has the control plane's certificate."""
    return _passing_on(target, aiohttp.TCPConnector(limit=0, ssl=any_toolbox()), {})


def with_token(target: str, token: str) -> AbstractAsyncContextManager[str]:
    """The URL of a proxy that has an API token."""
    return _passing_on(target, aiohttp.TCPConnector(limit=0), {"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def _passing_on(target: str, connector: aiohttp.TCPConnector, named: dict[str, str]) -> AsyncIterator[str]:
    """Everything else passes as it is, the Host header too; who leaves here leaves there."""
    plain = ("User-Agent", "Accept", "Accept-Encoding")
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, skip_auto_headers=plain) as http:

        async def carry(request: web.Request) -> web.StreamResponse:
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP and name not in named]
            headers += named.items()
            body = await request.read()
            async with http.request(
                request.method,
                target,
                headers=headers,
                data=body or None,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:
                returned = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
                response = web.StreamResponse(status=answer.status, headers=dict(returned))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response

        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/mcp", carry)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}/mcp"
        finally:
            await runner.cleanup()
