"""What the inbox of approvals and the page of each show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import NotFound
from agents.models import Approval, GrantedTool, ToolCall
from agents.receipts import Masker
from agents.receipts_pages.editing import ArgumentsForm
from mcp_registry.models import McpServer, Tool

MOST_WAITING = 100
PAST_DECISIONS = 10
PAST_CALLS = 5
LOOKED_THROUGH = 1000
"""Among how many of a server's newest calls those of one tool are looked for."""
PAST_DAYS = 30
SHORT = 300
"""So many characters of arguments can be judged in a line of the list."""
REMEMBER = (
    ("", "This call only"),
    ("900", "Its calls for 15 minutes"),
    ("3600", "Its calls for an hour"),
    ("28800", "Its calls for 8 hours"),
)
"""For how long calls of the tool need nobody after an approval: seconds."""


@dataclass(frozen=True)
class Waiting:
    """A call in the inbox. ``arguments`` are their JSON, cut where ``is_long``."""

    approval: Approval
    arguments: str
    is_long: bool


@dataclass(frozen=True)
class Hint:
    """What a tool says of itself, in words."""

    icon: str
    tone: str
    text: str


def approvals_for(user: User) -> QuerySet[Approval]:
    """The user's approvals, newest first."""
    return Approval.objects.filter(owner=user).select_related("call", "decided_by")


def waiting_for(user: User) -> QuerySet[Approval]:
    """Those that can be decided now, the oldest first."""
    return approvals_for(user).filter(status=Approval.Status.WAITING, expires_at__gt=timezone.now()).order_by("created_at")


def waiting_count(user: User) -> int:
    """How many calls wait for this user."""
    return Approval.objects.filter(owner=user, status=Approval.Status.WAITING, expires_at__gt=timezone.now()).count()


def approval_for(user: User, approval_id: UUID) -> Approval:
    """One of them. Raises `NotFound` where it is not the user's."""
    found = approvals_for(user).filter(pk=approval_id).first()
    if found is None:
        raise NotFound("There is no such approval; its call's receipt may have been deleted for its age.", code="approval_not_found")
    return found


def inbox(user: User) -> dict[str, Any]:
    """What waits, and what was decided last."""
    found = list(waiting_for(user)[:MOST_WAITING])
    definitions, secrets = _definitions_of([one.call for one in found]), _secrets_of([one.call for one in found])
    waiting = [_waiting(one, definitions.get(one.call_id, {}), secrets.get(one.call.server_id, ())) for one in found]
    past = approvals_for(user).exclude(pk__in=[one.approval.pk for one in waiting]).defer("arguments")[:PAST_DECISIONS]
    return {"waiting": waiting, "count": waiting_count(user), "past": past}


def _waiting(approval: Approval, definition: dict[str, Any], secrets: tuple[str, ...]) -> Waiting:
    text = Masker(secrets).arguments(approval.arguments or {}, _schema_in(definition), whole=True)
    return Waiting(approval, text[:SHORT], len(text) > SHORT)


def approval(user: User, approval_id: UUID) -> dict[str, Any]:
    """One call that waits, or waited: everything that its owner needs to decide."""
    found = approval_for(user, approval_id)
    definition = _definitions_of([found.call]).get(found.call_id, {})
    return {
        **_state(user, found),
        "definition": definition,
        "hints": hints_of(definition.get("annotations")),
        "form": form_of(found, definition=definition) if is_open(found) else None,
        "remember": REMEMBER if found.agent_id else REMEMBER[:1],
        **_past_of(user, found.call),
    }


def progress(user: User, approval_id: UUID) -> dict[str, Any]:
    """What of that page changes while it is open."""
    return _state(user, approval_for(user, approval_id))


def _state(user: User, found: Approval) -> dict[str, Any]:
    following = waiting_for(user).exclude(pk=found.pk).defer("arguments").first()
    return {"approval": found, "call": found.call, "is_open": is_open(found), "following": following, "waits": waiting_count(user)}


def is_open(approval: Approval) -> bool:
    """Whether it can be decided now."""
    return approval.status == Approval.Status.WAITING and approval.expires_at > timezone.now()


def form_of(approval: Approval, data: Any = None, definition: dict[str, Any] | None = None) -> ArgumentsForm:
    """The arguments to edit."""
    call = approval.call
    if definition is None:
        definition = _definitions_of([call]).get(call.pk, {})
    return ArgumentsForm(
        data,
        schema=_schema_in(definition),
        arguments=approval.arguments if isinstance(approval.arguments, dict) else {},
        secrets=_secrets_of([call]).get(call.server_id, ()),
    )


