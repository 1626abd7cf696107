"""The socket of a log's lines and the log as a file, over a real DTMA: nothing is lost, repeated or kept waiting without bound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.db import close_old_connections
from django.test import AsyncClient, Client
from docker import DockerClient

from accounts.models import User
from agentopia.lib.live import GONE, SIGN_IN_AGAIN
from dtma_client import DtmaClient, Endpoint
from mcp_registry.logs.consumers import FRAMES_AHEAD, NOT_TAKEN_ON, NOT_UNDERSTOOD
from mcp_registry.models import McpServer
from mcp_registry.routing import websocket_urlpatterns
from tests.conftest import reporting
from tests.dtma.agent import Agent, ready, say, spec_of
from tests.dtma.conftest import engine, image, own_toolbox
from toolboxes import dtma
from toolboxes.models import Toolbox

__all__ = ["engine", "image"]

pytestmark = pytest.mark.django_db(transaction=True)
type Line = tuple[int, str, str]


@pytest.fixture(scope="module")
def agent(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with own_toolbox(engine) as toolbox:
        agent = Agent(tmp_path_factory.mktemp("dtma"), toolbox).start()
        yield agent
        agent.stop()


@pytest.fixture
def server(make_server: Callable[..., McpServer], agent: Agent, monkeypatch: pytest.MonkeyPatch) -> McpServer:
    """A server of the user's, whose toolbox is led to the real DTMA: that was enrolled by an authority of the tests' own."""

    async def endpoint_of(toolbox: Toolbox) -> Endpoint:
        return agent.endpoint

    monkeypatch.setattr(dtma, "endpoint_of", endpoint_of)
    return make_server()


@asynccontextmanager
async def running(server: McpServer, agent: Agent, image: str) -> AsyncIterator[Callable[..., Any]]:
    """It runs there; yields what makes it print."""
    async with DtmaClient(agent.endpoint) as client:
        await ready(client, str(server.pk), spec_of(image, "workshop"))

        async def shout(text: str, count: int) -> None:
            await say(client, str(server.pk), "shout", text=text, count=count)

        yield shout
        await client.delete(str(server.pk), volumes="remove")


class Page:
    """What the script of the page does."""

    def __init__(self, server: McpServer, user: User | AnonymousUser, query: str = "") -> None:
        path = f"/ws/servers/{server.pk}/log/lines/"
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "user": user}
        self.socket = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
        self.lines: list[Line] = []
        self.older: list[Line] = []

    async def open(self) -> Page:
        await self.socket.send_input({"type": "websocket.connect"})
        assert (await self.socket.receive_output(timeout=5))["type"] == "websocket.accept"
        return self

    async def frame(self, *, acknowledged: bool = True) -> dict[str, Any]:
        output = await self.socket.receive_output(timeout=20)
        assert output["type"] == "websocket.send", output
        frame: dict[str, Any] = json.loads(output["text"])
        if frame["kind"] in ("lines", "older"):
            kept = self.lines if frame["kind"] == "lines" else self.older
            kept += [(at, stream, text) for at, stream, text in frame["lines"]]
            if acknowledged:
                await self.tell({"kind": "got"})
        return frame

    async def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                frame = await self.frame()
                if condition(frame):
                    return frame

    async def live(self) -> Page:
        await self.until(lambda frame: frame.get("live"))
        return self

    async def tell(self, message: Any) -> None:
        await self.socket.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def read_back(self, before: int, count: int) -> tuple[list[Line], bool]:
        self.older = []
        await self.tell({"kind": "older", "before": before, "count": count})
        end = await self.until(lambda frame: frame["kind"] == "end_of_older")
        assert end["problem"] == ""
        return self.older, end["more"]

    async def close(self) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait(timeout=10)


def texts(lines: list[Line]) -> list[str]:
    return [text for _, stream, text in lines if stream == "stderr"]


async def test_what_is_there_and_what_comes(server: McpServer, user: User, agent: Agent, image: str) -> None:
    async with running(server, agent, image) as shout:
        await shout("before", 3)
        page = await (await Page(server, user).open()).live()
        assert page.lines[0][1:] == ("dtma", "Starting the container (generation 1).")
        assert texts(page.lines) == ["before 0", "before 1", "before 2"]
        await shout("after", 2)
        await page.until(lambda frame: texts(page.lines)[-1] == "after 1")
        assert texts(page.lines)[3:] == ["after 0", "after 1"]
        await page.close()


async def test_a_reconnect_loses_and_repeats_nothing(server: McpServer, user: User, agent: Agent, image: str) -> None:
    async with running(server, agent, image) as shout:
        printing = asyncio.create_task(shout("line", 40_000))
        seen: list[Line] = []
        for part in (5000, 20_000, 40_000):
            query = f"since={seen[-1][0] if seen else 0}"
            page = await Page(server, user, query).open()
            page.lines = seen
            await page.until(lambda frame, part=part: len(texts(seen)) >= part)  # type: ignore[misc]
            await page.close()
        await printing
        assert texts(seen) == [f"line {number}" for number in range(40_000)]
        assert [at for at, _, _ in seen] == sorted({at for at, _, _ in seen})


async def test_a_browser_that_is_slow_is_sent_no_more_than_a_few_frames(server: McpServer, user: User, agent: Agent, image: str) -> None:
    async with running(server, agent, image) as shout:
        page = await (await Page(server, user).open()).live()
        await shout("line", 100_000)
        frames = 0
        while frames < FRAMES_AHEAD:
            frames += (await page.frame(acknowledged=False))["kind"] == "lines"
        assert await page.socket.receive_nothing(timeout=0.5)
        received = len(texts(page.lines))
        assert received < 100_000
        for _ in range(FRAMES_AHEAD):
            await page.tell({"kind": "got"})
        await page.until(lambda frame: texts(page.lines)[-1] == "line 99999")
        assert texts(page.lines) == [f"line {number}" for number in range(100_000)]
        await page.close()


@pytest.mark.parametrize("version", [4, 3])
async def test_backwards_to_the_beginning(server: McpServer, user: User, agent: Agent, image: str, version: int) -> None:
    await sync_to_async(reporting)(server.toolbox, wire_version=version)
    async with running(server, agent, image) as shout:
        await shout("line", 5000)
        page = await Page(server, user, "tail=1000").open()
        state = await page.until(lambda frame: frame.get("live"))
        assert ("fewer lines" in state["notice"]) == (version == 3)
        assert texts(page.lines) == [f"line {number}" for number in range(4000, 5000)]
        found, more = page.lines, True
        while more:
            older, more = await page.read_back(found[0][0], 1500)
            found = older + found
        assert texts(found) == [f"line {number}" for number in range(5000)]
        assert found[0][2] == "Starting the container (generation 1)."
        await page.close()


async def test_times_are_by_our_clock(server: McpServer, user: User, agent: Agent, image: str) -> None:
    await Toolbox.objects.filter(pk=server.toolbox_id).aupdate(skew_seconds=-7200)  # it says that it is two hours behind
    async with running(server, agent, image):
        page = await Page(server, user).open()
        frame = await page.until(lambda frame: frame["kind"] == "lines")
        shown = datetime.fromtimestamp((frame["lines"][-1][0] - frame["ahead"]) / 1e6, UTC)
        assert abs(datetime.now(UTC) - shown) < timedelta(minutes=1), "never later than now"
        await Toolbox.objects.filter(pk=server.toolbox_id).aupdate(skew_seconds=7200)
        await page.close()
        page = await Page(server, user).open()
        frame = await page.until(lambda frame: frame["kind"] == "lines")
        assert frame["ahead"] == 7200_000_000
        await page.close()


async def test_a_server_that_its_toolbox_does_not_know_yet(server: McpServer, user: User, agent: Agent, image: str) -> None:
    page = await Page(server, user).open()
    assert (await page.frame())["problem"] == NOT_TAKEN_ON
    async with running(server, agent, image) as shout:
        await shout("hello", 1)
        await page.until(lambda frame: texts(page.lines) == ["hello 0"])
        await page.close()


@pytest.mark.parametrize("message", [{}, {"kind": "older"}, {"kind": "older", "before": 1, "count": 10**9}, [], "x"])
async def test_nonsense_closes_the_socket(server: McpServer, user: User, message: object) -> None:
    page = await Page(server, user, "since=x&tail=-1").open()
    await page.tell(message)
    while (output := await page.socket.receive_output(timeout=5))["type"] == "websocket.send":
        pass
    assert output["code"] == NOT_UNDERSTOOD
    await page.close()


async def test_another_user_and_nobody(make_server: Callable[..., McpServer], stranger: User) -> None:
    server = await sync_to_async(make_server)()
    for who, code in ((stranger, GONE), (AnonymousUser(), SIGN_IN_AGAIN)):
        page = await Page(server, who).open()
        assert (await page.socket.receive_output(timeout=5))["code"] == code


# --- the log as a file ---


@pytest.fixture
async def visitor(user: User) -> AsyncIterator[AsyncClient]:
    """The user, signed in; the views' thread leaves no connection to the database."""
    client = AsyncClient()
    await client.aforce_login(user)
    yield client
    await database_sync_to_async(close_old_connections)()


