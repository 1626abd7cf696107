"""Docker stopped in the middle of a deployment: said in a sentence, tried again, and done when the engine is back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import User
from mcp_registry.models import Deployment, DeploymentStep, McpServer
from mcp_registry.services.carrying_out import carry_out
from mcp_registry.services.catalog import add_entry
from mcp_registry.services.deployments import due_deployments
from mcp_registry.services.servers import deploy_server
from tests.conftest import reporting, server_json
from tests.dtma.agent import Agent, until
from tests.dtma.test_engine_gone import OwnEngine, own_engine
from tests.gateway.place import trust_own_authority
from toolboxes.identity import control_plane
from toolboxes.identity.authority import serial_of
from toolboxes.models import Certificate, Toolbox

__all__ = ["own_engine"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(own_engine: OwnEngine, tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "dtma", str(uuid.uuid4()), docker_url=own_engine.url).start()
    yield agent
    agent.stop()


def as_if_enrolled(agent: Agent, owner: User) -> Toolbox:
    """The toolbox of a DTMA of the tests' own authority, which is the control plane's here."""
    trust_own_authority()
    now = timezone.now()
    kind = Toolbox.Provider.THIS_MACHINE
    box = Toolbox.objects.create(pk=uuid.UUID(agent.toolbox), owner=owner, name="box", provider=kind, url=agent.url, enrolled_at=now)
    shown = (agent.home / "identity/certificate.pem").read_text()
    Certificate.objects.create(toolbox=box, serial=serial_of(shown), not_before=now, not_after=now + timedelta(days=1))
    return reporting(box)


@pytest.fixture
def late(transactional_db: None, agent: Agent, image: str, monkeypatch: pytest.MonkeyPatch) -> McpServer:
    """A server that takes three seconds to come up, being deployed on an engine that can be stopped."""
    user = User.objects.create_user("ada@example.org", "correct horse battery")
    box = as_if_enrolled(agent, user)
    monkeypatch.setattr(control_plane, "_identities", {})
    arguments = [{"type": "positional", "value": value} for value in ("python", "/srv/late.py", "3")]
    package = {"registryType": "oci", "identifier": image, "transport": {"type": "stdio"}, "packageArguments": arguments}
    return deploy_server(owner=user, entry=add_entry(owner=user, document=server_json(packages=[package])), toolbox=box)


def carried_out(deployment: Deployment) -> Callable[[], bool]:
    """Begin to carry it out, as a worker would; the result says whether that has ended."""

    def work() -> None:
        try:
            carry_out(deployment_id=deployment.pk)
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    return lambda: not worker.is_alive()


def test_docker_stopped_in_the_middle(own_engine: OwnEngine, late: McpServer) -> None:
    deployment = Deployment.objects.get(server=late)
    ended = carried_out(deployment)
    until(lambda: DeploymentStep.objects.filter(deployment=deployment, name="handshake").exists(), 30)
    own_engine.stop()
    until(ended, 30)
    deployment.refresh_from_db()
    assert deployment.status == Deployment.Status.QUEUED, deployment.detail
    assert "Docker engine" in deployment.detail
    assert "Trying again" in deployment.detail

    own_engine.start()
    until(lambda: _tried_until_done(deployment), 60)
    late.refresh_from_db()
    assert (deployment.status, late.phase, late.reason) == ("succeeded", "running", "")


def _tried_until_done(deployment: Deployment) -> bool:
    for due in due_deployments(timezone.now()):
        until(carried_out(Deployment.objects.get(pk=due)), 60)
    deployment.refresh_from_db()
    return not deployment.is_active
