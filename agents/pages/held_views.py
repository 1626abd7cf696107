"""The page of an agent's held-back tools: each change is approved or refused."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from agents.pages import held as pages
from agents.pages.agent import head
from agents.pages.server import grant_or_refusal
from agents.pinning.decisions import approve_change, refuse_change
from mcp_registry.selectors import server_for

DECISIONS = {"approve": approve_change, "refuse": refuse_change}
SAID = {"approve": "is approved: the agent may use it from its next call on", "refuse": "is refused: the agent is not given it"}


@require_http_methods(["GET", "POST"])
def held(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """What is held back; a POST approves several at once, as they were shown."""
    if request.method == "POST":
        return _approve_seen(request, agent_id)
    return render(request, "agents/agent_held.html", pages.held(user_of(request), agent_id, request.GET.get("page")))


def _approve_seen(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    user, approved, others = user_of(request), 0, 0
    for row, digest in pages.seen_rows(user, agent_id, request.POST.getlist("seen")):
        try:
            approve_change(owner=user, grant_id=row.connected.grant.pk, name=row.tool.name, digest=digest)
        except (Conflict, NotFound):
            others += 1
        else:
            approved += 1
    told = f"{approved} tool{'' if approved == 1 else 's'} approved."
    if others:
        told += f" {others} changed again since you looked, and {'is' if others == 1 else 'are'} still held back."
    return _told(request, agent_id, told, "warning" if others else "success")


@require_POST
def decide(request: HttpRequest, agent_id: UUID, server_id: UUID, name: str) -> HttpResponse:
    """Approve or refuse what the page showed, which the digest names."""
    user = user_of(request)
    grant = grant_or_refusal(head(user, agent_id)["agent"], server_for(user, server_id))
    decision = request.POST.get("decision", "")
    if decision not in DECISIONS:
        raise InvalidInput("Approve the change, or refuse it.")
    DECISIONS[decision](owner=user, grant_id=grant.pk, name=name, digest=request.POST.get("digest", ""))
    return _told(request, agent_id, f"“{name}” {SAID[decision]}.")


def _told(request: HttpRequest, agent_id: UUID, told: str, level: str = "success") -> HttpResponse:
    """For HTMX a toast, to be put where they are: what is held back now arrives over the page's WebSocket, and takes the form away."""
    if request.headers.get("HX-Request"):
        return render(request, "components/toast.html", {"level": level, "message": told})
    messages.add_message(request, messages.WARNING if level == "warning" else messages.SUCCESS, told)
    return redirect("agents:held", agent_id)
