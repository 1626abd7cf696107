"""A toolbox is removed, and its servers with it."""

from __future__ import annotations

from django.db.models import Q

from accounts import audit
from mcp_registry.models import Deployment, KeptData, McpServer, Stray
from mcp_registry.services.deployments import request_deployment
from mcp_registry.services.kept_data import remove_for_good
from toolboxes.models import Toolbox
from toolboxes.services import events


def remove_servers_of(toolbox: Toolbox) -> None:
    """Want all servers of a toolbox gone, within the transaction that asks for its removal.

    The job of the removal waits for them, and forgets those that a toolbox which does not answer cannot confirm. Receipts of their
    calls stay. Data that was kept of servers that were deleted before goes as well.
    """
    going = Q(desired=McpServer.Desired.ABSENT, keep_volumes=False)
    for server in McpServer.objects.select_for_update(of=("self",)).filter(toolbox=toolbox).exclude(going):
        server.desired, server.keep_volumes = McpServer.Desired.ABSENT, False
        server.generation += 1
        server.save(update_fields=("desired", "generation", "keep_volumes"))
        request_deployment(server=server, kind=Deployment.Kind.DELETE)
        audit.record(action="server.delete", target=server, owner=server.owner_id, summary=f"With its toolbox “{toolbox}”")
    for kept in KeptData.objects.select_for_update(of=("self",)).select_related("toolbox", "owner").filter(toolbox=toolbox):
        events.record(toolbox=toolbox, kind="kept_data_removed", text=f"The data that was kept of “{kept.name}” goes with the toolbox.")
        remove_for_good(kept)
    Stray.objects.filter(toolbox=toolbox).delete()
