"""A toolbox of this test's database whose DTMA is a real one, and servers on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from asgiref.sync import async_to_sync
from cryptography import x509
from django.utils import timezone
from docker import DockerClient

from accounts.models import User
from dtma_client import DtmaClient
from dtma_wire import ServerSpec, ServerState
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from mcp_registry.services.deployments import finish_deployment
from mcp_registry.services.observation import observe
from mcp_registry.services.servers import deploy_server
from tests.conftest import reporting
from tests.dtma.agent import Agent, ready
from tests.dtma.authority import authority
from tests.dtma.conftest import own_toolbox
from toolboxes.models import Authority, Certificate, Toolbox


@contextmanager
def own_agent(engine: DockerClient, home: object) -> Iterator[Agent]:
    """A DTMA whose toolbox can be a row."""
    with own_toolbox(engine, str(uuid4())) as toolbox:
        agent = Agent(home, toolbox, handshake_seconds=60).start()  # type: ignore[arg-type]
        try:
            yield agent
        finally:
            agent.stop()


def trust_own_authority() -> None:
    """Make the tests' authority the control plane's; whoever looked for one before has made another."""
    own = {"certificate": authority().pem.decode(), "key": authority().key_pem.decode()}
    Authority.objects.update_or_create(pk=1, defaults=own)


def toolbox_of(agent: Agent, owner: User) -> Toolbox:
    """The DTMA's toolbox, as a row; the control plane is of the authority that the DTMA trusts."""
    trust_own_authority()
    toolbox = Toolbox.objects.create(
        pk=UUID(agent.toolbox), owner=owner, name="box", provider=Toolbox.Provider.THIS_MACHINE, url=agent.url, enrolled_at=timezone.now()
    )
    shown = x509.load_pem_x509_certificate((agent.home / "identity" / "certificate.pem").read_bytes())
    Certificate.objects.create(
        toolbox=toolbox, serial=f"{shown.serial_number:X}", not_before=shown.not_valid_before_utc, not_after=shown.not_valid_after_utc
    )
    reporting(toolbox)
    Toolbox.objects.update(last_seen_at=timezone.now() + timedelta(hours=1))  # nobody takes its heartbeats here
    return toolbox


def deployed(agent: Agent, toolbox: Toolbox, entry: CatalogEntry, **specs: ServerSpec) -> dict[str, McpServer]:
    """Servers that run on the toolbox, by their names: rows with all that was observed of them. What the rows say of their source is not
    true.
    """
    rows = {name: deploy_server(owner=toolbox.owner, entry=entry, toolbox=toolbox, name=name) for name in specs}

    async def put() -> list[ServerState]:
        async with DtmaClient(agent.endpoint) as client:
            return await asyncio.gather(*(ready(client, str(rows[name].pk), spec) for name, spec in specs.items()))

    for row, state in zip(rows.values(), async_to_sync(put)(), strict=True):
        observe(server_id=row.pk, state=state)
        finish_deployment(deployment=Deployment.objects.select_related("server").get(server=row), problem="")
    return {name: McpServer.objects.select_related("toolbox", "deployment").get(pk=row.pk) for name, row in rows.items()}