def _schema_in(definition: dict[str, Any]) -> dict[str, Any]:
    schema = definition.get("inputSchema")
    return schema if isinstance(schema, dict) else {}


def _definitions_of(calls: Sequence[ToolCall]) -> dict[UUID, dict[str, Any]]:
    """By a call's id, its tool as it was defined for it; none where nobody has that definition any more. Two queries at most."""
    wanted = {(call.server_id, call.tool_name, call.definition_digest) for call in calls if call.server_id}
    known: dict[tuple[Any, str, str], Any] = {}
    for model, server in ((GrantedTool, "grant__server"), (Tool, "server")):
        if missing := wanted - known.keys():
            named = {f"{server}__in": {one[0] for one in missing}, "name__in": {one[1] for one in missing}}
            rows = model.objects.filter(**named, digest__in={one[2] for one in missing})
            known |= {tuple(key): definition for *key, definition in rows.values_list(server, "name", "digest", "definition")}
    found = {call.pk: known.get((call.server_id, call.tool_name, call.definition_digest)) for call in calls}
    return {pk: definition for pk, definition in found.items() if isinstance(definition, dict)}


def _secrets_of(calls: Sequence[ToolCall]) -> dict[UUID | None, tuple[str, ...]]:
    """By a server's id, what must not be shown of the arguments of its calls."""
    rows = McpServer.objects.filter(pk__in={call.server_id for call in calls if call.server_id}).values_list("pk", "secrets")
    return {pk: tuple(secrets.values()) for pk, secrets in rows}


def hints_of(annotations: Any) -> list[Hint]:
    """MCP's annotations in words, with the defaults of the specification (2025-11-25, "ToolAnnotations") where it says nothing."""
    told = annotations if isinstance(annotations, dict) else {}
    if told.get("readOnlyHint") is True:
        hints = [Hint("eye", "success", "It says that it changes nothing.")]
    elif told.get("destructiveHint") is False:
        hints = [Hint("plus", "", "It says that it only adds, and destroys nothing.")]
    else:
        says = (
            "It says that it may destroy or overwrite."
            if told.get("destructiveHint") is True
            else "It may destroy or overwrite: it does not say otherwise."
        )
        hints = [Hint("triangle-alert", "warning", says)]
    if told.get("readOnlyHint") is not True and told.get("idempotentHint") is True:
        hints.append(Hint("refresh-cw", "", "It says that calling it again with the same arguments changes nothing more."))
    if told.get("openWorldHint") is False:
        hints.append(Hint("lock", "", "It says that it stays within its own data."))
    else:
        hints.append(Hint("globe", "", "It may reach the outside world."))
    return hints


def _past_of(user: User, call: ToolCall) -> dict[str, Any]:
    """What earlier calls of the tool brought."""
    newest = ToolCall.objects.filter(user=user, server_id=call.server_id, server_name=call.server_name).exclude(pk=call.pk)
    newest = newest.filter(created_at__gte=timezone.now() - timedelta(days=PAST_DAYS)).exclude(status=ToolCall.Status.WAITING)
    looked = newest.order_by("-created_at").values("pk")[:LOOKED_THROUGH]
    calls = ToolCall.objects.filter(pk__in=looked, tool_name=call.tool_name).order_by("-created_at")
    status = ToolCall.Status
    counts = calls.order_by().aggregate(
        made=Count("pk", filter=Q(status__in=(status.SUCCEEDED, status.TOOL_ERROR, status.FAILED))),
        wrong=Count("pk", filter=Q(status__in=(status.TOOL_ERROR, status.FAILED))),
        refused=Count("pk", filter=Q(status=status.REFUSED)),
    )
    return {"past_calls": calls[:PAST_CALLS], "past_counts": counts, "past_days": PAST_DAYS}


def said_of(result: Any) -> str:
    """The beginning of what a call answered, in one line."""
    content = result.get("content") if isinstance(result, dict) else None
    texts = [str(item.get("text", "")) for item in content if isinstance(item, dict)] if isinstance(content, list) else []
    text = " ".join(" ".join(texts).split()) or (json.dumps(result, ensure_ascii=False) if result else "")
    return text[:SHORT]
