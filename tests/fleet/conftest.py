"""One control plane and two hosts for all tests of the fleet; each module's hosts join it anew."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.dtma.conftest import engine
from tests.fleet.control import HEARTBEAT_SECONDS, PROGRAMS, ControlPlane
from tests.fleet.members import Fleet, Member
from tests.hosts.fixtures import network, running_hosts, small
from tests.hosts.host import Host
from tests.hosts.network import Network

__all__ = ["engine", "network", "small"]
LINES = 25


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure comes with the last lines of every process that took part."""
    report = yield
    if report.failed:
        values = getattr(item, "funcargs", {})
        logs = {host.name: host.output for host in values.get("hosts", ())}
        if "fleet" in values:
            logs |= {name: values["fleet"].control.logs(name) for name in PROGRAMS}
        report.sections += [(f"log of {name}", "\n".join(text.splitlines()[-LINES:])) for name, text in logs.items()]
    return report


@pytest.fixture(scope="package")
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The tests' database with what is written to it committed, for other processes to see; it is left empty."""
    real = urlsplit(os.environ["DATABASE_URL"]).path.removeprefix("/")
    with django_db_blocker.unblock():
        made_here = connection.settings_dict["NAME"] == real  # where no test of this run has the mark of pytest-django
        if made_here:
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
        yield
        with connection.cursor() as cursor:  # of processes that have ended, or are just about to
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        if made_here:
            connection.creation.destroy_test_db(real, verbosity=0)
        else:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="package")
def control(database: None, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    control = ControlPlane(tmp_path_factory.mktemp("control"), network.address, network.number)
    try:
        with override_settings(HEARTBEAT_SECONDS=HEARTBEAT_SECONDS):  # here, too, where rows are looked at
            control.start()
            yield control
    finally:
        control.stop()


@pytest.fixture(scope="package")
def fleet(control: ControlPlane) -> Fleet:
    return Fleet(control)


@pytest.fixture(scope="package")
def hosts(network: Network, small: str) -> Iterator[list[Host]]:
    with running_hosts(network, "a", "b", image=small) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def members(fleet: Fleet, hosts: list[Host]) -> Iterator[list[Member]]:
    """Both hosts as toolboxes."""
    members = [fleet.join(host) for host in hosts]
    yield members
    for member in members:
        fleet.leave(member)


@pytest.fixture
def a(members: list[Member]) -> Member:
    return members[0]


@pytest.fixture
def b(members: list[Member]) -> Member:
    return members[1]
