"""A toolbox is removed, and its servers with it."""

from __future__ import annotations

from mcp_registry.models import Deployment, McpServer, Stray
from mcp_registry.services.deployments import request_deployment
from toolboxes.models import Toolbox


def remove_servers_of(toolbox: Toolbox) -> None:
    """Want all servers of a toolbox gone, within the transaction that asks for its removal.

    The job of the removal waits for them, and forgets those that a toolbox which does not answer cannot confirm. Receipts of their
    calls stay.
    """
    doomed = McpServer.objects.select_for_update(of=("self",)).filter(toolbox=toolbox).exclude(desired=McpServer.Desired.ABSENT)
    for server in doomed:
        server.desired = McpServer.Desired.ABSENT
        server.generation += 1
        server.save(update_fields=("desired", "generation"))
        request_deployment(server=server, kind=Deployment.Kind.DELETE)
    Stray.objects.filter(toolbox=toolbox).delete()
