"""A host whose clock is two days ahead, then one behind: what is shown of it is of our clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mcp_registry.models import Deployment
from tests.dtma.agent import until
from tests.fleet.members import Fleet, Member

SOON = timedelta(seconds=3)


@pytest.fixture
def off(fleet: Fleet, b: Member) -> Iterator[Member]:
    """A toolbox whose clock can be set."""
    b.host.stop_dtma()
    b.host.clock("+2d")
    b.host.start_dtma()
    fleet.until_heard_again(b)
    yield b
    b.host.clock("+0d")


def is_off(member: Member, by: timedelta) -> bool:
    return abs(member.now().skew_seconds - by.total_seconds()) < 60


def test_steps_and_log_lines_have_times_of_ours(fleet: Fleet, off: Member, small: str) -> None:
    began = timezone.now()
    assert is_off(off, timedelta(days=2))
    server = fleet.rest.place(off.toolbox, small, "python3", "/srv/workshop.py")
    fleet.rest.until(server, "running", seconds=30)
    off.host.clock("-1d")
    until(lambda: is_off(off, -timedelta(days=1)), 20)
    fleet.rest.act(server, "restart")
    until(lambda: Deployment.objects.filter(server__id=server, kind="restart", status="succeeded").exists(), 30)
    for deployment in fleet.rest.get(f"servers/{server}/deployments/")["results"]:
        for step in deployment["steps"]:
            for moment in (step["started_at"], step["finished_at"]):
                assert began - SOON < datetime.fromisoformat(moment) < timezone.now() + SOON, step
            assert 0 <= step["seconds"] < 30
    lines = fleet.rest.get(f"servers/{server}/logs/?tail=1")
    assert lines
    assert abs(datetime.fromisoformat(lines[-1]["ts"]) - timezone.now()) < timedelta(seconds=60)
    assert fleet.rest.server(server)["status"] == "running"
