"""The page of a server's metrics, and the part of it that its toolbox is asked for."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError
from dtma_client import DtmaError, ServerNotFound
from dtma_wire import EgressReport
from mcp_registry import pages, selectors
from mcp_registry.configuring.overrides import effective_profile
from mcp_registry.manifest import Manifest
from mcp_registry.models import McpServer
from toolboxes.dtma import as_agentopia_error, dtma_of, wait_for

SHOWN_DENIALS = 20
NOTHING = EgressReport(allowed=0, denied=0, denials=())


@require_GET
def metrics(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's charts; their figures come from the REST API, and the newest over the page's WebSocket."""
    return render(request, "mcp_registry/server_metrics.html", pages.server(user_of(request), server_id))


@require_GET
def refused(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """What the server tried to reach and may not."""
    server = selectors.server_for(user_of(request), server_id)
    problem, report = "", NOTHING
    try:
        report = wait_for(_egress_of, server)
    except AgentopiaError as error:
        problem = error.message
    egress = effective_profile(Manifest.model_validate(server.manifest), server.overrides).egress
    context = {"server": server, "problem": problem, "report": report, "denials": report.denials[:SHOWN_DENIALS], "egress": egress.value}
    return render(request, "mcp_registry/refused.html", context)


async def _egress_of(server: McpServer) -> EgressReport:
    try:
        async with dtma_of(server.toolbox) as dtma:
            return await dtma.egress(str(server.pk))
    except ServerNotFound:
        return NOTHING
    except DtmaError as error:
        raise as_agentopia_error(error, server.toolbox) from error
