"""Pages on which an agent is connected to servers, and on which the rules of one tool are set."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput, NotFound
from agents.forms_agents import GrantForm, ToolRulesForm
from agents.pages import server as pages
from agents.pages.agent_list import AgentQuery
from agents.pages.probing import probe
from agents.pages.tool import tool as tool_page
from agents.services.grants import change_grant, grant, revoke_grant, set_tool_rules


@require_GET
def servers(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """The user's servers, to choose one to connect."""
    template = "agents/agent_servers.html" + ("#choice" if request.headers.get("HX-Target") == "choice" else "")
    return render(request, template, pages.choice(user_of(request), agent_id, AgentQuery.parse(request.GET)))


@require_http_methods(["GET", "POST"])
def server(request: HttpRequest, agent_id: UUID, server_id: UUID) -> HttpResponse:
    """What an agent may do with a server; a POST connects it, or changes that."""
    user = user_of(request)
    context = pages.server(user, agent_id, server_id)
    held, found = context["grant"], context["server"]
    offered = pages.offered_by(found)
    form = GrantForm.of(held, offered, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            if form.cleaned_data["grant"] != (str(held.pk) if held else ""):
                raise Conflict("It was connected or disconnected meanwhile. Load the page again and look at it once more.")
            if held is None:
                grant(owner=user, agent_id=agent_id, server_id=server_id, **form.values())
            else:
                change_grant(owner=user, grant_id=held.pk, **form.values())
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.message, error.fields)
        else:
            name = context["agent"].name
            messages.success(
                request, f"“{name}” is connected to “{found.name}”." if held is None else "It is saved, and counts from the next call."
            )
            return redirect("agents:detail", agent_id)
    status = 422 if request.method == "POST" else 200
    context |= {"form": form, "conspicuous": pages.conspicuous(context["agent"], offered)}
    return render(request, "agents/agent_server.html", context, status=status)


@require_POST
def disconnect(request: HttpRequest, agent_id: UUID, server_id: UUID) -> HttpResponse:
    """Take the server away from the agent."""
    user = user_of(request)
    context = pages.server(user, agent_id, server_id)
    held = pages.grant_or_refusal(context["agent"], context["server"])
    revoke_grant(owner=user, grant_id=held.pk)
    messages.success(request, f"“{context['agent'].name}” can use “{context['server'].name}” no more.")
    return redirect("agents:detail", agent_id)


@require_POST
def test(request: HttpRequest, agent_id: UUID, server_id: UUID) -> HttpResponse:
    """Ask the server whether it answers."""
    user = user_of(request)
    context = pages.server(user, agent_id, server_id)
    try:
        context["tested"] = probe(context["server"])
    except NotFound:
        raise
    except AgentopiaError as error:
        context["test_problem"] = error.message
    if request.headers.get("HX-Request"):
        return render(request, "agents/agent_test.html", context)
    context["form"] = GrantForm.of(context["grant"], pages.offered_by(context["server"]))
    return render(request, "agents/agent_server.html", context)


@require_http_methods(["GET", "POST"])
def tool(request: HttpRequest, agent_id: UUID, server_id: UUID, name: str) -> HttpResponse:
    """A tool of an agent with its rules; a POST sets them."""
    user = user_of(request)
    context = tool_page(user, agent_id, server_id, name)
    posted = request.POST if request.method == "POST" else None
    form = ToolRulesForm.of(context["grant"], context["row"].granted, posted)
    saved = False
    if posted is not None and form.is_valid():
        try:
            set_tool_rules(owner=user, grant_id=context["grant"].pk, name=name, **form.cleaned_data)
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.message, error.fields)
        else:
            saved, context = True, tool_page(user, agent_id, server_id, name)
            form = ToolRulesForm.of(context["grant"], context["row"].granted)
    template = "agents/agent_tool.html" + ("#panel" if request.headers.get("HX-Request") else "")
    status = 422 if posted is not None and not saved else 200
    return render(request, template, {**context, "form": form, "saved": saved}, status=status)
