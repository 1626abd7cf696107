"""What is on a toolbox though nobody here knows it, containers without a server and servers without a row: adopted, or removed."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib import leases
from agentopia.lib.errors import Conflict, NotFound
from dtma_client import DtmaError
from dtma_wire import Orphan, ServerSpec, ServerState
from mcp_registry.adoption import wish_of
from mcp_registry.clocks import ours
from mcp_registry.models import Deployment, DeploymentStep, McpServer, Stray
from mcp_registry.models.servers import SERVER_NAME
from mcp_registry.services.deployments import QUEUED
from mcp_registry.services.observation import observe
from mcp_registry.services.revisions import note_revision
from mcp_registry.services.servers import free_name
from toolboxes.dtma import as_agentopia_error, dtma_of, wait_for
from toolboxes.models import Job, Toolbox
from toolboxes.services import events

Volumes = Literal["keep", "remove"]
NOT_OURS = "It was not made by a control plane of Agentopia: its id is of another form."


@dataclass(frozen=True)
class Unowned:
    """One of them. ``key`` names it in `adopt` and `remove`; where it is not ``adoptable``, ``reason`` says why."""

    key: str
    kind: Literal["container", "server"]
    server: str
    name: str
    image: str
    since: datetime
    running: bool
    adoptable: bool
    reason: str = ""


def orphans_of(toolbox: Toolbox) -> list[Unowned]:
    """All of them by name, as last reported."""
    containers = [_container(toolbox, Orphan.model_validate(orphan)) for orphan in toolbox.orphans]
    servers = [_server(stray) for stray in Stray.objects.filter(toolbox=toolbox, confirmed=True)]
    return sorted([*containers, *servers], key=lambda found: (found.name, found.key))


def _container(toolbox: Toolbox, orphan: Orphan) -> Unowned:
    return Unowned(
        key=orphan.container,
        kind="container",
        server=orphan.server,
        name=orphan.server_name or orphan.name,
        image=orphan.image,
        since=ours(toolbox, orphan.created_at),
        running=orphan.running,
        adoptable=orphan.adoptable and _is_id(orphan.server),
        reason=orphan.reason or ("" if _is_id(orphan.server) else NOT_OURS),
    )


def _server(stray: Stray) -> Unowned:
    return Unowned(
        key=stray.server,
        kind="server",
        server=stray.server,
        name=str(stray),
        image=stray.image,
        since=stray.first_seen_at,
        running=stray.phase == "running",
        adoptable=_is_id(stray.server),
        reason="" if _is_id(stray.server) else NOT_OURS,
    )


def adopt(*, owner: User, toolbox: Toolbox, key: str) -> McpServer:
    """Make one of them a server of the owner's, as it is: nothing restarts. Where its name is taken, it gets a numbered one.

    Raises `NotFound`, `Conflict` where it cannot be adopted, and whatever keeps the toolbox from answering. What was interrupted half-way
    is a server that the toolbox reports, and can be adopted as that.
    """
    found = _find(owner, toolbox, key)
    if not found.adoptable:
        raise Conflict(found.reason or "It cannot be adopted.", code="not_adoptable")
    if toolbox.jobs.filter(leases.UNFINISHED, kind=Job.Kind.REMOVE).exists():
        raise Conflict(f"“{toolbox}” is being removed.", code="toolbox_removing")
    try:
        spec, state = wait_for(_take_over, toolbox, found)
    except DtmaError as error:
        raise as_agentopia_error(error, toolbox) from error
    return _make_row(owner, toolbox, spec, state)


def remove(*, owner: User, toolbox: Toolbox, key: str, volumes: Volumes = "keep") -> None:
    """Remove one of them from its toolbox; its data only if told so. Raises as `adopt` does."""
    found = _find(owner, toolbox, key)
    try:
        left = wait_for(_remove, toolbox, found, volumes)
    except DtmaError as error:
        raise as_agentopia_error(error, toolbox) from error
    kept = "; its data was kept." if volumes == "keep" else " with its data."
    with transaction.atomic():
        Stray.objects.filter(toolbox=toolbox, server=found.server).delete()
        Toolbox.objects.filter(pk=toolbox.pk).update(orphans=[orphan.model_dump(mode="json") for orphan in left])
        events.record(toolbox=toolbox, kind="orphan_removed", text=f"“{found.name}”, which nobody here knew, was removed{kept}")
        audit.record(
            action="orphan.removed", target=audit.Target(found.kind, found.server, found.name), owner=owner,
            summary=f"On “{toolbox}”{kept}",
        )  # fmt: skip


def _find(owner: User, toolbox: Toolbox, key: str) -> Unowned:
    found = next((orphan for orphan in orphans_of(toolbox) if orphan.key == key), None) if toolbox.owner_id == owner.pk else None
    if found is None:
        raise NotFound("There is no such container or server any more.", code="orphan_not_found")
    if _is_id(found.server) and McpServer.objects.filter(pk=found.server).exists():
        raise Conflict("This server is known here. Where its toolbox lost it, it is brought back by itself.", code="server_known")
    return found


async def _take_over(toolbox: Toolbox, found: Unowned) -> tuple[ServerSpec, ServerState]:
    async with dtma_of(toolbox) as dtma:
        if found.kind == "container":
            await dtma.adopt_orphan(found.key)
        return await dtma.spec(found.server), await dtma.server(found.server)


async def _remove(toolbox: Toolbox, found: Unowned, volumes: Volumes) -> tuple[Orphan, ...]:
    async with dtma_of(toolbox) as dtma:
        if found.kind == "container":
            await dtma.remove_orphan(found.key, volumes)
        else:
            await dtma.delete(found.server, volumes)
        return await dtma.orphans()


def _make_row(owner: User, toolbox: Toolbox, spec: ServerSpec, state: ServerState) -> McpServer:
    wish = wish_of(spec)
    name = spec.name if re.fullmatch(SERVER_NAME, spec.name) else "adopted"
    server = McpServer(
        id=uuid.UUID(state.id),
        owner=owner,
        toolbox=toolbox,
        name=free_name(owner, name),
        desired=spec.desired,
        generation=spec.generation,
        incarnation=spec.incarnation,
        manifest=wish.manifest,
        version=str(wish.manifest["version"]),
        config=wish.config,
        secrets=wish.secrets,
        shared_volumes=wish.shared_volumes,
        overrides=wish.overrides,
    )
    try:
        with transaction.atomic():
            server.save(force_insert=True)
            note_revision(server=server, by=owner, summary="Adopted")
            audit.record(action="server.adopted", target=server, owner=owner)
            _note_adoption(server)
            observe(server_id=server.pk, state=state)
    except IntegrityError:
        raise Conflict("Somebody else adopts it, or took its name, in this moment. Look again.", code="adopted_meanwhile") from None
    server.refresh_from_db()
    return server


def _note_adoption(server: McpServer) -> None:
    now = timezone.now()
    done = {"generation": server.generation, "status": Deployment.Status.SUCCEEDED, "created_at": now, "finished_at": now}
    server.deployment = Deployment.objects.create(server=server, kind=Deployment.Kind.ADOPT, **done)
    DeploymentStep.objects.create(
        deployment=server.deployment, position=0, name=QUEUED, state=DeploymentStep.State.DONE, started_at=now, finished_at=now,
        detail=f"It was on “{server.toolbox}” already, and goes on as it was.",
    )  # fmt: skip
    server.save(update_fields=("deployment",))
    Stray.objects.filter(toolbox=server.toolbox, server=str(server.pk)).delete()
    events.record(toolbox=server.toolbox, kind="adopted", text=f"“{server.name}”, which nobody here knew, was adopted.")


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
