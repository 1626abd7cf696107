"""Becoming a toolbox: a token is good once, for an hour, for the control plane that made it, and for nobody else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.fleet.members import Fleet, Member
from tests.hosts.host import Host
from toolboxes.models import EnrolmentToken, Toolbox
from toolboxes.services.enrolment import new_token


@pytest.fixture
def bare(hosts: list[Host]) -> Iterator[list[Host]]:
    """Hosts that are no toolboxes, before and after."""
    yield hosts
    for host in hosts:
        host.forget_dtma()


def token_of(toolbox: Toolbox) -> EnrolmentToken:
    return toolbox.enrolment_tokens.latest("created_at")


def refused(done: subprocess.CompletedProcess[str], host: Host, sentence: str) -> None:
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not host.is_enrolled


def test_two_hosts_with_one_token_one_wins_and_the_other_is_told_why(fleet: Fleet, bare: list[Host]) -> None:
    toolbox = fleet.toolbox()
    token = new_token(toolbox=toolbox).token
    with ThreadPoolExecutor(2) as pool:
        attempts = list(pool.map(lambda host: fleet.enrol(host, token), bare))
    assert sorted(done.returncode for done in attempts) == [0, 1], [done.stderr for done in attempts]
    winner, loser = sorted(bare, key=lambda host: attempts[bare.index(host)].returncode)
    refused(attempts[bare.index(loser)], loser, "This install token was used by another host already.")
    toolbox.refresh_from_db()
    assert toolbox.url == f"https://{winner.address}:7443"
    winner.configure()
    winner.start_dtma()
    fleet.until_online(Member(winner, toolbox))
    assert toolbox.certificates.count() == 1


def test_a_host_whose_answer_was_lost_asks_again_and_is_the_same_toolbox(fleet: Fleet, bare: list[Host]) -> None:
    host, toolbox = bare[0], fleet.toolbox()
    token = new_token(toolbox=toolbox).token
    assert fleet.enrol(host, token).returncode == 0
    key = (host.home / "identity" / "key.pem").read_bytes()
    (host.home / "config.json").unlink()
    (host.home / "identity" / "certificate.pem").unlink()
    assert fleet.enrol(host, token).returncode == 0
    assert (host.home / "identity" / "key.pem").read_bytes() == key
    assert token not in (host.home / "config.json").read_text()
    host.configure()
    host.start_dtma()
    fleet.until_online(Member(host, toolbox))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires_at": timedelta(seconds=-1)}, "This install token has expired: it is good for one hour."),
        ({"withdrawn_at": timedelta()}, "This install token was replaced by a newer one."),
    ],
    ids=["expired", "withdrawn"],
)
def test_a_token_that_does_not_count_any_more(fleet: Fleet, bare: list[Host], change: dict[str, timedelta], sentence: str) -> None:
    toolbox = fleet.toolbox()
    token = new_token(toolbox=toolbox).token
    toolbox.enrolment_tokens.update(**{name: timezone.now() + delta for name, delta in change.items()})
    refused(fleet.enrol(bare[0], token), bare[0], sentence)
    toolbox.refresh_from_db()
    assert (toolbox.enrolled_at, toolbox.url, toolbox.certificates.count()) == (None, "", 0)


def test_a_token_that_nobody_made(fleet: Fleet, bare: list[Host]) -> None:
    refused(fleet.enrol(bare[0], "x" * 32), bare[0], "This install token is not known.")


def test_a_token_of_a_toolbox_that_was_removed(fleet: Fleet, bare: list[Host]) -> None:
    toolbox = fleet.toolbox()
    token = new_token(toolbox=toolbox).token
    Toolbox.objects.filter(pk=toolbox.pk).update(deleted_at=timezone.now())
    refused(fleet.enrol(bare[0], token), bare[0], "This toolbox was removed.")


def test_a_control_plane_of_another_fingerprint_does_not_get_the_token(fleet: Fleet, bare: list[Host]) -> None:
    toolbox = fleet.toolbox()
    token = new_token(toolbox=toolbox).token
    refused(fleet.enrol(bare[0], token, fingerprint="sha256:" + "0" * 64), bare[0], "The token was not sent.")
    assert token_of(toolbox).used_at is None
    assert fleet.enrol(bare[0], token).returncode == 0
    assert token_of(toolbox).used_at is not None
