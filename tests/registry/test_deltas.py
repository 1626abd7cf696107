"""Heartbeats that say only what changed leave the same in the database as heartbeats that say everything, whatever gets lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet

from dtma.observing import deltas
from dtma.observing.board import Board
from dtma.observing.deltas import Deltas
from dtma_wire import Heartbeat, HeartbeatAnswer, Phase, ServerState
from mcp_registry.models import McpServer, Tool
from mcp_registry.services.observation import observe
from tests.conftest import heartbeat_of, state_of
from tests.intake import post
from toolboxes.models import Toolbox

SERVERS = 4
STEPS = 120
PHASES = (Phase.PREPARING, Phase.STARTING, Phase.RUNNING, Phase.CRASHED, Phase.STOPPED, Phase.UNKNOWN)
OBSERVED = ("phase", "observed_generation", "observed_revision", "reason", "tools_hash")
TOLD_OF_TOOLS = ("server_id", "name", "position", "definition", "digest")
type Send = Callable[[Heartbeat], HeartbeatAnswer]


@pytest.fixture
def send(transactional_db: None, toolbox: Toolbox) -> Send:
    return lambda heartbeat: post(toolbox, heartbeat).wanted


class World:
    """A toolbox to which things happen, and a control plane whose whole memory is the database."""

    def __init__(self, send: Send, servers: list[McpServer], chance: random.Random) -> None:
        self.send = send
        self.servers = servers
        self.toolbox = servers[0].toolbox
        self.chance = chance
        self.epoch = 0
        self.late: list[Heartbeat] = []
        self.resends = 0
        self.restart()
        self.backup = self.database()

    def restart(self) -> None:
        """DTMA begins anew with the servers that it has on its disk."""
        known = self.board.states if self.epoch else []
        self.epoch += 1
        self.sequence = 0
        self.board = Board(self.epoch)
        self.deltas = Deltas()
        for state in known:
            self.board.publish(state)

    def change(self) -> None:
        """A server that may be new looks different from now on."""
        server = self.chance.choice(self.servers)
        version = self.chance.choice("abc")
        names = [f"{version}{number}" for number in range(self.chance.randrange(4))]
        tools = tuple({"name": name, "inputSchema": {"type": "object"}} for name in names)
        state = state_of(
            server,
            phase=self.chance.choice(PHASES),
            reason=self.chance.choice(("", "Out of memory.")),
            tools=self.chance.choice((None, tools)),
            tools_hash="-".join(names) or "none",
        )
        self.board.publish(state if state.tools is not None else state.model_copy(update={"tools_hash": ""}))

    def retire(self) -> None:
        """A server is gone from the toolbox."""
        if self.board.states:
            self.board.retire(self.chance.choice(self.board.states))

    def tell_directly(self) -> None:
        """The answer to a PUT comes beside the heartbeats."""
        if self.board.states:
            state = self.chance.choice(self.board.states)
            observe(server_id=McpServer.objects.get(pk=state.id).pk, state=state)

    def beat(self, *, arrives: bool = True, answered: bool = True) -> bool:
        """One heartbeat; returns whether another must follow at once."""
        self.sequence += 1
        delta = self.deltas.compose(self.board.states)
        heartbeat = heartbeat_of(*delta.servers, epoch=self.epoch, sequence=self.sequence, revision=self.board.revision).model_copy(
            update={"unchanged": delta.unchanged, "since": delta.since}
        )
        if not arrives:
            self.late.append(heartbeat)
            return False
        answer = self.send(heartbeat)
        if not answered:
            return False
        if answer.resend:
            self.resends += 1
            self.deltas.forget()
        else:
            self.deltas.acknowledge(delta, self.sequence)
        return delta.more or answer.resend

    def arrive_late(self) -> None:
        """What was on its way for long arrives after what was sent later."""
        if self.late and self.late[-1].sequence < self.sequence and self.beat() is False:
            self.send(self.late.pop())

    def database(self) -> dict[str, Any]:
        return {
            "toolbox": Toolbox.objects.filter(pk=self.toolbox.pk).values("id", "epoch", "sequence").get(),
            "servers": list(McpServer.objects.filter(toolbox=self.toolbox).order_by("id").values("id", *OBSERVED)),
            "tools": list(self._tools().order_by("server_id", "position").values(*TOLD_OF_TOOLS)),
        }

    def _tools(self) -> QuerySet[Tool]:
        return Tool.objects.filter(server__toolbox=self.toolbox)

    def restore(self) -> None:
        """The control plane's database is set back to an earlier backup."""
        for table, rows in ((Toolbox, [self.backup["toolbox"]]), (McpServer, self.backup["servers"])):
            for row in rows:
                table.objects.filter(pk=row["id"]).update(**row)
        self._tools().delete()
        Tool.objects.bulk_create([Tool(**row) for row in self.backup["tools"]])

    def back_up(self) -> None:
        self.backup = self.database()

    def step(self) -> None:
        """Something happens."""
        happenings: list[tuple[int, Callable[[], object]]] = [
            (12, self.change),
            (3, self.retire),
            (4, self.tell_directly),
            (20, self.beat),
            (6, lambda: self.beat(arrives=False)),
            (12, lambda: self.beat(answered=False)),
            (4, self.arrive_late),
            (1, self.restart),
            (3, self.back_up),
            (6, self.restore),
        ]
        (happening,) = self.chance.choices([what for _, what in happenings], [weight for weight, _ in happenings])
        happening()

    def live(self) -> None:
        """Many things happen, and in the end a heartbeat arrives."""
        for _ in range(STEPS):
            self.step()
        while self.beat():
            pass

    def is_as_told(self) -> None:
        """The database is as the toolbox is; and complete heartbeats would leave it so."""
        told = self.database()
        stored = {str(row["id"]): row for row in told["servers"]}
        for state in self.board.states:
            assert observed_of(state).items() <= stored[state.id].items()
            if state.tools is not None:
                assert [row["name"] for row in told["tools"] if str(row["server_id"]) == state.id] == [tool["name"] for tool in state.tools]
        present = {state.id for state in self.board.states}
        gone = [row for server_id, row in stored.items() if server_id not in present and row["observed_revision"] >> 32]
        assert all(row["phase"] == "absent" for row in gone)
        self.deltas.forget()
        assert self.beat() is False
        everything = self.database()
        assert (everything["servers"], everything["tools"]) == (told["servers"], told["tools"])


