"""The inbox of calls that wait, and the page where one of them is decided."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.errors import InvalidInput
from agents.approvals import Verdict, check_edited, decide
from agents.models import Approval
from agents.receipts_pages import inbox
from agents.receipts_pages.editing import ArgumentsForm


@never_cache
@require_GET
def approvals(request: HttpRequest) -> HttpResponse:
    """The calls that wait for the user."""
    return render(request, "agents/approval_list.html", inbox.inbox(user_of(request)))


@never_cache
@require_http_methods(["GET", "POST"])
def approval(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """One of them. A POST decides, or with ``decision=check`` only looks whether the edited arguments would fit."""
    user = user_of(request)
    if request.method == "POST":
        return _decided(request, user, inbox.approval_for(user, approval_id))
    return render(request, "agents/approval.html", {**inbox.approval(user, approval_id), "decided": "decided" in request.GET})


def _decided(request: HttpRequest, user: User, found: Approval) -> HttpResponse:
    decision = request.POST.get("decision", "")
    if decision == Verdict.REFUSE:
        decide(owner=user, approval_id=found.pk, verdict=Verdict.REFUSE, note=request.POST.get("note", "").strip(), by=user)
        return _answered(request, found, "The call is refused.")
    if decision != Verdict.APPROVE and not inbox.is_open(found):
        return redirect("approvals:detail", found.pk)
    form = inbox.form_of(found, request.POST) if "edits" in request.POST and inbox.is_open(found) else None
    if form is not None and not form.is_valid():
        return _again(request, user, found, form)
    try:
        if decision != Verdict.APPROVE:
            check_edited(found, found.arguments or {} if form is None else form.edited())
            return _again(request, user, found, form, checked=True)
        edited = form.edited() if form is not None and form.was_touched else None
        decide(owner=user, approval_id=found.pk, verdict=Verdict.APPROVE, arguments=edited, remember_seconds=_remembered(request), by=user)
    except InvalidInput as error:
        if form is None:
            raise
        form.add_problems(error.fields)
        return _again(request, user, found, form, problem="" if error.fields else error.message)
    return _answered(request, found, "The call is approved.")


def _remembered(request: HttpRequest) -> int | None:
    chosen = request.POST.get("remember", "")
    if chosen not in dict(inbox.REMEMBER):
        raise InvalidInput("Choose from the list for how long its calls are allowed.")
    return int(chosen) if chosen else None


def _again(request: HttpRequest, user: User, found: Approval, form: ArgumentsForm | None, **told: Any) -> HttpResponse:
    """The page with what was typed, nothing decided."""
    context = {**inbox.approval(user, found.pk), "remembered": request.POST.get("remember", ""), **told}
    if form is not None:
        context["form"] = form
    return render(request, "agents/approval.html", context, status=200 if told.get("checked") else 422)


def _answered(request: HttpRequest, found: Approval, told: str) -> HttpResponse:
    """From the inbox one stays there, which hears of it by itself; from its own page one sees what became of it."""
    if request.headers.get("HX-Request"):
        return render(request, "components/toast.html", {"level": "success", "message": told, "oob": True})
    return redirect(f"{reverse('approvals:detail', args=(found.pk,))}?decided")
