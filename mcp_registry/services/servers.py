"""What the user wants of a server. Every change makes its generation grow and asks for a deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import parse_manifest
from mcp_registry.models import CatalogEntry, Deployment, EntryVersion, McpServer
from mcp_registry.models.servers import SERVER_NAME
from mcp_registry.placement import check, choose, need_of
from mcp_registry.selectors import server_for
from mcp_registry.services.deployments import request_deployment
from mcp_registry.services.entries import document_of
from mcp_registry.services.revisions import note_revision, specification_of
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
    version: str = "",
    shares_tools: bool = False,
) -> McpServer:
    """Deploy an entry on a toolbox, both the owner's to use: where it fits best if none is named, with ``force`` where it does not fit.

    Without a name it is called as the entry, numbered where taken. ``shared_volumes`` names, by a volume of the entry, a folder of the
    toolbox that servers share instead; ``version`` is another one of the entry than the newest; ``shares_tools`` lets the catalogue show
    which tools it has. Raises `InvalidInput` for settings that are missing or wrong, `NotFound` without a toolbox or such a version, and
    `Conflict` for a name that is taken or where there is no room; nothing is stored then.
    """
    document = _document(entry, version)
    manifest = parse_manifest(document)
    chosen = package_of(manifest, package)
    clean_config, clean_secrets = checked_values(chosen, config or {}, secrets or {})
    server = McpServer(
        owner=owner,
        entry=entry,
        name=checked_name(name) or free_name(owner, manifest.slug),
        manifest=document,
        version=manifest.version,
        package=package,
        config=clean_config,
        shared_volumes=checked_volumes(manifest.profile, shared_volumes or {}),
        secrets=clean_secrets,
        secrets_set_at=dict.fromkeys(clean_secrets, timezone.now().isoformat()),
        shares_tools=shares_tools,
    )
    told = f"{manifest.name} {manifest.version}"
    _place(server, toolbox, force=force, summary="Deployed", action="server.deployed", told=told)
    return server


def _document(entry: CatalogEntry, version: str) -> dict[str, Any]:
    try:
        return document_of(entry, version)
    except EntryVersion.DoesNotExist:
        raise NotFound(f"“{entry}” has no version {version}.", code="version_not_found", fields={"version": "Unknown."}) from None


def clone_server(*, owner: User, server_id: UUID | str, name: str = "", toolbox: Toolbox | None = None, force: bool = False) -> McpServer:
    """Another server made from the same things, secrets included, which never leave the control plane; its data is not copied.

    Without a name it is called as the first one, numbered. Raises as `deploy_server` does.
    """
    model = server_for(owner, server_id)
    if model.desired == McpServer.Desired.ABSENT:
        raise Conflict(f"“{model.name}” is being deleted.", code="server_deleting")
    server = McpServer(
        owner=owner,
        entry=model.entry,
        name=checked_name(name) or free_name(owner, model.name),
        version=model.version,
        secrets_set_at=model.secrets_set_at,
        **specification_of(model),
    )
    told = f"From “{model.name}”"
    _place(server, toolbox, force=force, summary=f"Cloned from “{model.name}”", action="server.cloned", told=told)
    return server


def checked_name(name: str) -> str:
    """A name that a server may have, or an empty one; raises `InvalidInput`."""
    if name and not (re.fullmatch(SERVER_NAME, name) and len(name) <= 63):
        raise InvalidInput(
            "A server's name has at most 63 small letters, digits and hyphens, and begins and ends with a letter or digit.",
            fields={"name": "Not a valid name."},
        )
    return name


def _place(server: McpServer, toolbox: Toolbox | None, *, force: bool, summary: str, action: str, told: str) -> None:
    """Store a new server on a toolbox that has room for it, and ask for its deployment."""
    owner = server.owner
    spec_of(server)  # what no toolbox could run is refused here, not in a worker
    manifest = parse_manifest(server.manifest)
    need = need_of(package_of(manifest, server.package), effective_profile(manifest, server.overrides))
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two deployments must not be promised the same room
            place = choose(owner, need) if toolbox is None else check(owner, need, toolbox, force=force)
            server.toolbox = place.toolbox
            server.save(force_insert=True)
            note_revision(server=server, by=owner, summary=summary)
            audit.record(action=action, target=server, owner=owner, summary=told)
            request_deployment(server=server, kind=Deployment.Kind.DEPLOY, note=place.why)
    except IntegrityError:
        if McpServer.objects.filter(owner=owner, name=server.name).exists():
            raise Conflict(
                f"You have a server “{server.name}” already. Choose another name.", code="name_taken", fields={"name": "Taken."}
            ) from None
        raise


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


def delete_server(*, owner: User, server_id: UUID | str, keep_volumes: bool = False) -> McpServer:
    """Want it gone, its own volumes with it unless they are kept; the row goes when the toolbox has confirmed that.

    With ``keep_volumes`` a row of `KeptData` takes its place, from which it can be restored. Raises `Conflict` where its data is being
    deleted already.
    """
    return _change(owner, server_id, McpServer.Desired.ABSENT, Deployment.Kind.DELETE, keep_volumes=keep_volumes)


@transaction.atomic
def _change(
    owner: User, server_id: UUID | str, desired: McpServer.Desired, kind: Deployment.Kind, *, keep_volumes: bool = False
) -> McpServer:
    server = server_for(owner, server_id)
    server = McpServer.objects.select_for_update(of=("self",)).get(pk=server.pk)
    if server.desired == McpServer.Desired.ABSENT and desired != McpServer.Desired.ABSENT:
        raise Conflict(f"“{server.name}” is being deleted.", code="server_deleting")
    if server.desired == McpServer.Desired.ABSENT and keep_volumes and not server.keep_volumes:
        raise Conflict(f"“{server.name}” is being deleted with its data, which cannot be kept any more.", code="server_deleting")
    server.desired, server.keep_volumes = desired, keep_volumes
    server.generation += 1
    if kind == Deployment.Kind.RESTART:
        server.incarnation = server.generation
    server.save(update_fields=("desired", "generation", "incarnation", "keep_volumes"))
    request_deployment(server=server, kind=kind)
    told = "" if kind != Deployment.Kind.DELETE else "Its data is kept" if keep_volumes else "With its data"
    audit.record(action=f"server.{kind.value}", target=server, owner=owner, summary=told)
    return server
