"""The same as `test_deltas`, with heartbeats of several toolboxes that several intakes take in batches, some of them twice at once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connections
from starlette.types import ASGIApp

from accounts.models import User
from dtma.observing import deltas
from dtma_wire import Heartbeat, HeartbeatAnswer
from mcp_registry.heartbeats.endpoint import Endpoint
from mcp_registry.models import McpServer
from tests.intake import HEARTBEAT, Answer, apost, enrolled, peer_of
from tests.registry.test_deltas import SERVERS, World
from toolboxes.intake.peer import Peer
from toolboxes.intake.router import Route, Router
from toolboxes.models import Toolbox

TOOLBOXES = 5
LIMIT_SECONDS = 60
REPEATED = 0.2


class Intake:
    """One of several, as far as its threads, its batches and its connections are concerned: an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._application: ASGIApp = Router({HEARTBEAT: Route("POST", Endpoint())})
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def post(self, body: bytes, peer: Peer) -> Future[Answer]:
        return asyncio.run_coroutine_threadsafe(apost(body, peer, intake=self._application), self._loop)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_SECONDS)
        self._loop.close()


@pytest.fixture
def intakes() -> Iterator[list[Intake]]:
    running = [Intake() for _ in range(3)]
    yield running
    for intake in running:
        intake.stop()


def sender(toolbox: Toolbox, intakes: list[Intake], chance: random.Random) -> Callable[[Heartbeat], HeartbeatAnswer]:
    """Sends to any of them, and now and then to two at once."""
    peer = peer_of(toolbox)

    def send(heartbeat: Heartbeat) -> HeartbeatAnswer:
        body = heartbeat.model_dump_json().encode()
        asked = [intake.post(body, peer) for intake in chance.sample(intakes, 2 if chance.random() < REPEATED else 1)]
        answers = [each.result(LIMIT_SECONDS).wanted for each in asked]
        return next((answer for answer in answers if answer.resend), answers[0])

    return send


@pytest.mark.parametrize("seed", range(3))
def test_several_toolboxes_at_several_intakes(
    seed: int,
    transactional_db: None,
    user: User,
    intakes: list[Intake],
    make_server: Callable[..., McpServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deltas, "MAX_BYTES", 700)
    worlds = [world_of(number, seed, user, intakes, make_server) for number in range(TOOLBOXES)]

    def live(world: World) -> None:
        try:
            world.live()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(TOOLBOXES) as pool:
        for done in [pool.submit(live, world) for world in worlds]:
            done.result(LIMIT_SECONDS)
    monkeypatch.undo()
    for world in worlds:
        world.is_as_told()


def world_of(number: int, seed: int, user: User, intakes: list[Intake], make_server: Callable[..., McpServer]) -> World:
    toolbox = enrolled(Toolbox.objects.create(owner=user, name=f"t{number}", provider="own_server", shown_silent=False))
    servers = [make_server(name=f"t{number}-{n}") for n in range(SERVERS)]
    McpServer.objects.filter(pk__in=[server.pk for server in servers]).update(toolbox=toolbox)
    chance = random.Random(100 * seed + number)  # noqa: S311
    of_it = list(McpServer.objects.filter(toolbox=toolbox).select_related("toolbox", "deployment"))
    return World(sender(toolbox, intakes, chance), of_it, chance)
