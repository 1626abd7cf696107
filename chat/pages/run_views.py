"""What one does with a turn of a conversation."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import user_of
from chat.pages.gathering import some_turns
from chat.pages.views import said, sent
from chat.selectors import run_for, said_in
from chat.services.messages import ask_again, edit_message
from chat.services.runs import stop_run


@never_cache
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The message as a form; a POST says it anew. With ``cancel`` it is the message as it was."""
    user = user_of(request)
    run = run_for(user, run_id)
    if request.method == "POST":
        edit_message(user=user, run_id=run.pk, text=said(request))
        return sent(request, run.conversation_id)
    if "cancel" in request.GET:
        turns = some_turns(run.conversation, [run.pk])
        return HttpResponse(turns[0].said if turns else "")
    later = said_in(run.conversation).filter(number__gt=run.number).count()
    template = "chat/edit.html" + ("#form" if "HX-Request" in request.headers else "")
    return render(request, template, {"run": run, "later": later})


@require_POST
def again(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Ask the same again."""
    run = ask_again(user=user_of(request), run_id=run_id)
    return sent(request, run.conversation_id)


@require_POST
def stop(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop a run."""
    user = user_of(request)
    run = run_for(user, run_id)
    stop_run(user=user, run_id=run.pk)
    return sent(request, run.conversation_id)


@never_cache
@require_GET
def given(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """What the model was given for it, and why."""
    run = run_for(user_of(request), run_id)
    context = run.context if isinstance(run.context, dict) else {}
    summary = run.conversation.summary if (context.get("history") or {}).get("summarised_to") else ""
    return render(request, "chat/given.html", {"given": context, "summary": summary})
