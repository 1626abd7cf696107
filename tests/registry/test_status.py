"""The one function that says what a page shows of a server."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from accounts.models import User
from dtma_wire import Phase
from mcp_registry.models import Deployment, McpServer
from mcp_registry.status import Status, status_of, with_state
from toolboxes.models import Toolbox, silence_after

K, S = Deployment.Kind, Deployment.Status
NOW = timezone.now()  # of the collection, when the parameters are made; the tests may run much later


def server(
    desired: str = "running",
    phase: Phase = Phase.RUNNING,
    deployment: Deployment.Status | None = S.SUCCEEDED,
    generation: int = 2,
    observed: int = 2,
    seen_ago: float = 1,
    problem: str = "",
) -> McpServer:
    box = Toolbox(name="box", enrolled_at=NOW, last_seen_at=NOW - timedelta(seconds=seen_ago), info={"engine_problem": problem})
    made = McpServer(
        toolbox=box, desired=desired, phase=phase.value, generation=generation, observed_generation=observed, tools_hash="a", reason="told"
    )
    if deployment:
        made.deployment = Deployment(kind=K.DEPLOY, status=deployment, detail="why", generation=generation)
    return made


SILENT = silence_after().total_seconds() + 1


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (server(), Status.RUNNING),
        (server(phase=Phase.UNHEALTHY), Status.UNHEALTHY),
        (server(phase=Phase.CRASHED), Status.CRASHED),
        (server(desired="stopped", phase=Phase.STOPPED), Status.STOPPED),
        (server(desired="stopped", phase=Phase.ABSENT), Status.STOPPED),
        (server(phase=Phase.ABSENT), Status.FAILED),  # its toolbox says why there is nothing to start it from
        (server(phase=Phase.ABSENT, observed=1), Status.UNKNOWN),
        (server(desired="absent", deployment=S.RUNNING), Status.DELETING),
        (server(desired="absent", deployment=S.FAILED, seen_ago=SILENT), Status.DELETING),
        # while a deployment goes on
        (server(deployment=S.QUEUED, phase=Phase.UNKNOWN, observed=0), Status.PREPARING),
        (server(deployment=S.RUNNING, phase=Phase.PREPARING), Status.PREPARING),
        (server(deployment=S.RUNNING, phase=Phase.STARTING), Status.STARTING),
        (server(deployment=S.RUNNING, phase=Phase.RUNNING, observed=1), Status.PREPARING),
        (server(desired="stopped", deployment=S.RUNNING, phase=Phase.RUNNING), Status.RUNNING),
        # after one that failed
        (server(deployment=S.FAILED, phase=Phase.CRASHED), Status.FAILED),
        (server(deployment=S.FAILED, phase=Phase.UNHEALTHY), Status.FAILED),
        (server(deployment=S.FAILED, phase=Phase.ABSENT), Status.FAILED),
        (server(deployment=S.FAILED, phase=Phase.UNKNOWN, observed=0), Status.FAILED),
        (server(deployment=S.FAILED, phase=Phase.RUNNING), Status.RUNNING),  # the toolbox got there after all
        (server(deployment=S.FAILED, phase=Phase.RUNNING, observed=1), Status.FAILED),  # that was an earlier one
        # nobody knows
        (server(seen_ago=SILENT), Status.UNKNOWN),
        (server(deployment=S.RUNNING, seen_ago=SILENT), Status.UNKNOWN),
        (server(problem="The engine is gone."), Status.UNKNOWN),
    ],
)
def test_status(given: McpServer, status: Status) -> None:
    assert status_of(given, NOW).state is status


def test_a_failure_is_explained_by_its_deployment_and_a_crash_by_its_toolbox() -> None:
    assert status_of(server(deployment=S.FAILED, phase=Phase.CRASHED), NOW).reason == "why"
    assert status_of(server(phase=Phase.CRASHED), NOW).reason == "told"


def test_a_silent_toolbox_is_named() -> None:
    assert "box" in status_of(server(seen_ago=SILENT), NOW).reason


def test_work_that_no_worker_takes_says_so() -> None:
    waiting = server(deployment=S.QUEUED, phase=Phase.UNKNOWN, observed=0)
    assert waiting.deployment is not None
    waiting.deployment.not_before = NOW
    assert status_of(waiting, NOW).reason == "why"
    assert "No worker" in status_of(waiting, NOW + timedelta(seconds=20)).reason


def test_the_database_finds_the_same_words(user: User) -> None:
    """Each combination of what a server has on a toolbox that reports, and a few of them on every kind of toolbox."""
    kinds = product((NOW, None), (NOW, None, NOW - timedelta(seconds=SILENT)), ({}, {"engine_problem": ""}, {"engine_problem": "Gone."}))
    boxes = Toolbox.objects.bulk_create(
        Toolbox(owner=user, name=f"box-{number}", enrolled_at=enrolled, last_seen_at=seen, info=info)
        for number, (enrolled, seen, info) in enumerate(kinds)
    )
    all_of = list(product(McpServer.Desired, Phase, (1, 2), ("", "a"), ("", "told")))
    few_of = list(product(McpServer.Desired, (Phase.RUNNING, Phase.ABSENT), (2,), ("a",), ("",)))
    made = [
        McpServer(
            owner=user, toolbox=box, name=f"{box.name}-{number}", generation=2, manifest={}, desired=desired, phase=phase.value,
            observed_generation=observed, tools_hash=tools, reason=reason,
        )
        for box in boxes
        for number, (desired, phase, observed, tools, reason) in enumerate(all_of if box is boxes[0] else few_of)
    ]  # fmt: skip
    McpServer.objects.bulk_create(made)
    for status in (None, *S):
        if status is not None:
            fresh = [Deployment(server=one, kind=K.DEPLOY, status=status, generation=2) for one in made]
            for one, deployment in zip(made, Deployment.objects.bulk_create(fresh), strict=True):
                one.deployment = deployment
            McpServer.objects.bulk_update(made, ("deployment",))
        found = with_state(McpServer.objects.select_related("toolbox", "deployment"), NOW)
        assert [one for one in found if status_of(one, NOW).state != one.state] == []
