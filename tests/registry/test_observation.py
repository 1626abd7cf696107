"""What toolboxes report, through the heartbeat address."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from dtma_wire import Heartbeat, Phase
from mcp_registry.models import Deployment, McpServer, Tool
from mcp_registry.services.servers import delete_server
from mcp_registry.status import status_of
from tests.conftest import ECHO_TOOL, heartbeat_of, state_of
from tests.intake import enrolled, post
from toolboxes.models import Toolbox, silence_after
from toolboxes.selectors import toolboxes_whose_silence_changed
from toolboxes.services.enrolment import create_toolbox
from toolboxes.services.silence import note_silence


@pytest.fixture
def beat(transactional_db: None, toolbox: Toolbox) -> Callable[[Heartbeat], int]:
    return lambda heartbeat: post(toolbox, heartbeat).status


def test_a_heartbeat_tells_what_is(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    assert beat(heartbeat_of(state_of(server, Phase.CRASHED, reason="OOM-killed.", exit_code=137))) == 200
    server.refresh_from_db()
    assert (server.phase, server.exit_code, status_of(server).reason) == ("crashed", 137, "OOM-killed.")


def test_nonsense_is_refused(toolbox: Toolbox) -> None:
    answer = post(toolbox, b"{}")
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid")


def test_replayed_and_overtaken_heartbeats_change_nothing(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    late = heartbeat_of(state_of(server, Phase.STOPPED), sequence=4)
    beat(heartbeat_of(state_of(server, Phase.CRASHED, revision=server.observed_revision + 9), sequence=5))
    beat(late)
    server.refresh_from_db()
    assert server.phase == "crashed"


def test_a_dtma_that_began_anew_is_believed(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server(revision=9 << 32)
    beat(heartbeat_of(state_of(server, Phase.STOPPED, revision=(1 << 32) + 1)))
    server.refresh_from_db()
    assert server.phase == "stopped"


def test_one_toolbox_cannot_speak_for_anothers_server(
    beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer], stranger: User
) -> None:
    server = make_server()
    elsewhere = enrolled(create_toolbox(owner=stranger, name="box", provider=Toolbox.Provider.OWN_SERVER))
    McpServer.objects.filter(pk=server.pk).update(toolbox=elsewhere)
    beat(heartbeat_of(state_of(server, Phase.CRASHED)))
    server.refresh_from_db()
    assert server.phase == "running"


def test_a_server_that_the_toolbox_lost_is_brought_back(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    beat(heartbeat_of())
    server.refresh_from_db()
    assert server.deployment is not None
    assert (server.phase, server.deployment.kind, server.deployment.status) == ("absent", "repair", "queued")
    beat(heartbeat_of(sequence=2))
    assert Deployment.objects.filter(server=server, kind="repair").count() == 1, "while one is under way there is no second"


def test_a_heartbeat_composed_before_the_server_came_does_not_lose_it(
    beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]
) -> None:
    server = make_server(revision=12)
    beat(heartbeat_of(revision=11))
    server.refresh_from_db()
    assert server.phase == "running"
    assert not Deployment.objects.filter(server=server, kind="repair").exists()


def test_a_change_made_while_the_toolbox_was_away_is_pushed_when_it_returns(
    beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer], user: User
) -> None:
    server = make_server()
    gone = state_of(server)
    delete_server(owner=user, server_id=server.pk)
    Deployment.objects.filter(server=server, kind="delete").update(status="failed", code="toolbox_unreachable")
    beat(heartbeat_of(gone))
    server.refresh_from_db()
    assert server.deployment is not None
    assert (server.deployment.kind, server.deployment.status) == ("delete", "queued")


def test_a_failure_that_would_only_repeat_is_left_to_the_user(
    beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]
) -> None:
    server = make_server(phase=Phase.CRASHED, reason="The image did not build.")
    Deployment.objects.filter(server=server).update(code="not_ready")
    beat(heartbeat_of())
    assert Deployment.objects.filter(server=server).count() == 1


def test_a_toolbox_that_misses_three_heartbeats_makes_its_servers_unknown(make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    just_before = server.toolbox.last_seen_at + silence_after()
    assert status_of(server, just_before).state == "running"
    assert status_of(server, just_before + timedelta(seconds=1)).state == "unknown"


def test_tools_follow_what_the_server_offers(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    before = Tool.objects.get(server=server)
    louder, other = {**ECHO_TOOL, "description": "Louder."}, {"name": "sum", "inputSchema": {"type": "object"}}
    beat(heartbeat_of(state_of(server, tools=(other, louder), tools_hash="b" * 64)))
    after = {tool.name: tool for tool in server.tools.all()}
    assert list(after) == ["sum", "echo"]
    assert after["echo"].digest != before.digest
    server.refresh_from_db()
    beat(heartbeat_of(state_of(server, tools=None, tools_hash="b" * 64), sequence=2))
    assert server.tools.count() == 2, "a heartbeat that does not repeat the tools keeps them"
    server.refresh_from_db()
    beat(heartbeat_of(state_of(server, tools=(other,), tools_hash="c" * 64), sequence=3))
    assert [tool.name for tool in server.tools.all()] == ["sum"]


def test_an_engine_that_does_not_answer_is_told_of(beat: Callable[[Heartbeat], int], make_server: Callable[..., McpServer]) -> None:
    server = make_server()
    beat(heartbeat_of(state_of(server), engine_problem="The Docker engine does not answer."))
    status = status_of(McpServer.objects.select_related("toolbox", "deployment").get(pk=server.pk))
    assert (status.state, status.reason) == ("unknown", "The Docker engine does not answer.")


def test_silence_is_noted_once_for_open_pages(make_server: Callable[..., McpServer]) -> None:
    box = make_server().toolbox
    assert not toolboxes_whose_silence_changed(timezone.now())
    Toolbox.objects.filter(pk=box.pk).update(last_seen_at=timezone.now() - silence_after() * 2)
    note_silence(now=timezone.now())
    assert not toolboxes_whose_silence_changed(timezone.now())
