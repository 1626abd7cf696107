"""What the user wants of a server. Every change makes its generation grow and asks for a deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput
from mcp_registry.manifest import parse_manifest
from mcp_registry.models import CatalogEntry, Deployment, McpServer
from mcp_registry.models.servers import SERVER_NAME
from mcp_registry.placement import check, choose, need_of
from mcp_registry.selectors import server_for
from mcp_registry.services.deployments import request_deployment
from mcp_registry.spec import checked_values, checked_volumes, package_of, spec_of
from toolboxes.models import Toolbox


def deploy_server(
    *,
    owner: User,
    entry: CatalogEntry,
    toolbox: Toolbox | None = None,
    name: str = "",
    config: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    package: int = 0,
    shared_volumes: Mapping[str, str] | None = None,
    force: bool = False,
) -> McpServer:
    """Deploy an entry on a toolbox, both the owner's to use: where it fits best if none is named, with ``force`` where it does not fit.

    Without a name it is called as the entry, numbered where taken. ``shared_volumes`` names, by a volume of the entry, a folder of the
    toolbox that servers share instead. Raises `InvalidInput` for settings that are missing or wrong, `NotFound` without a toolbox, and
    `Conflict` for a name that is taken or where there is no room; nothing is stored then.
    """
    manifest = parse_manifest(entry.manifest)
    chosen = package_of(manifest, package)
    clean_config, clean_secrets = checked_values(chosen, config or {}, secrets or {})
    if name and not (re.fullmatch(SERVER_NAME, name) and len(name) <= 63):
        raise InvalidInput(
            "A server's name has at most 63 small letters, digits and hyphens, and begins and ends with a letter or digit.",
            fields={"name": "Not a valid name."},
        )
    server = McpServer(
        owner=owner,
        entry=entry,
        name=name or free_name(owner, manifest.slug),
        manifest=entry.manifest,
        package=package,
        config=clean_config,
        shared_volumes=checked_volumes(manifest.profile, shared_volumes or {}),
        secrets=clean_secrets,
    )
    spec_of(server)  # what no toolbox could run is refused here, not in a worker
    need = need_of(chosen, manifest.profile)
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two deployments must not be promised the same room
            place = choose(owner, need) if toolbox is None else check(owner, need, toolbox, force=force)
            server.toolbox = place.toolbox
            server.save(force_insert=True)
            request_deployment(server=server, kind=Deployment.Kind.DEPLOY, note=place.why)
    except IntegrityError:
        if McpServer.objects.filter(owner=owner, name=server.name).exists():
            raise Conflict(
                f"You have a server “{server.name}” already. Choose another name.", code="name_taken", fields={"name": "Taken."}
            ) from None
        raise
    return server


def free_name(owner: User, wanted: str) -> str:
    """A name that none of the owner's servers has: the one that is wanted, numbered where it is taken."""
    taken = set(McpServer.objects.filter(owner=owner, name__startswith=wanted).values_list("name", flat=True))
    number = 2
    name = wanted
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def start_server(*, owner: User, server_id: UUID | str) -> McpServer:
    """Want it running; also how a failed deployment is tried again."""
    return _change(owner, server_id, McpServer.Desired.RUNNING, Deployment.Kind.START)


def stop_server(*, owner: User, server_id: UUID | str) -> McpServer:
    """Want it stopped; its volumes and settings stay."""
    return _change(owner, server_id, McpServer.Desired.STOPPED, Deployment.Kind.STOP)


def restart_server(*, owner: User, server_id: UUID | str) -> McpServer:
    """Want it running, in a new process."""
    return _change(owner, server_id, McpServer.Desired.RUNNING, Deployment.Kind.RESTART)


def delete_server(*, owner: User, server_id: UUID | str) -> McpServer:
    """Want it gone, its own volumes with it; the row goes when the toolbox has confirmed that."""
    return _change(owner, server_id, McpServer.Desired.ABSENT, Deployment.Kind.DELETE)


@transaction.atomic
def _change(owner: User, server_id: UUID | str, desired: McpServer.Desired, kind: Deployment.Kind) -> McpServer:
    server = server_for(owner, server_id)
    server = McpServer.objects.select_for_update(of=("self",)).get(pk=server.pk)
    if server.desired == McpServer.Desired.ABSENT and desired != McpServer.Desired.ABSENT:
        raise Conflict(f"“{server.name}” is being deleted.", code="server_deleting")
    server.desired = desired
    server.generation += 1
    if kind == Deployment.Kind.RESTART:
        server.incarnation = server.generation
    server.save(update_fields=("desired", "generation", "incarnation"))
    request_deployment(server=server, kind=kind)
    return server
