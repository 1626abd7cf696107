"""Pages of tools: the form to try one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from agents.content import shown_result
from agents.forms import ToolForm
from agents.models import ToolCall
from agents.selectors import tool_calls_for
from agents.services import CallFailed, call_tool
from mcp_registry.selectors import server_for, tool_of

SHOWN_CALLS = 5


@require_http_methods(["GET", "POST"])
def tool(request: HttpRequest, server_id: UUID, name: str) -> HttpResponse:
    """A tool with a form made from its schema; a POST calls it and shows the result below the form."""
    user = user_of(request)
    server = server_for(user, server_id)
    offered = tool_of(server, name)
    form = ToolForm(request.POST if request.method == "POST" else None, schema=offered.input_schema)
    context = {"server": server, "tool": offered, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            outcome = call_tool(user=user, server_id=server.pk, tool_name=name, arguments=form.arguments(), via=ToolCall.Via.FORM)
        except CallFailed as error:
            form.add_problems(error.fields)
            context |= {"error": error, "receipt": tool_calls_for(user).get(pk=error.receipt_id)}
        else:
            context |= {"receipt": outcome.receipt, "result": shown_result(outcome.result)}
    context["calls"] = tool_calls_for(user).filter(server=server, tool_name=name)[:SHOWN_CALLS]
    template = "agents/tool.html" + ("#panel" if request.headers.get("HX-Request") else "")
    return render(request, template, context)
