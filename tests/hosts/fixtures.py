"""Fixtures for whoever needs hosts: import them into a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hosts.host import Host
from tests.hosts.image import small_image
from tests.hosts.network import Network, remove_remains


@contextmanager
def running_network() -> Iterator[Network]:
    """A network of this process's own; all that is in it is gone afterwards, and what killed processes left behind as well."""
    remove_remains()
    network = Network()
    try:
        yield network
    finally:
        network.remove()


@contextmanager
def running_hosts(network: Network, *names: str, image: str | None = None) -> Iterator[list[Host]]:
    """Hosts that are switched on, with an image; they boot at the same time."""
    hosts = [Host(network, place, name) for place, name in enumerate(names, start=1)]
    try:
        for host in hosts:
            host.switch_on()
        for host in hosts:
            host.wait()
            if image is not None:
                host.engine.load(image)
        yield hosts
    finally:
        for host in hosts:
            host.switch_off()


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with running_network() as network:
        yield network


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tag of a small image of the tests' servers."""
    with small_image(tmp_path_factory.mktemp("small")) as tag:
        yield tag