def address(server: McpServer, form: str) -> str:
    return f"/servers/{server.pk}/log/download/?as={form}"


async def test_the_whole_log_as_text_and_as_json(server: McpServer, visitor: AsyncClient, agent: Agent, image: str) -> None:
    async with running(server, agent, image) as shout:
        await shout("line", 20_000)
        answer = await visitor.get(address(server, "text"))
        assert answer.streaming
        assert answer["Content-Disposition"] == f'attachment; filename="{server.name}.log"'
        pieces = [piece async for piece in answer.streaming_content]
        assert len(pieces) > 2
        first, *lines = b"".join(pieces).decode().splitlines()
        assert first.split(" ", 1)[1] == "dtma Starting the container (generation 1)."
        assert datetime.fromisoformat(lines[0].split()[0]).tzinfo is UTC
        assert [line.split(" ", 2)[2] for line in lines if " stderr " in line] == [f"line {number}" for number in range(20_000)]

        answer = await visitor.get(address(server, "ndjson"))
        found = [json.loads(line) for line in b"".join([piece async for piece in answer.streaming_content]).splitlines()]
        assert [line["text"] for line in found if line["stream"] == "stderr"] == [f"line {number}" for number in range(20_000)]


def test_who_may_have_the_file(make_server: Callable[..., McpServer], stranger: User) -> None:
    server = make_server()
    assert Client().get(address(server, "text")).status_code == 302
    other = Client()
    other.force_login(stranger)
    assert other.get(address(server, "text")).status_code == 404


