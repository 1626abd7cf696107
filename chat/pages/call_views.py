"""What one sees of a tool call, and does with it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from agents import approvals
from agents.models import Approval
from agents.receipts import MASK
from agents.receipts_pages import inbox
from agents.receipts_pages.editing import ArgumentsForm
from agents.selectors import tool_calls_for
from chat.models import Step
from chat.pages.results import shown_result
from chat.pages.views import sent
from chat.selectors import step_for
from chat.services.messages import retry_step
from mcp_registry.models import Tool

REFUSED = 422


@never_cache
@require_GET
def call(request: HttpRequest, step_id: UUID) -> HttpResponse:
    """What it was given and brought."""
    user = user_of(request)
    step = step_for(user, step_id)
    receipt = tool_calls_for(user).filter(pk=step.receipt_id).first() if step.receipt_id else None
    took = (step.ended_at - step.started_at).total_seconds() * 1000 if step.started_at and step.ended_at else None
    context = {"step": step, "result": shown_result(step.result), "has_result": step.result is not None, "receipt": receipt}
    return render(request, "chat/step.html", {**context, "milliseconds": took})


@never_cache
@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, step_id: UUID) -> HttpResponse:
    """Approve or refuse it. A GET is the form in which its arguments are changed first."""
    user = user_of(request)
    step = step_for(user, step_id)
    if step.approval_id is None:
        raise NotFound("This call waits for nobody.", code="approval_not_found")
    approval = inbox.approval_for(user, step.approval_id)
    if request.method == "GET":
        if not inbox.is_open(approval):
            raise Conflict("This call waits no longer.", code="approval_decided")
        return _approve_form(request, step, approval, _arguments_form(approval))
    if request.POST.get("decision") != approvals.Verdict.APPROVE:
        approvals.decide(
            owner=user, approval_id=approval.pk, verdict=approvals.Verdict.REFUSE, note=request.POST.get("note", "").strip(), by=user
        )
        return sent(request, step.run.conversation_id)
    return _approve(request, user, step, approval)


def _approve(request: HttpRequest, user: User, step: Step, approval: Approval) -> HttpResponse:
    form = _arguments_form(approval, request.POST) if "edits" in request.POST and inbox.is_open(approval) else None
    if form is not None and not form.is_valid():
        return _approve_form(request, step, approval, form)
    edited = form.edited() if form is not None and form.was_touched else None
    try:
        approvals.decide(
            owner=user, approval_id=approval.pk, verdict=approvals.Verdict.APPROVE, arguments=edited,
            remember_seconds=_remembered(request), by=user,
        )  # fmt: skip
    except InvalidInput as error:
        if form is None:
            raise
        form.add_problems(error.fields)
        return _approve_form(request, step, approval, form, "" if error.fields else error.message)
    return sent(request, step.run.conversation_id)


def _remembered(request: HttpRequest) -> int | None:
    chosen = request.POST.get("remember", "")
    if chosen not in dict(inbox.REMEMBER):
        raise InvalidInput("Choose from the list for how long its calls are allowed.")
    return int(chosen) if chosen else None


def _arguments_form(approval: Approval, data: Any = None) -> ArgumentsForm:
    form = inbox.form_of(approval, data)
    form.prefix = f"approve-{approval.pk}"  # several calls of one page may wait
    return form


def _approve_form(request: HttpRequest, step: Step, approval: Approval, form: ArgumentsForm, problem: str = "") -> HttpResponse:
    remember = inbox.REMEMBER if approval.agent_id else inbox.REMEMBER[:1]
    context = {"step": step, "approval": approval, "form": form, "problem": problem, "remember": remember}
    context["remembered"] = request.POST.get("remember", "")
    return render(request, "chat/approve_form.html", context, status=REFUSED if request.method == "POST" else 200)


@never_cache
@require_http_methods(["GET", "POST"])
def retry(request: HttpRequest, step_id: UUID) -> HttpResponse:
    """The arguments of a call that did not succeed, as a form; a POST makes it with them, and goes on from there."""
    user = user_of(request)
    step = step_for(user, step_id)
    form = _retry_form(step, request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"step": step, "form": form}
    if request.method == "GET":
        return render(request, "chat/retry_form.html", context)
    if form.is_valid():
        arguments = form.edited()
        try:
            if MASK in json.dumps(arguments, ensure_ascii=False):
                raise InvalidInput(f"Where {MASK} stands is a secret, which is not kept here: write it out.")
            retry_step(user=user, step_id=step.pk, arguments=arguments)
        except InvalidInput as error:
            form.add_problems(error.fields)
            context["problem"] = "" if error.fields else error.message
        else:
            return sent(request, step.run.conversation_id)
    return render(request, "chat/retry_form.html", context, status=REFUSED)


def _retry_form(step: Step, data: Any = None) -> ArgumentsForm:
    tool = Tool.objects.filter(server=step.server_id, name=step.tool_name).first() if step.server_id else None
    arguments = step.arguments if isinstance(step.arguments, dict) else {}
    schema = tool.input_schema if tool is not None else {}
    return ArgumentsForm(data, schema=schema, arguments=arguments, secrets=(), prefix=f"retry-{step.pk}")
