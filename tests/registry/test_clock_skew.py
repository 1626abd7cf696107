"""The clocks of a toolbox and of the control plane need not agree: what is shown and compared is by ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from dtma_wire import LogLine, Phase, Progress, Step, StepState
from mcp_registry.logs.reading import by_our_clock
from mcp_registry.models import Deployment, McpServer
from mcp_registry.services.deployments import claim_deployment, record_progress
from mcp_registry.services.heartbeats import take_heartbeat
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import restart_server
from mcp_registry.status import status_of
from tests.conftest import heartbeat_of, state_of
from toolboxes.models import Toolbox

OFF = {"ahead": timedelta(days=2), "behind": timedelta(days=-1), "hardly": timedelta(milliseconds=3)}
SKEWS = pytest.mark.parametrize("skew", OFF.values(), ids=OFF.keys())
SOON = timedelta(seconds=5)


@contextmanager
def around_now(moment: Callable[[], datetime | None], before: timedelta = timedelta()) -> Iterator[None]:
    """What happens within took place now, by our clock, or so long before."""
    start = timezone.now() - before
    yield
    found = moment()
    assert found is not None
    assert start - SOON <= found <= timezone.now()


def beat(toolbox: Toolbox, skew: timedelta) -> None:
    heartbeat = heartbeat_of(sequence=toolbox.sequence + 1).model_copy(update={"sent_at": timezone.now() + skew})
    assert take_heartbeat(toolbox=toolbox, heartbeat=heartbeat).known
    toolbox.refresh_from_db()


@SKEWS
def test_the_steps_of_a_deployment(make_server: Callable[..., McpServer], toolbox: Toolbox, skew: timedelta) -> None:
    server = make_server()
    beat(toolbox, skew)
    restart_server(owner=server.owner, server_id=server.pk)
    deployment = claim_deployment(deployment_id=Deployment.objects.get(kind="restart").pk)
    assert deployment is not None
    began = Progress(step=Step.IMAGE, state=StepState.RUNNING, at=timezone.now() + skew)
    ended = Progress(step=Step.IMAGE, state=StepState.DONE, at=timezone.now() + skew + timedelta(milliseconds=1))
    with around_now(lambda: deployment.steps.get(name="image").finished_at):
        for event in (began, ended, began, ended):  # a worker that joins later hears all of them again
            record_progress(deployment=deployment, progress=event)
    step = deployment.steps.get(name="image")
    assert deployment.created_at <= step.started_at
    assert step.seconds is not None
    assert 0 <= step.seconds < 1


def test_a_clock_that_was_set_since_the_last_heartbeat_leads_nowhere_else(make_server: Callable[..., McpServer]) -> None:
    deployment = make_server().deployment
    assert deployment is not None
    for days in (2, -2):
        at = timezone.now() + timedelta(days=days)
        with around_now(lambda: deployment.steps.get(name="tools").started_at):
            record_progress(deployment=deployment, progress=Progress(step=Step.TOOLS, state=StepState.RUNNING, at=at))


@SKEWS
def test_since_when_it_runs_and_what_it_said_last(make_server: Callable[..., McpServer], toolbox: Toolbox, skew: timedelta) -> None:
    server = make_server()
    beat(toolbox, skew)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    line = LogLine(ts=an_hour_ago + skew, stream="stderr", text="hello")
    state = state_of(server, started_at=an_hour_ago + skew, last_log=(line,), container="c1", revision=1 << 41)
    with around_now(lambda: McpServer.objects.get(pk=server.pk).started_at, before=timedelta(hours=1)):
        observe(server_id=server.pk, state=state)
    (kept,) = McpServer.objects.get(pk=server.pk).last_log
    assert abs(datetime.fromisoformat(kept["ts"]) - an_hour_ago) < SOON
    (shown,) = by_our_clock(toolbox, [line])
    assert abs(shown.ts - an_hour_ago) < SOON


def test_setting_the_clock_while_it_runs_does_not_move_its_start(make_server: Callable[..., McpServer], toolbox: Toolbox) -> None:
    server = make_server()
    two_days = timedelta(days=2)
    beat(toolbox, two_days)
    state = state_of(server, started_at=timezone.now() + two_days, container="c1", revision=1 << 41)
    observe(server_id=server.pk, state=state)
    before = McpServer.objects.get(pk=server.pk).started_at
    Toolbox.objects.filter(pk=toolbox.pk).update(skew_seconds=0)
    observe(server_id=server.pk, state=state.model_copy(update={"revision": (1 << 41) + 1}))
    assert McpServer.objects.get(pk=server.pk).started_at == before


@SKEWS
def test_whether_it_reports_is_told_by_our_clock(
    api: APIClient, make_server: Callable[..., McpServer], toolbox: Toolbox, skew: timedelta
) -> None:
    server = make_server(phase=Phase.RUNNING)
    heartbeat = heartbeat_of(state_of(server), sequence=toolbox.sequence + 1)
    take_heartbeat(toolbox=toolbox, heartbeat=heartbeat.model_copy(update={"sent_at": timezone.now() + skew}))
    found = McpServer.objects.select_related("toolbox", "deployment").get(pk=server.pk)
    assert status_of(found).state == "running"
    assert abs(found.toolbox.skew_seconds - skew.total_seconds()) < 1
