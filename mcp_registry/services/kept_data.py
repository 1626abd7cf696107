"""What is left of deleted servers whose data was kept: they come back under their old ids, or their data goes for good."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.models import User
from agentopia.lib import leases, live
from agentopia.lib.errors import Conflict, NotFound
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import parse_manifest
from mcp_registry.models import Deployment, KeptData, McpServer
from mcp_registry.placement import check, need_of
from mcp_registry.services.deployments import request_deployment
from mcp_registry.services.revisions import note_revision, specification_of
from mcp_registry.services.servers import free_name
from mcp_registry.spec import package_of
from toolboxes.models import Job, Toolbox


def keep_data_of(server: McpServer) -> KeptData:
    """Keep what it takes to restore a server whose row goes, within the caller's transaction."""
    return KeptData.objects.create(
        id=server.pk,
        owner_id=server.owner_id,
        toolbox_id=server.toolbox_id,
        entry_id=server.entry_id,
        name=server.name,
        generation=server.generation,
        **specification_of(server),
    )


@transaction.atomic
def restore_server(*, owner: User, server_id: UUID | str, force: bool = False) -> McpServer:
    """Undo a deletion that kept the data: the same id, settings, secrets and volumes; where its name is taken meanwhile, it is numbered.

    One that is still being deleted comes back as well. Raises `NotFound`, and `Conflict` where there is no room for it any more, unless
    ``force``.
    """
    server = _going(owner, server_id)
    kept = KeptData.objects.select_for_update(of=("self",)).select_related("toolbox").filter(owner=owner, pk=server_id).first()
    if server is None and kept is None:
        raise NotFound("Nothing is kept of such a server.", code="kept_data_not_found")
    if server is None:
        assert kept is not None
        server = _row(kept, McpServer.Desired.RUNNING)
        note = _room(owner, server, force=force)
        server.save(force_insert=True)
        kept.delete()
        note_revision(server=server, by=owner, summary="Restored")
    else:
        note = ""
        server.desired, server.keep_volumes = McpServer.Desired.RUNNING, False
        server.generation += 1
        server.save(update_fields=("desired", "keep_volumes", "generation"))
    request_deployment(server=server, kind=Deployment.Kind.RESTORE, note=note)
    audit.record(action="server.restore", target=server, owner=owner, summary="With the data that was kept")
    live.publish(live.owner_group(owner.pk), live.toolbox_group(server.toolbox_id))
    return server


@transaction.atomic
def remove_kept_data(*, owner: User, server_id: UUID | str) -> McpServer:
    """Remove the data for good: the server is one that is being deleted again, with its volumes, until its toolbox has confirmed that."""
    kept = KeptData.objects.select_for_update(of=("self",)).select_related("toolbox").filter(owner=owner, pk=server_id).first()
    if kept is None:
        raise NotFound("Nothing is kept of such a server.", code="kept_data_not_found")
    server = remove_for_good(kept)
    audit.record(action="kept_data.remove", target=server, owner=owner, summary="The data that was kept is removed")
    return server


def remove_for_good(kept: KeptData) -> McpServer:
    """A row to carry out the removal with, in place of what was kept; within the caller's transaction."""
    server = _row(kept, McpServer.Desired.ABSENT)
    server.phase = "absent"
    server.save(force_insert=True)
    kept.delete()
    request_deployment(server=server, kind=Deployment.Kind.DELETE)
    live.publish(live.owner_group(server.owner_id), live.toolbox_group(server.toolbox_id))
    return server


def _going(owner: User, server_id: UUID | str) -> McpServer | None:
    """One that is being deleted without its data."""
    rows = McpServer.objects.select_for_update(of=("self",)).select_related("toolbox")
    server = rows.filter(owner=owner, pk=server_id, desired=McpServer.Desired.ABSENT, keep_volumes=True).first()
    if server is not None:
        _refuse_removed(server.toolbox)
    return server


def _refuse_removed(toolbox: Toolbox) -> None:
    if toolbox.jobs.filter(leases.UNFINISHED, kind=Job.Kind.REMOVE).exists():
        raise Conflict(f"“{toolbox}” is being removed.", code="toolbox_removing")


def _row(kept: KeptData, desired: McpServer.Desired) -> McpServer:
    return McpServer(
        id=kept.pk,
        owner_id=kept.owner_id,
        toolbox=kept.toolbox,
        entry_id=kept.entry_id,
        name=free_name(kept.owner, kept.name),
        version=str(kept.manifest.get("version", "")),
        generation=kept.generation + 1,
        desired=desired,
        **specification_of(kept),
    )


def _room(owner: User, server: McpServer, *, force: bool) -> str:
    _refuse_removed(server.toolbox)
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # as a deployment does: room must not be promised twice
    manifest = parse_manifest(server.manifest)
    profile = effective_profile(manifest, server.overrides)
    check(owner, need_of(package_of(manifest, server.package), profile), server.toolbox, force=force)
    return f"On “{server.toolbox}”, where its data is."
