"""Pages of conversations: parse the request, call one service or some selectors, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from accounts.requests import user_of
from agentopia.lib.errors import InvalidInput, NotFound
from agents.models import Agent
from agents.selectors import agent_for, agents_for
from chat.models import Attachment, Conversation, Step
from chat.pages import showing
from chat.pages.attaching import attached
from chat.pages.gathering import newest_turns, past_turns
from chat.pages.lists import ListQuery, conversation_list
from chat.selectors import conversation_for, conversations_for, said_in
from chat.services.conversations import change_conversation, create_conversation, delete_conversation
from chat.services.messages import send_message
from chat.templatetags.chat import models_url

SENT = 204
LONGEST_NUMBER = 9


@never_cache
@require_GET
def conversations(request: HttpRequest) -> HttpResponse:
    """The user's conversations, and where one begins another. HTMX asks for the rows alone, while one searches and for more of them."""
    user = user_of(request)
    context = conversation_list(user, ListQuery.parse(request.GET))
    if request.headers.get("HX-Request"):
        asked = context["list_query"].search or context["list_query"].page > 1
        return render(request, "chat/chats_rows.html", context) if asked else HttpResponse("")
    return render(request, "chat/start.html", {**context, **_beginning(user, ""), "is_new": False})


@never_cache
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A conversation that is begun with its first message; HTMX asks whether the chosen agent has a model."""
    user = user_of(request)
    if request.method == "POST":
        return _go_to(request, _begun(request, user))
    context = _beginning(user, request.GET.get("agent", ""))
    if request.headers.get("HX-Target") == "trouble":
        return render(request, "chat/trouble.html", context)
    return render(request, "chat/start.html", {**conversation_list(user), **context, "is_new": True})


def _begun(request: HttpRequest, user: User) -> Conversation:
    """Neither is made without the other: what cannot be sent begins nothing."""
    agent = agent_for(user, request.POST.get("agent", ""))
    given = attached(user, request, agent)  # servers are asked for resources: not while anything is locked
    with transaction.atomic():
        begun = create_conversation(user=user, agent_id=agent.pk)
        send_message(user=user, conversation_id=begun.pk, text=said(request), attachments=given)
    return begun


def _go_to(request: HttpRequest, begun: Conversation) -> HttpResponse:
    at = reverse("chat:conversation", args=(begun.pk,))
    return HttpResponse(status=SENT, headers={"HX-Redirect": at}) if request.headers.get("HX-Request") else redirect(at)


def _beginning(user: User, wanted: str) -> dict[str, Any]:
    """The agents to choose from, and one of them: the one that is wanted, else the one of the last conversation."""
    agents = list(agents_for(user).order_by("name"))
    if not agents:
        return {"agents": [], "agent": None}
    agent: Agent | None = agent_for(user, wanted) if wanted else None
    if agent is None:
        last = conversations_for(user).exclude(agent=None).order_by("-updated_at").values_list("agent", flat=True).first()
        agent = next((one for one in agents if one.pk == last), agents[0])
    return {"agents": agents, "agent": agent, "models_at": models_url(), **showing.readiness_of(agent)}


@never_cache
@require_http_methods(["GET", "POST"])
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """A conversation; a POST says something in it. HTMX asks for earlier turns: those ``before`` a number. With ``version``, a message that
    another took the place of, it is what the conversation was then.
    """
    user = user_of(request)
    found = conversation_for(user, conversation_id)
    if request.method == "POST":
        send_message(user=user, conversation_id=found.pk, text=said(request), attachments=attached(user, request, found.agent))
        return sent(request, found.pk)
    before, version = _number(request.GET.get("before", "")) or None, _id(request.GET.get("version", ""))
    if before and request.headers.get("HX-Request"):
        shown = past_turns(found, version, before) if version else newest_turns(found, before)
        context = {"conversation": found, "turns": shown.turns, "has_earlier": shown.has_earlier, "version": version}
        return render(request, "chat/earlier.html", context)
    beside = {**conversation_list(user, current=found.pk), "models_at": models_url()}
    if version:
        return render(request, "chat/past.html", {**showing.past_of(found, version, before), **beside})
    return render(request, "chat/conversation.html", {**showing.page_of(found, before), **beside})


def said(request: HttpRequest) -> str:
    """What was written, with ends of lines as everywhere but in forms."""
    return request.POST.get("text", "").replace("\r\n", "\n")


def sent(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """What was done shows by itself on a page that is live."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=SENT)
    return redirect("chat:conversation", conversation_id)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else 0


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise NotFound("There is no such message in this conversation.", code="run_not_found") from None


@never_cache
@require_http_methods(["GET", "POST"])
def manage(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Rename, pin, export or delete a conversation."""
    user = user_of(request)
    found = conversation_for(user, conversation_id)
    if request.method == "POST":
        return _managed(request, user, found)
    runs = said_in(found)
    counts = {
        "runs": runs.count(),
        "files": Attachment.objects.filter(run__in=runs).count(),
        "steps": Step.objects.filter(run__conversation=found).count(),
        "running": showing.unfinished_of(found) is not None,
    }
    back = _back(request, request.headers.get("HX-Current-URL", ""), found)
    export = reverse("chat_api:conversation-export", args=(found.pk,))
    context = {"conversation": found, "counts": counts, "export": export, "next": back, "in_dialog": "HX-Request" in request.headers}
    return render(request, "chat/manage.html" + ("#panel" if context["in_dialog"] else ""), context)


def _managed(request: HttpRequest, user: User, found: Conversation) -> HttpResponse:
    doing = request.POST.get("do", "")
    back = _back(request, request.POST.get("next", ""), found)
    match doing:
        case "rename":
            change_conversation(user=user, conversation_id=found.pk, title=request.POST.get("title", ""))
        case "pin" | "unpin":
            change_conversation(user=user, conversation_id=found.pk, pinned=doing == "pin")
        case "delete":
            delete_conversation(user=user, conversation_id=found.pk)
            messages.success(request, f"“{found}” is deleted.")
            return redirect("chat:list" if str(found.pk) in back else back)
        case _:
            raise InvalidInput("Choose what is to be done with it.")
    return redirect(back)


def _back(request: HttpRequest, wanted: str, found: Conversation) -> str:
    """Where one came from: a page of the chat."""
    path = wanted.removeprefix(request.build_absolute_uri("/").rstrip("/"))
    is_ours = url_has_allowed_host_and_scheme(path, allowed_hosts=None) and path.startswith(reverse("chat:list"))
    return path if is_ours and "/manage/" not in path else reverse("chat:conversation", args=(found.pk,))
