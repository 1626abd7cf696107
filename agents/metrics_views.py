"""What a server's first page says of its figures, and of who uses it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from agents.metrics import calls_of_last_hour
from agents.selectors import grants_on
from mcp_registry.metrics.series import newest
from mcp_registry.selectors import server_for


@require_GET
def summary(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """What it uses now, how often its tools were called in the last hour, and the agents that may call them."""
    user = user_of(request)
    server = server_for(user, server_id)
    calls, errors = calls_of_last_hour(server)
    context = {"server": server, "point": newest(server), "calls": calls, "errors": errors}
    return render(request, "agents/summary.html", context | {"grants": list(grants_on(user, server))})
