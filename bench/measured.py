"""The Agentopia that is measured: a fresh one on this machine, spoken to over its REST API like by any script."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.stack import Stack, start_stack, temporary_home

POLL_SECONDS = 0.1  # often enough for a bench that reads the times from the deployment, and no load beside what is measured
LIMIT_SECONDS = 600


class Api:
    """The REST API of one stack."""

    def __init__(self, session: aiohttp.ClientSession, stack: Stack) -> None:
        self.session = session
        self.stack = stack

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; returns the answer's JSON and raises `aiohttp.ClientResponseError`, with what was answered, for an error."""
        async with self.session.request(method, f"/api/v1/{path}", json=body) as response:
            if not response.ok:
                told = (await response.text())[:1000]
                raise aiohttp.ClientResponseError(response.request_info, response.history, status=response.status, message=told)
            return await response.json()

    async def settled(self, server_id: str) -> dict[str, Any]:
        """Wait until the server is running or has failed."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                server: dict[str, Any] = await self.ask("GET", f"servers/{server_id}/")
                if server["status"] in ("running", "failed", "crashed"):
                    return server
                await asyncio.sleep(POLL_SECONDS)

    async def gone(self, server_id: str) -> None:
        """Delete the server and wait until it is gone."""
        await self.ask("DELETE", f"servers/{server_id}/")
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                async with self.session.get(f"/api/v1/servers/{server_id}/") as response:
                    if response.status == 404:
                        return
                await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def fresh_agentopia() -> AsyncIterator[Api]:
    """Start everything with `make run` in a home of its own, and stop it afterwards."""
    with temporary_home() as home:
        stack = await asyncio.to_thread(start_stack, home)
        try:
            token = (await asyncio.to_thread(stack.manage, "create_api_token", stack.demo_email)).strip()
            headers = {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(stack.url, headers=headers) as session:
                yield Api(session, stack)
        finally:
            await asyncio.to_thread(stack.stop)


def machine() -> str:
    """What the figures were measured on, in a line."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, load {load:.1f}"
