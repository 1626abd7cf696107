"""An agent's section “Model”: which models it thinks with, in which order."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError
from chat.model_pages import pages
from chat.model_pages.agent_forms import ChoicesForm
from chat.providers.choices import choose_models


@require_http_methods(["GET", "POST"])
def models(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """What was chosen; a POST chooses anew."""
    user = user_of(request)
    context = pages.agent_models(user, agent_id)
    form = ChoicesForm(context["providers"], context["choices"], request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            uses = choose_models(owner=user, agent_id=agent_id, chosen=form.chosen())
        except AgentopiaError as error:
            form.add_problems(error.message, {})
        else:
            told = (
                f"“{context['agent'].name}” thinks with {uses[0].model} now." if uses else "What is configured for all counts for it now."
            )
            messages.success(request, told)
            return redirect("agent_models:choose", agent_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "chat/models/agent.html", {**context, "form": form}, status=status)
