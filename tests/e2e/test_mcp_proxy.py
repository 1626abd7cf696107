"""``manage.py mcp_proxy``: a server's MCP endpoint on a loopback port, spoken to by the official SDK's client."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from mcp import Client

from deploy.local.processes import ROOT
from tests.dtma.agent import free_port, until
from tests.e2e.conftest import Rest
from tests.stack import Stack


@pytest.fixture
def address(rest: Rest, stack: Stack, image: str) -> Iterator[str]:
    server_id = rest.deploy_image(image, "python", "/srv/workshop.py")
    assert rest.until_settled(server_id)["status"] == "running"
    port = free_port()
    command = [str(ROOT / ".venv" / "bin" / "python"), "manage.py", "mcp_proxy", server_id, "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=subprocess.DEVNULL) as proxy:
        url = f"http://127.0.0.1:{port}/mcp"
        until(lambda: status(url) is not None, 30)
        yield url
        proxy.terminate()


def status(url: str, **headers: str) -> int | None:
    """The HTTP status of a GET; None while nothing listens."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


async def test_any_mcp_client_can_use_it(address: str) -> None:
    async with Client(address) as client:
        assert (await client.list_tools()).next_cursor, "pages of tools pass through"
        result = await client.call_tool("slow", {"steps": 1})
        assert result.content[0].text == "done"  # type: ignore[union-attr]


def test_it_answers_to_loopback_names_only(address: str) -> None:
    assert status(address, Host="rebound.example.org") == 400
