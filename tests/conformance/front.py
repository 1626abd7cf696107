"""A proxy that adds DTMA's access token: the suite cannot send one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})


@asynccontextmanager
async def with_token(target: str, token: str) -> AsyncIterator[str]:
    """The URL of the proxy. Everything else passes as it is, the Host header too; who leaves here leaves there."""
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding")) as http:

        async def carry(request: web.Request) -> web.StreamResponse:
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
            body = await request.read()
            async with http.request(
                request.method,
                target,
                headers=[*headers, ("Authorization", f"Bearer {token}")],
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
