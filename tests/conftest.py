"""What tests of the control plane share: users, clients, a toolbox, servers in a given state."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from _pytest.terminal import TerminalReporter
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from redis import Redis
from rest_framework.test import APIClient

from accounts import pauses
from accounts.models import User
from accounts.services import create_api_token
from dtma_wire import WIRE_VERSION, Heartbeat, HostInfo, Phase, ServerState
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.deployments import finish_deployment
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import deploy_server
from tests.failures import write_down
from tests.intake import enrolled
from tests.once import empty_what_was_filled, load_catalog_once, look_up_static_files_once
from tests.spreading import group_of, rank_of
from toolboxes.identity import control_plane
from toolboxes.models import Toolbox
from toolboxes.services.enrolment import create_toolbox


def pytest_configure(config: pytest.Config) -> None:
    """Collect the static files, which pages name by their hash, and hash passwords quickly."""
    look_up_static_files_once()
    empty_what_was_filled()
    if not hasattr(config, "workerinput"):  # once, not in every worker of pytest-xdist
        call_command("collectstatic", interactive=False, verbosity=0)
        forget_receipts_of_before()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DATABASES["default"]["OPTIONS"]["options"] = "-c agentopia.audit_may_be_emptied=on"  # by what empties all tables


def forget_receipts_of_before() -> None:
    """What an earlier run left in the streams of receipts would be found in the databases of this one."""
    with Redis.from_url(settings.ENVIRONMENT.redis_url) as redis:
        for key in redis.scan_iter("agentopia:receipts:test_*"):
            redis.delete(key)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Where several processes run the tests, those of one file stay together, and so do all that share the one big stack, or the fleet.

    What takes longest begins first, so that no process is left with it at the end.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item)))
    yield  # pytest-xdist looks at the marks, and pytest-django has an order of its own
    items.sort(key=rank_of)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Only where all tests are reported, not in the workers."""
    write_down(terminalreporter)


@pytest.fixture(autouse=True)
def identity_of_this_database() -> None:
    """Each test has a database of its own, and so an authority of its own: what this process was in another test does not count."""
    control_plane.forget()


@pytest.fixture(autouse=True)
def nobody_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted of wrong passwords and tokens lies in Redis, and would outlive a test."""
    monkeypatch.setattr(pauses, "NAMESPACE", uuid4().hex)


ECHO_TOOL = {
    "name": "echo",
    "description": "Says it again.",
    "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
}


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada@example.org", "correct horse battery")


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("eve@example.org", "another long password")


@pytest.fixture
def api(user: User) -> APIClient:
    """A program of the user's."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_token(user=user, name='test')}")
    return client


@pytest.fixture
def browser(user: User) -> Client:
    """The user, signed in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def toolbox(user: User) -> Toolbox:
    """A toolbox that reports; nothing listens at its address."""
    toolbox = enrolled(create_toolbox(owner=user, name="box", provider=Toolbox.Provider.THIS_MACHINE))
    return reporting(toolbox)


def reporting(toolbox: Toolbox, **info: Any) -> Toolbox:
    """The toolbox, after a heartbeat with these host facts."""
    facts = heartbeat_of().info.model_copy(update=info).model_dump(mode="json")
    Toolbox.objects.filter(pk=toolbox.pk).update(last_seen_at=timezone.now(), shown_silent=False, info=facts)
    toolbox.refresh_from_db()
    return toolbox


@pytest.fixture
def catalog(db: None) -> dict[str, CatalogEntry]:
    """The shipped entries by slug."""
    load_catalog_once()
    return {entry.slug: entry for entry in CatalogEntry.objects.filter(owner=None)}


def server_json(**changes: Any) -> dict[str, Any]:
    """A small valid ``server.json`` with one required setting and one secret."""
    package = {
        "registryType": "npm",
        "identifier": "@example/weather",
        "version": "1.2.3",
        "transport": {"type": "stdio"},
        "environmentVariables": [
            {"name": "CITY", "description": "Where to look.", "isRequired": True},
            {"name": "API_KEY", "isSecret": True},
        ],
    }
    return {
        "name": "org.example/weather",
        "description": "Tells the weather.",
        "version": "1.2.3",
        "packages": [package],
        **changes,
    }


def with_profile(**profile: Any) -> dict[str, Any]:
    """The same, with permissions that it asks for."""
    return server_json(_meta={PUBLISHER_SLOT: {"agentopia": profile}})


@pytest.fixture
def weather(user: User) -> CatalogEntry:
    return add_entry(owner=user, document=server_json())


@pytest.fixture
def make_server(user: User, toolbox: Toolbox, catalog: dict[str, CatalogEntry]) -> Callable[..., McpServer]:
    """Makes servers in a given state, as a toolbox would have reported it."""

    def make(phase: Phase = Phase.RUNNING, name: str = "", **state: Any) -> McpServer:
        server = deploy_server(owner=user, entry=catalog["everything"], toolbox=toolbox, name=name)
        observed = state_of(server, phase=phase, **state)
        observe(server_id=server.pk, state=observed)
        deployment = Deployment.objects.select_related("server").get(server=server)
        finish_deployment(deployment=deployment, problem="" if phase in (Phase.RUNNING, Phase.STOPPED) else observed.reason or "It broke.")
        return McpServer.objects.select_related("toolbox", "deployment").get(pk=server.pk)

    return make


def state_of(server: McpServer, phase: Phase = Phase.RUNNING, **changes: Any) -> ServerState:
    """What a toolbox might report of a server."""
    values: dict[str, Any] = {
        "id": str(server.pk),
        "generation": server.generation,
        "revision": server.observed_revision + 1,
        "phase": phase,
        "tools": (ECHO_TOOL,),
        "tools_hash": "a" * 64,
        **changes,
    }
    return ServerState(**values)


def heartbeat_of(*servers: ServerState, epoch: int = 1, sequence: int = 1, revision: int = 1 << 40, engine_problem: str = "") -> Heartbeat:
    """A heartbeat with these states."""
    info = HostInfo(
        dtma_version="0.1.0", wire_version=WIRE_VERSION, mcp_versions=("2025-11-25",), hostname="box", cpus=2,
        memory_bytes=2**33, disk_free_bytes=2**35, engine_version="20.10", engine_problem=engine_problem,
    )  # fmt: skip
    return Heartbeat(
        wire_version=WIRE_VERSION, epoch=epoch, sequence=sequence, revision=revision, sent_at=datetime.now(UTC), info=info, servers=servers
    )