def observed_of(state: ServerState) -> dict[str, Any]:
    return {"phase": state.phase, "observed_generation": state.generation, "observed_revision": state.revision, "reason": state.reason}


@pytest.mark.parametrize("seed", range(8))
def test_the_database_ends_up_as_complete_heartbeats_would_have_left_it(
    seed: int, send: Send, make_server: Callable[..., McpServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deltas, "MAX_BYTES", 700)  # so that many heartbeats have no room for everything
    world = World(send, [make_server(name=f"s{number}") for number in range(SERVERS)], random.Random(seed))  # noqa: S311
    world.live()
    monkeypatch.undo()
    world.is_as_told()


def test_a_control_plane_whose_memory_was_set_back_asks_for_everything(send: Send, make_server: Callable[..., McpServer]) -> None:
    world = World(send, [make_server()], random.Random(1))  # noqa: S311
    world.change()
    world.beat()
    world.back_up()
    world.change()
    world.beat()
    world.beat()
    world.restore()
    assert world.beat() is True
    assert world.beat() is False
    (state,) = world.board.states
    assert observed_of(state).items() <= world.database()["servers"][0].items()
    assert world.resends == 1


def test_a_heartbeat_that_names_a_server_does_not_lose_it(send: Send, make_server: Callable[..., McpServer]) -> None:
    quiet, lost = make_server(name="quiet"), make_server(name="lost")
    send(heartbeat_of(state_of(quiet), state_of(lost)))
    later = heartbeat_of(sequence=2).model_copy(update={"unchanged": (str(quiet.pk),), "since": 1})
    assert send(later).resend is False
    quiet.refresh_from_db()
    lost.refresh_from_db()
    assert (quiet.phase, lost.phase) == ("running", "absent")
    assert lost.deployment is not None
    assert lost.deployment.kind == "repair"


def test_a_generation_that_the_toolbox_does_not_know_is_pushed_though_nothing_changed_there(
    send: Send, make_server: Callable[..., McpServer]
) -> None:
    server = make_server()
    send(heartbeat_of(state_of(server)))
    McpServer.objects.filter(pk=server.pk).update(generation=server.generation + 1)
    send(heartbeat_of(sequence=2).model_copy(update={"unchanged": (str(server.pk),), "since": 1}))
    server.refresh_from_db()
    assert server.deployment is not None
    assert (server.deployment.kind, server.deployment.status) == ("repair", "queued")


def test_a_heartbeat_that_is_far_too_long_is_refused(toolbox: Toolbox) -> None:
    answer = post(toolbox, b" " * (16 * 1024 * 1024 + 1))
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "invalid")