def test_what_cannot_be_had(make_server: Callable[..., McpServer], browser: Client) -> None:
    server = make_server()
    assert browser.get(address(server, "pdf")).status_code == 400
    assert browser.post(address(server, "text")).status_code == 405
    answer = browser.get(address(server, "text"))
    assert answer.status_code == 503, "nothing listens there"
    assert "does not answer" in answer.content.decode()


@pytest.fixture
def mortal(engine: DockerClient, tmp_path: Path) -> Iterator[Agent]:
    """A DTMA that may be killed."""
    with own_toolbox(engine) as toolbox:
        yield Agent(tmp_path / "dtma", toolbox).start()


async def test_a_log_that_breaks_off_says_so(
    server: McpServer, visitor: AsyncClient, mortal: Agent, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endpoint_of(toolbox: Toolbox) -> Endpoint:
        return mortal.endpoint

    monkeypatch.setattr(dtma, "endpoint_of", endpoint_of)
    async with DtmaClient(mortal.endpoint) as toolbox:
        await ready(toolbox, str(server.pk), spec_of(image, "workshop"))
        await say(toolbox, str(server.pk), "shout", text="y" * 200, count=100_000)
    answer = await visitor.get(address(server, "text"))
    pieces = aiter(answer.streaming_content)
    await anext(pieces)
    mortal.kill()
    last = [piece async for piece in pieces][-1].decode()
    assert "agentopia The log is not complete. " in last.splitlines()[-1]
