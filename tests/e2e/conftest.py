"""One whole Agentopia, started as `make run` does, for all tests here that leave it as they found it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.dtma.conftest import engine, image
from tests.stack import Stack, stack

__all__ = ["engine", "image", "stack"]

SETTLED = ("running", "failed", "crashed", "stopped")
POLL_SECONDS = 0.05


class Rest:
    """A script of the demo user's: the REST API as anyone would use it."""

    def __init__(self, stack: Stack) -> None:
        self.url = f"{stack.url}/api/v1/"
        self.token = stack.manage("create_api_token", stack.demo_email).strip()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; returns status and JSON, an error's too."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=150) as answer:
                return answer.status, None if answer.status == 204 else json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def made(self, path: str, **fields: Any) -> Any:
        """Post something that is made by it; returns it."""
        status, answer = self.ask("POST", path, fields)
        assert status in (201, 202), answer
        return answer

    def deploy(self, entry: str, **request: Any) -> str:
        """Deploy an entry; returns the server's id."""
        status, answer = self.ask("POST", "servers/", {"entry": entry, **request})
        assert status == 201, answer
        return str(answer["id"])

    def deploy_image(self, reference: str, *arguments: str) -> str:
        """Deploy an image that the toolbox has, through an entry of one's own."""
        package = {
            "registryType": "oci",
            "identifier": reference,
            "transport": {"type": "stdio"},
            "packageArguments": [{"type": "positional", "value": argument} for argument in arguments],
        }
        document = {"name": f"org.example/e{uuid4().hex[:10]}", "description": "For a test.", "version": "1.0.0", "packages": [package]}
        status, entry = self.ask("POST", "catalog/", document)
        assert status == 201, entry
        return self.deploy(entry["id"])

    def until(self, server_id: str, *statuses: str, seconds: float = 240) -> dict[str, Any]:
        """Wait until the server is in one of these statuses."""
        end = time.monotonic() + seconds
        while True:
            server: dict[str, Any] = self.get(f"servers/{server_id}/")
            if server["status"] in statuses:
                return server
            assert time.monotonic() < end, f"still {server['status']} after {seconds} s: {server['reason']}"
            time.sleep(POLL_SECONDS)

    def until_settled(self, server_id: str, seconds: float = 240) -> dict[str, Any]:
        """Wait until nothing goes on any more."""
        return self.until(server_id, *SETTLED, seconds=seconds)

    def until_gone(self, server_id: str, seconds: float = 60) -> None:
        """Wait until the server is not found."""
        end = time.monotonic() + seconds
        while self.ask("GET", f"servers/{server_id}/")[0] != 404:
            assert time.monotonic() < end, f"still there after {seconds} s"
            time.sleep(POLL_SECONDS)

    def until_step(self, server_id: str, name: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until the newest deployment has begun this step."""
        end = time.monotonic() + seconds
        while True:
            deployment: dict[str, Any] = self.get(f"servers/{server_id}/deployments/")["results"][0]
            if any(step["name"] == name for step in deployment["steps"]):
                return deployment
            assert time.monotonic() < end, f"{name} not begun after {seconds} s: {deployment}"
            time.sleep(POLL_SECONDS)

    def call(self, server_id: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns the MCP result."""
        status, answer = self.ask("POST", f"servers/{server_id}/tools/{tool}/call/", {"arguments": arguments})
        assert status == 200, answer
        return dict(answer["result"])

    def say(self, server_id: str, tool: str, **arguments: Any) -> str:
        """The text that a tool answers."""
        return str(self.call(server_id, tool, **arguments)["content"][0]["text"])

    def delete_all(self) -> None:
        """Delete every server with its data, and wait until they are gone."""
        servers = [server["id"] for server in self.get("servers/?limit=500")["results"]]
        for server_id in servers:
            self.ask("DELETE", f"servers/{server_id}/")
        for server_id in servers:
            self.until_gone(server_id)


_shared: list[Rest] = []


@pytest.fixture(scope="session")
def rest(stack: Stack) -> Rest:
    """The REST API of the shared stack."""
    _shared.append(Rest(stack))
    return _shared[0]


@pytest.fixture(scope="module", autouse=True)
def left_tidy() -> Iterator[None]:
    """What a module's tests deployed is deleted after it: the memory that is promised to servers is all that the machine has."""
    yield
    for api in _shared:
        api.delete_all()
