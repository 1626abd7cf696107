"""Files of a conversation: what was attached, what tools brought, and what servers offer to attach."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.requests import user_of
from agents.models import Agent
from agents.resources import shelves_of
from agents.selectors import agent_for
from chat.pages.results import PICTURES, data_of
from chat.selectors import attachment_for, conversation_for, step_for

KEPT_SECONDS = 3600
SAFE = {
    # Opened by itself it may do nothing, and another site may not embed it.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@require_GET
def media(request: HttpRequest, step_id: UUID, number: int) -> HttpResponse:
    """A picture or sound that a tool brought: of the kinds that pages show alone."""
    found = data_of(step_for(user_of(request), step_id).result, number)
    if found is None:
        raise Http404("The result has no such picture or sound.")
    content, media_type = found
    kept = {"Cache-Control": f"private, max-age={KEPT_SECONDS}, immutable", "Content-Disposition": "inline"}
    return HttpResponse(content, content_type=media_type, headers={**SAFE, **kept})


@require_GET
def attachment(request: HttpRequest, attachment_id: UUID) -> HttpResponse:
    """What was attached to a message, to be saved: it is not opened in a page of ours."""
    found = attachment_for(user_of(request), attachment_id)
    media_type = found.media_type if found.media_type in PICTURES else "application/octet-stream"
    disposition = content_disposition_header(True, found.name) or "attachment"
    return HttpResponse(bytes(found.content), content_type=media_type, headers={**SAFE, "Content-Disposition": disposition})


@never_cache
@require_GET
def resources(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """The resources that the servers of its agent offer, to attach one."""
    user = user_of(request)
    conversation = conversation_for(user, conversation_id)
    return _offered(request, user, conversation.agent, {"conversation": conversation})


@never_cache
@require_GET
def new_resources(request: HttpRequest) -> HttpResponse:
    """The same for a conversation that is not begun yet, of the agent that is chosen for it."""
    user = user_of(request)
    return _offered(request, user, agent_for(user, request.GET.get("agent", "")), {})


def _offered(request: HttpRequest, user: User, agent: Agent | None, about: dict[str, Any]) -> HttpResponse:
    context = {**about, "agent": agent, "shelves": shelves_of(user, agent) if agent else [], "in_dialog": "HX-Request" in request.headers}
    return render(request, "chat/resources.html" + ("#panel" if context["in_dialog"] else ""), context)
