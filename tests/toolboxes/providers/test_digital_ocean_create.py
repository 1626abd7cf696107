"""A droplet becomes a toolbox: what is ordered, step by step, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble
from tests.toolboxes.providers.conftest import age, at, detail, enrol_and_report, finished, newest, steps, work, work_until
from toolboxes.models import CloudAccount, Job, Machine, Toolbox
from toolboxes.services.jobs import retry_job

pytestmark = pytest.mark.django_db
Order = Callable[..., Toolbox]


def test_from_the_order_to_the_first_heartbeat(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    assert list(steps(newest(toolbox)).values()) == ["waiting"] * 5
    job = work_until(toolbox, at("enrolled"))
    assert steps(job) == {"firewall": "done", "created": "done", "booted": "done", "enrolled": "running", "heartbeat": "waiting"}
    assert detail(job, "booted") == "203.0.113.7"
    enrol_and_report(toolbox)
    job = work_until(toolbox, finished)
    assert (job.status, set(steps(job).values())) == ("succeeded", {"done"})
    assert double.cloud.ever_created == 1


def test_what_the_droplet_is(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order(name="Big box 2", size="s-2vcpu-4gb", image="ubuntu-24-04-x64", region="nyc1")
    work_until(toolbox, at("enrolled"))
    (asked,) = double.asked("POST", "/v2/droplets")
    script = asked.pop("user_data")
    assert asked == {
        "name": "big-box-2",
        "region": "nyc1",
        "size": "s-2vcpu-4gb",
        "image": "ubuntu-24-04-x64",
        "tags": ["agentopia", f"agentopia-{toolbox.pk}"],
        "monitoring": False,
        "with_droplet_agent": False,
        "ipv6": False,
    }
    command = (
        r"curl -fsSL https://agentopia\.example\.org/install/[0-9a-f]{48} \| sudo sh -s -- --ca-fingerprint sha256:[0-9A-Fa-f:]{64,95}"
    )
    assert re.search(rf"^  if {command}; then exit 0; fi$", script, re.MULTILINE)
    assert TOKEN not in script


def test_the_firewall_is_there_first_and_admits_the_control_plane_alone(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    work_until(toolbox, at("enrolled"))
    (firewall,) = double.cloud.firewalls.values()
    assert firewall["tags"] == [f"agentopia-{toolbox.pk}"]
    sources = {"addresses": ["198.51.100.4/32", "2001:db8::/64"]}
    assert firewall["inbound_rules"] == [{"protocol": "tcp", "ports": "7443", "sources": sources}]
    assert [rule["protocol"] for rule in firewall["outbound_rules"]] == ["tcp", "udp", "icmp"]
    made = [path for method, path, _ in double.requests if method == "POST"]
    assert made.index("/v2/firewalls") < made.index("/v2/droplets")


def test_an_existing_tag_does_no_harm(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.existing_tag_is_an_error = True
    double.cloud.tags.add("agentopia")
    work_until(order(), at("enrolled"))


def test_a_slow_boot_is_waited_for(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.boot_seconds = 0.3
    toolbox = order()
    job = work_until(toolbox, at("booted"))
    assert detail(job, "booted") == "DigitalOcean is setting it up"
    assert timezone.now() < job.not_before < timezone.now() + timedelta(seconds=5)
    work_until(toolbox, at("enrolled"))


def test_a_boot_that_takes_too_long_fails_with_what_to_do(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.boot_seconds = 60
    toolbox = order()
    age(work_until(toolbox, at("booted")), "booted", timedelta(minutes=16))
    job = work(toolbox)
    assert (job.status, job.code, steps(job)["booted"]) == ("failed", "too_long", "failed")
    assert "has not booted in 15 minutes" in job.detail
    double.cloud.boot(int(Machine.objects.get().reference))
    retry_job(owner=toolbox.owner, toolbox_id=toolbox.pk)
    work_until(toolbox, at("enrolled"))
    assert double.cloud.ever_created == 1, "the second try goes on with the droplet of the first"


def test_the_quota_is_told_with_where_to_raise_it(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.droplet_limit = 0
    job = work_until(order(), finished)
    assert (job.status, job.code) == ("failed", "quota")
    assert "droplet_limit_increase" in job.detail
    assert Machine.objects.get().sent_at is None, "a definite no: nothing can come any more"


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [({"retry-after": "29"}, 28, 30), ({"ratelimit-reset": "in ten minutes"}, 500, 601), ({}, 3500, 3601)],
)
def test_a_rate_limit_is_waited_out(order: Order, double: DigitalOceanDouble, headers: dict[str, str], least: int, most: int) -> None:
    toolbox = order()
    if "ratelimit-reset" in headers:
        headers = {"ratelimit-reset": str(int(timezone.now().timestamp()) + 600)}
    double.misbehave("POST", "/v2/droplets", status=429, headers=headers)
    job = work(toolbox)
    assert job.status == "queued"
    assert least <= (job.not_before - timezone.now()).total_seconds() <= most
    assert "limit of requests" in detail(job, "created")
    work_until(toolbox, at("enrolled"))
    assert double.cloud.ever_created == 1


def test_a_problem_of_theirs_is_tried_again_with_growing_pauses_until_it_fails(order: Order, double: DigitalOceanDouble) -> None:
    double.misbehave("GET", "/v2/droplets", status=503, times=50)
    toolbox = order()
    pauses = []
    while (job := work(toolbox)).is_active:
        pauses.append((job.not_before - timezone.now()).total_seconds())
        assert job.detail == "DigitalOcean has a problem (HTTP 503). Trying again."
    assert len(pauses) == 10
    assert pauses[0] < 2.5
    assert max(pauses) > 200
    assert (job.code, "It was tried 11 times" in job.detail) == ("cloud_unavailable", True)


def test_a_lost_answer_makes_no_second_droplet(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.list_seconds = 0.3  # it is not in lists at once
    double.misbehave("POST", "/v2/droplets", lost=True)
    toolbox = order()
    job = work(toolbox)
    assert job.detail == "DigitalOcean does not answer. Trying again."
    job = work(toolbox)
    assert detail(job, "created") == "Asking DigitalOcean whether it was made"
    work_until(toolbox, at("enrolled"))
    assert double.cloud.ever_created == 1
    assert Machine.objects.get().reference == str(next(iter(double.cloud.droplets)))


def test_after_an_order_that_never_arrived_it_is_ordered_again_in_the_end(order: Order, double: DigitalOceanDouble) -> None:
    double.misbehave("POST", "/v2/droplets", status=500)
    toolbox = order()
    work(toolbox)
    assert detail(work(toolbox), "created").startswith("Asking")
    Machine.objects.update(sent_at=timezone.now() - timedelta(seconds=61))
    work_until(toolbox, at("enrolled"))
    assert double.cloud.ever_created == 1


def test_a_droplet_too_many_is_destroyed(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    work_until(toolbox, at("enrolled"))
    first = Machine.objects.get().reference
    double.cloud.create_droplet({**double.asked("POST", "/v2/droplets")[0]})
    Job.objects.update(status="failed")
    retry_job(owner=toolbox.owner, toolbox_id=toolbox.pk)
    work_until(toolbox, at("enrolled"))
    assert [str(number) for number in double.cloud.droplets] == [first]


def test_a_droplet_that_is_destroyed_while_it_boots(order: Order, double: DigitalOceanDouble) -> None:
    double.cloud.boot_seconds = 60
    toolbox = order()
    work_until(toolbox, at("booted"))
    double.cloud.destroy_behind_our_back()
    Machine.objects.update(sent_at=timezone.now() - timedelta(minutes=5))
    job = work(toolbox)
    assert (job.status, job.code) == ("failed", "droplet_gone")
    assert double.cloud.ever_created == 1, "only the user asks for another one"
    double.cloud.boot_seconds = 0
    retry_job(owner=toolbox.owner, toolbox_id=toolbox.pk)
    work_until(toolbox, at("enrolled"))
    assert double.cloud.ever_created == 2


def test_a_token_that_was_withdrawn(order: Order, double: DigitalOceanDouble, account: CloudAccount) -> None:
    toolbox = order()
    double.tokens.clear()
    job = work(toolbox)
    assert (job.status, job.code) == ("failed", "token_refused")
    assert "Replace it" in job.detail


def test_a_token_that_lost_a_scope(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    double.tokens[TOKEN].discard("firewall:create")
    job = work(toolbox)
    assert (job.status, job.code) == ("failed", "scope_missing")
    assert "firewall:create" in job.detail


def test_dtma_that_never_enrols(order: Order, double: DigitalOceanDouble) -> None:
    toolbox = order()
    age(work_until(toolbox, at("enrolled")), "enrolled", timedelta(minutes=31))
    job = work(toolbox)
    assert (job.status, job.code) == ("failed", "too_long")
    assert "/var/log/cloud-init-output.log" in job.detail
    assert toolbox.events.filter(kind="job_failed", severity="error").exists()
