"""A server that ended by itself and may stay so is not brought back by the control plane."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from dtma_wire import Heartbeat, Phase
from mcp_registry.models import Drift, McpServer
from mcp_registry.services.heartbeats import take_heartbeat, take_quiet
from mcp_registry.status import Status, status_of
from tests.conftest import heartbeat_of, state_of
from tests.intake import peer_of
from toolboxes.models import Toolbox
from toolboxes.services.quiet_heartbeats import Beat

WHY = "It ended by itself, with exit code 0. It is not started again: its restart policy says never."


def still(server: McpServer, sequence: int) -> Heartbeat:
    """A heartbeat that says it is as it was."""
    return heartbeat_of(sequence=sequence).model_copy(update={"unchanged": (str(server.pk),), "since": sequence - 1})


def fresh(server: McpServer) -> McpServer:
    return McpServer.objects.select_related("toolbox", "deployment").get(pk=server.pk)


@pytest.mark.parametrize(("phase", "code", "status"), [(Phase.STOPPED, 0, Status.STOPPED), (Phase.CRASHED, 3, Status.CRASHED)])
def test_its_end_is_shown_and_nothing_is_repaired(
    make_server: Callable[..., McpServer], toolbox: Toolbox, phase: Phase, code: int, status: Status
) -> None:
    server = make_server()
    ended = state_of(server, phase, exit_code=code, reason=WHY)
    take_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of(ended))
    for sequence in (2, 3):
        take_heartbeat(toolbox=toolbox, heartbeat=still(server, sequence))
    assert (fresh(server).generation, server.deployments.count()) == (1, 1)
    assert not Drift.objects.filter(what="stopped").exists()
    shown = status_of(fresh(server))
    assert (shown.state, shown.reason) == (status, WHY)


def test_neither_is_it_by_the_quiet_way(make_server: Callable[..., McpServer], toolbox: Toolbox) -> None:
    server = make_server()
    take_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of(state_of(server, Phase.STOPPED, exit_code=0, reason=WHY)))
    beat = Beat(toolbox=toolbox.pk, serial=peer_of(toolbox).serial, at=timezone.now(), heartbeat=still(server, 2))
    taken = take_quiet(beats=[beat])
    assert taken[toolbox.pk].compared
    assert fresh(server).generation == 1


def test_one_that_was_stopped_on_the_toolbox_is_still_started(make_server: Callable[..., McpServer], toolbox: Toolbox) -> None:
    server = make_server()
    take_heartbeat(toolbox=toolbox, heartbeat=heartbeat_of(state_of(server, Phase.STOPPED)))
    assert (Drift.objects.get().what, fresh(server).generation) == ("stopped", 2)
