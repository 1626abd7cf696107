"""The page that says how to connect a client, and makes the token that it needs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from accounts.services import LONGEST_NAME
from agentopia.lib.errors import Conflict, InvalidInput
from agents.connecting.setups import PLACEHOLDER, Target, setups
from agents.models import Agent
from agents.pages.agent import head
from agents.services.tokens import make_agent_token
from agents.tokens.forms import USUAL_END, end_in
from agents.tokens.selectors import tokens_for_agent


@never_cache
@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The set-ups for each client; a POST makes a token for this agent, which is in this answer's set-ups and never shown again."""
    user = user_of(request)
    context = head(user, agent_id)
    agent: Agent = context["agent"]
    token, problem = "", ""
    if request.method == "POST":
        try:
            made = make_agent_token(
                user=user, name=f"Client of {agent.name}"[:LONGEST_NAME], agents=[agent.pk], expires_at=end_in(USUAL_END)
            )
            token = made.text
        except (Conflict, InvalidInput) as error:
            problem = error.message
    return render(
        request,
        "agents/connecting/page.html",
        {**context, **shown(request, agent, token), "problem": problem, "tokens": tokens_for_agent(user, agent.pk)},
        status=422 if problem else 200,
    )


def shown(request: HttpRequest, agent: Agent, token: str) -> dict[str, Any]:
    """What the page shows of an agent, with a token that was just made or without one."""
    url = f"{base_of(request)}/mcp/{agent.slug}"
    servers = [{"name": grant.server.name, "url": f"{url}/{grant.server.name}"} for grant in agent.grants.select_related("server")]
    return {
        "url": url,
        "servers": servers,
        "token": token,
        "placeholder": PLACEHOLDER,
        "days": USUAL_END,
        "setups": setups(Target(agent.slug, url, token or PLACEHOLDER)),
    }


def base_of(request: HttpRequest) -> str:
    """Where clients reach Agentopia: PUBLIC_URL, else under the address that this browser uses."""
    return settings.PUBLIC_URL if settings.ENVIRONMENT.public_url else request.build_absolute_uri("/").rstrip("/")
