"""A real DTMA as its own process, which a test can kill, and what a test needs around it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from dtma_client import DtmaClient, Endpoint
from dtma_client.transport import AbruptConnector
from dtma_wire import OciImage, Progress, ServerSpec, ServerState, Settled, toolbox_name
from tests.dtma.authority import any_toolbox, authority, control_plane

ROOT = Path(__file__).resolve().parents[2]
ENGINE_URL = "unix:///var/run/docker.sock"


def until[Result](condition: Callable[[], Result], seconds: float = 10.0) -> Result:
    """Wait until a condition holds; returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        if result := condition():
            return result
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.02)


async def eventually[Result](condition: Callable[[], Awaitable[Result]], seconds: float = 10.0) -> Result:
    """Wait until an asynchronous condition holds; returns what it returned."""
    async with asyncio.timeout(seconds):
        while True:
            if result := await condition():
                return result
            await asyncio.sleep(0.02)


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Agent:
    """``python -m dtma`` with a home of its own."""

    def __init__(self, home: Path, toolbox: str, *, host: str = "127.0.0.1", through: Sequence[str] = (), **config: Any) -> None:
        self.home = home
        self.toolbox = toolbox
        self.port = free_port()
        self.url = f"https://{host}:{self.port}"
        self.through = through
        self.process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)
        content = {
            "toolbox": toolbox,
            "host": host,
            "port": self.port,
            "handshake_seconds": 6,
            "backoff_seconds": 0.1,
            "prepare_bases": False,
            **config,
        }
        (home / "config.json").write_text(json.dumps(content))
        authority().identify(home, toolbox)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, toolbox_name(self.toolbox), control_plane())

    def http(self, **options: Any) -> aiohttp.ClientSession:
        """For clients that speak HTTP by hand; paths alone are enough."""
        connector = AbruptConnector(limit=0, ssl=any_toolbox())
        return aiohttp.ClientSession(self.url, connector=connector, **options)

    @property
    def output(self) -> str:
        return (self.home / "output").read_text()

    def start(self) -> Agent:
        with (self.home / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [*self.through, sys.executable, "-m", "dtma", "--home", str(self.home)], cwd=ROOT, stdout=output, stderr=output
            )
        until(self._answers, 20)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output
        try:
            return httpx2.get(f"{self.url}/v1/servers", verify=any_toolbox(), timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.wait(15)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)


def spec_of(image: str, script: str, *arguments: str, **changes: Any) -> ServerSpec:
    """A server out of ``servers/``."""
    values: dict[str, Any] = {
        "generation": 1,
        "name": script,
        "source": OciImage(reference=image),
        "arguments": ("python", f"/srv/{script}.py", *arguments),
        **changes,
    }
    return ServerSpec(**values)


async def deploy(client: DtmaClient, server_id: str, spec: ServerSpec) -> tuple[list[Progress], Settled]:
    """PUT, and the whole answer."""
    events = [event async for event in client.put_server(server_id, spec)]
    settled = events.pop()
    assert isinstance(settled, Settled)
    return [event for event in events if isinstance(event, Progress)], settled


async def ready(client: DtmaClient, server_id: str, spec: ServerSpec) -> ServerState:
    """PUT a server that must become ready."""
    _, settled = await deploy(client, server_id, spec)
    assert settled.ready, settled.server.reason
    return settled.server


async def say(client: DtmaClient, server_id: str, tool: str, **arguments: Any) -> str:
    """The text that a tool answers."""
    result = await client.mcp(server_id).call_tool(tool, arguments, 20)
    return str(result["content"][0]["text"])


@asynccontextmanager
async def sdk_client(agent: Agent, server_id: str, **options: Any) -> AsyncIterator[Client]:
    """The official SDK's client on DTMA's MCP endpoint."""
    async with httpx2.AsyncClient(verify=any_toolbox(), timeout=30) as http:
        transport = streamable_http_client(f"{agent.url}/v1/servers/{server_id}/mcp", http_client=http, max_sse_event_size=None)
        async with Client(transport, **options) as client:
            yield client
