"""Certificates that run out, are renewed, and are judged by clocks that do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from dtma_wire import Renew
from mcp_registry.models import Deployment
from tests.dtma.agent import until
from tests.fleet.members import Fleet, Member
from tests.fleet.peers import heartbeat_of, holding, identity
from tests.hosts.host import Host

DAY = 24 * 3600.0


@pytest.fixture
def joining(fleet: Fleet, hosts: list[Host]) -> Iterator[list[Member]]:
    """Put what joined in here, and it leaves again."""
    joined: list[Member] = []
    yield joined
    for member in joined:
        fleet.leave(member)
        member.host.true_clock()


def life(seconds: float) -> dict[str, str]:
    return {"TOOLBOX_CERTIFICATE_DAYS": str(seconds / DAY)}


def certificates(member: Member) -> int:
    return member.toolbox.certificates.count()


def test_certificates_are_renewed_without_a_break(fleet: Fleet, hosts: list[Host], joining: list[Member], small: str) -> None:
    rest = fleet.rest
    with fleet.control.intake_with(**life(9)), ThreadPoolExecutor(1) as pool:
        joining.append(member := fleet.join(hosts[0]))
        server = rest.place(member.toolbox, small, "python3", "/srv/workshop.py")
        rest.until(server, "running", seconds=30)
        before, calls, said = certificates(member), 0, len(member.host.output)
        long = pool.submit(rest.say, server, "slow", steps=40, seconds=0.25)
        while certificates(member) < before + 2 or not long.done():
            assert rest.say(server, "echo", text=str(calls)) == str(calls)
            assert not member.now().is_silent()
            calls += 1
        assert long.result() == "done"
        assert calls > 20
        assert "WARNING" not in member.host.output[said:]


def test_an_expired_certificate_may_only_renew(fleet: Fleet, hosts: list[Host], joining: list[Member], small: str) -> None:
    rest = fleet.rest
    with fleet.control.intake_with(**life(6)):
        joining.append(member := fleet.join(hosts[0]))
        server = rest.place(member.toolbox, small, "python3", "/srv/workshop.py")
        rest.until(server, "running", seconds=30)
        fleet.control.kill("intake")  # nobody is there to renew it
        newest = member.toolbox.certificates.latest("not_after")
        until(lambda: timezone.now() > newest.not_after, 20)
        late = rest.place(member.toolbox, small, "python3", "/srv/workshop.py")
        until(lambda: Deployment.objects.get(server__id=late).detail.endswith("Trying again."))
    # DTMA renews it as soon as somebody is there, and what was to be done is done.
    fleet.until_heard_again(member, 30)
    rest.until(late, "running", seconds=30)
    assert rest.say(server, "echo", text="again") == "again"
    assert member.toolbox.certificates.latest("not_after").not_after > timezone.now() + timedelta(days=6)


def test_a_heartbeat_under_an_expired_certificate_is_refused(fleet: Fleet, hosts: list[Host], joining: list[Member]) -> None:
    joining.append(member := fleet.join(hosts[0]))
    copied = holding(member)
    member.host.kill_dtma()
    member.toolbox.certificates.update(not_after=timezone.now())
    status, answer = copied.beat(fleet.control, heartbeat_of(member, ahead=1))
    assert (status, answer["code"]) == (403, "certificate_expired")
    member.host.start_dtma()
    fleet.until_heard_again(member)  # under the next one


def test_a_certificate_that_expired_long_ago_needs_a_new_enrolment(fleet: Fleet, hosts: list[Host], joining: list[Member]) -> None:
    joining.append(member := fleet.join(hosts[0]))
    member.toolbox.certificates.update(not_after=timezone.now() - timedelta(days=31))
    for path, body in (
        ("heartbeat", heartbeat_of(member, ahead=1).model_dump_json()),
        ("renew", Renew(request=(identity(member) / "request.pem").read_text()).model_dump_json()),
    ):
        status, answer = holding(member).ask(fleet.control.intake, "POST", f"/dtma/v1/{path}", body)
        assert (status, answer["code"]) == (403, "forbidden")
        assert answer["message"].startswith("This toolbox's certificate expired too long ago.")
    until(lambda: "This toolbox's certificate expired too long ago." in member.host.output)
    fleet.until_silent(member)


def test_clocks_that_are_days_apart_do_not_matter(fleet: Fleet, hosts: list[Host], joining: list[Member], small: str) -> None:
    offsets = {host.name: days for host, days in zip(hosts, (3, -3), strict=True)}
    for host in hosts:
        host.clock(f"{offsets[host.name]:+}d")
        joining.append(fleet.join(host))
    placed = {member: fleet.rest.place(member.toolbox, small, "python3", "/srv/workshop.py") for member in joining}
    for member, server in placed.items():
        fleet.rest.until(server, "running", seconds=30)
        assert fleet.rest.say(server, "echo", text="in time") == "in time"
        assert abs(member.now().skew_seconds - offsets[member.host.name] * DAY) < 60
        steps = fleet.rest.get(f"servers/{server}/deployments/")["results"][0]["steps"]
        assert all(0 <= step["seconds"] < 60 for step in steps)
        # The clock is set right while DTMA runs; and whatever it tells, a certificate can be renewed.
        member.host.clock("+0")
        fleet.until_heard_again(member)
        renewed = holding(member).ask(
            fleet.control.intake, "POST", "/dtma/v1/renew", Renew(request=(identity(member) / "request.pem").read_text()).model_dump_json()
        )
        assert renewed[0] == 200
