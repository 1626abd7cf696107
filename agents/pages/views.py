"""Pages of agents: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput
from agents.connecting.views import base_of
from agents.forms_agents import AgentForm
from agents.models import Agent
from agents.pages import agent as pages
from agents.pages.agent_list import AgentQuery, agent_list
from agents.pages.tool_list import ToolQuery
from agents.services.agents import change_agent, create_agent, delete_agent


@require_GET
def agents(request: HttpRequest) -> HttpResponse:
    """All agents of the user; HTMX asks for the list alone while one types."""
    template = "agents/agent_list.html" + ("#list" if request.headers.get("HX-Target") == "agents" else "")
    return render(request, template, agent_list(user_of(request), AgentQuery.parse(request.GET)))


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new agent; a POST makes it."""
    start = {"tool_mode": Agent.ToolMode.ALL, "top_k": 10, "enabled": True}
    form = AgentForm(_switched_on(request), initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_agent(owner=user_of(request), **form.values())
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.message, error.fields)
        else:
            messages.success(request, f"“{made.name}” is made. Connect servers to it: it may use nothing yet.")
            return redirect("agents:detail", made.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "agents/agent_new.html", {"form": form}, status=status)


def _switched_on(request: HttpRequest) -> dict[str, object] | None:
    """What was sent; a new agent is switched on, which its form does not ask."""
    return {**request.POST.dict(), "enabled": "on"} if request.method == "POST" else None


@require_GET
def agent(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """An agent: the servers that it is connected to, and its tools. HTMX asks for the tools alone while one searches."""
    template = "agents/agent.html" + ("#list" if request.headers.get("HX-Target") == "tools" else "")
    context = pages.overview(user_of(request), agent_id, ToolQuery.parse(request.GET))
    return render(request, template, {**context, "gateway": f"{base_of(request)}/mcp/{context['agent'].slug}"})


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """What can be changed of an agent."""
    user = user_of(request)
    context = pages.head(user, agent_id)
    form = AgentForm.of(context["agent"], request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            changed = change_agent(owner=user, agent_id=agent_id, **form.values())
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.message, error.fields)
        else:
            messages.success(request, f"“{changed.name}” is saved.")
            return redirect("agents:settings", agent_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "agents/agent_settings.html", {**context, "form": form}, status=status)


@require_POST
def delete(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Delete an agent."""
    user = user_of(request)
    name = pages.head(user, agent_id)["agent"].name
    delete_agent(owner=user, agent_id=agent_id)
    messages.success(request, f"“{name}” is deleted.")
    return redirect("agents:list")
