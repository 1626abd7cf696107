"""What the tests of `make run` share: a home, its health, and what must not be left of it."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import psutil
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from deploy.local.home import Home
from deploy.local.processes import left_behind
from deploy.local.redis_container import LABEL
from tests.stack import Stack


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds; a refused connection is not yet."""
    wanted = retry_if_result(lambda value: not value) | retry_if_exception_type(OSError)
    Retrying(retry=wanted, stop=stop_after_delay(seconds), wait=wait_fixed(0.1))(holds)


def health(stack: Stack) -> dict[str, Any]:
    with urllib.request.urlopen(f"{stack.url}/healthz?full=1", timeout=10) as answer:
        body: dict[str, Any] = json.load(answer)
        return body


def redis_containers(home: Path) -> list[str]:
    client = docker.from_env()
    try:
        return [found.name for found in client.containers.list(all=True, filters={"label": f"{LABEL}={Home(home).key}"})]
    finally:
        client.close()


def assert_nothing_runs(home: Path) -> None:
    assert left_behind(Home(home)) == []
    assert redis_containers(home) == []
    mentions = [process for process in psutil.process_iter(["cmdline"]) if str(home) in " ".join(process.info["cmdline"] or [])]
    assert mentions == []
