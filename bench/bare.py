"""The baselines: an MCP server in a container, spoken to with nothing in between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiodocker

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
type Request = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


async def docker_run(image: str, arguments: list[str]) -> tuple[float, list[str]]:
    """``docker run`` + initialize + tools/list, as one would by hand; returns the seconds that took and the tools' names."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        "docker", "run", "--interactive", "--rm", "--network", "none", image, "/opt/mcp/run", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=2**24,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    async def ask(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
        while line := await stdout.readline():
            if line.startswith(b"{") and (answer := json.loads(line)).get("id") == number:
                return dict(answer["result"])
        raise RuntimeError(f"{image} ended before it answered {method}")

    await ask(1, "initialize", INITIALIZE)
    stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    tools = await ask(2, "tools/list", {})
    took = time.perf_counter() - began
    process.terminate()
    await process.wait()
    return took, [tool["name"] for tool in tools["tools"]]


@asynccontextmanager
async def attached(image: str, arguments: list[str]) -> AsyncIterator[Request]:
    """A request function straight over the attach stream of a container of its own, one request at a time."""
    docker = aiodocker.Docker()
    config = {
        "Image": image, "Cmd": ["/opt/mcp/run", *arguments], "OpenStdin": True, "StdinOnce": False, "Tty": False,
        "HostConfig": {"NetworkMode": "none"},
    }  # fmt: skip
    container = await docker.containers.create(config=config)
    try:
        async with container.attach(stdin=True, stdout=True, stderr=True) as stream:
            await container.start()
            rest = b""
            number = 0

            async def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
                nonlocal rest, number
                number += 1
                await stream.write_in(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
                while message := await stream.read_out():
                    if message.stream != 1:
                        continue
                    *lines, rest = (rest + message.data).split(b"\n")
                    for line in lines:
                        if line.startswith(b"{") and (answer := json.loads(line)).get("id") == number:
                            return dict(answer["result"])
                raise RuntimeError(f"{image} ended before it answered {method}")

            await request("initialize", INITIALIZE)
            await stream.write_in(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
            yield request
    finally:
        await container.delete(force=True)
        await docker.close()
