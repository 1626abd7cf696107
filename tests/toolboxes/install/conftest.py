"""One control plane for all tests of the installation; every module has machines of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient
from pytest_django import Settings

from accounts.models import User
from tests.dtma.conftest import engine
from tests.fleet.conftest import database
from tests.hosts.fixtures import small
from tests.toolboxes.install.control import Shop
from tests.toolboxes.install.machines import Machine, gateway, machine_image, remove_machines
from toolboxes.models import Toolbox
from toolboxes.services.enrolment import create_toolbox

__all__ = ["database", "engine", "small"]


@pytest.fixture(scope="package")
def shop(database: None, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"), gateway(engine))
    try:
        shop.open()
        yield shop
    finally:
        shop.stop()


@pytest.fixture(autouse=True)
def told(shop: Shop, settings: Settings) -> None:
    """Install commands name the control plane that machines can reach."""
    settings.PUBLIC_URL = shop.url


@pytest.fixture(scope="package")
def owner(database: None) -> User:
    return User.objects.create_user(f"{uuid.uuid4().hex[:8]}@example.org", "correct horse battery")


@pytest.fixture(scope="package")
def make_toolbox(owner: User) -> Callable[[], Toolbox]:
    def make() -> Toolbox:
        return create_toolbox(owner=owner, name=f"m{uuid.uuid4().hex[:8]}", provider=Toolbox.Provider.OWN_SERVER)

    return make


@pytest.fixture(scope="module")
def switch_on(engine: DockerClient) -> Iterator[Callable[..., Machine]]:
    """Makes machines, by default of Debian 12 with systemd and Docker."""
    remove_machines(engine)

    def switch_on(system: str = "debian-12", kind: str = "docker", *, boots: bool = True) -> Machine:
        return Machine(engine, machine_image(engine, system, kind), boots=boots)

    yield switch_on
    remove_machines(engine)
