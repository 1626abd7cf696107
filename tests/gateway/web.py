"""A web process that serves the gateway: as a thread of the tests, or as processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import uvicorn
from django.db import connection, connections

from tests.dtma.agent import ROOT, free_port, until


@contextmanager
def web() -> Iterator[str]:
    """One in a thread of this process, on this test's database; its address."""
    config = uvicorn.Config(
        "agentopia.asgi:application",
        host="127.0.0.1",
        port=0,
        http="lean_http.joining:JoiningProtocol",  # type: ignore[arg-type]
        lifespan="on",
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    def serve() -> None:
        with asyncio.Runner() as runner:
            runner.run(server.serve())
        connections.close_all()

    thread = threading.Thread(target=serve, name="web")
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), 20)
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


class WebProcess:
    """One that is a process of its own, which a test can kill."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        how = ["--http", "lean_http.joining:JoiningProtocol", "--ws", "none", "--lifespan", "on", "--no-access-log"]
        command = ["uvicorn", "agentopia.asgi:application", "--port", str(self.port), *how]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=_environment(), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def wait(self) -> WebProcess:
        until(self._answers, 60)
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(15)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"{self.url}/mcp/none", timeout=2).status_code == 401
        except httpx2.TransportError:
            return False


def _environment() -> dict[str, str]:
    """That of this process, with the database of this test."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return {**os.environ, "DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()}


@contextmanager
def web_processes(count: int, folder: Path) -> Iterator[list[WebProcess]]:
    """Several of them behind no load balancer at all."""
    running = [WebProcess(folder / f"web-{number}.log") for number in range(count)]
    try:
        yield [process.wait() for process in running]
    finally:
        for process in running:
            process.stop()
