"""Grants: what an agent may do with a server, until when, and by which rules for each tool."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from agents.models import Grant, GrantedTool
from agents.pinning.pins import pin_grant, target_of
from agents.pinning.rules import checked_rules
from agents.selectors import agent_for
from agents.services.fields import change
from agents.services.locks import locked_agent, locked_grant, locked_server
from agents.toolsets.touch import touch
from mcp_registry.models import McpServer
from mcp_registry.selectors import server_for

MOST_CHOSEN = 10_000
RULES = ("approval", "argument_rules", "pinned")


class GrantFields(TypedDict, total=False):
    """What a user says of a grant. ``tools`` are names; None: all of the server, with its resources and prompts."""

    tools: list[str] | None
    approval: str
    on_change: str
    expires_at: datetime | None
    calls_per_minute: int | None
    calls_per_day: int | None
    cpu_seconds_per_day: int | None


class RuleFields(TypedDict, total=False):
    """Rules of one tool: ``approval`` empty is as the grant says; ``argument_rules`` is a JSON Schema of an object, or None."""

    approval: str
    argument_rules: Mapping[str, Any] | None
    pinned: bool


FIELDS = tuple(GrantFields.__annotations__)


@transaction.atomic
def grant(*, owner: User, agent_id: UUID | str, server_id: UUID | str, **fields: Unpack[GrantFields]) -> Grant:
    """Connect a server to an agent. Its tools as they are defined now are those that count, from the next call on.

    Raises `NotFound` for an agent or a server that is not the owner's, `InvalidInput`, and `Conflict` where they are connected already.
    """
    agent, server = agent_for(owner, agent_id), server_for(owner, server_id)
    server = locked_server(server.pk)
    agent = locked_agent(agent.pk)
    if server.desired == McpServer.Desired.ABSENT:
        raise Conflict(f"“{server.name}” is being deleted.", code="server_deleting")
    made = Grant(agent=agent, server=server)
    change(made, {**fields, "tools": _checked_names(server, fields.get("tools"), ())}, FIELDS)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"“{agent.name}” is connected to “{server.name}” already.", code="already_granted") from None
    pin_grant(made)
    told = "All its tools" if made.tools is None else f"{len(made.tools)} of its tools"
    audit.record(action="grant.made", target=target_of(made), owner=owner, summary=f"{told}, approval: {made.approval}")
    touch(agent_ids=[agent.pk])
    return made


@transaction.atomic
def change_grant(*, owner: User, grant_id: UUID | str, **fields: Unpack[GrantFields]) -> Grant:
    """Change what is given. Raises `NotFound` and `InvalidInput`; nothing is changed then.

    Tools that were not under the grant before are pinned as they are defined now.
    """
    row = locked_grant(owner, grant_id)
    values: dict[str, Any] = dict(fields)
    if "tools" in values:
        values["tools"] = _checked_names(row.server, values["tools"], row.tools or ())
    if values.get("expires_at") is not None and values["expires_at"] == row.expires_at:
        del values["expires_at"]  # an end that has come since is not set again by who changes something else
    changes = change(row, values, FIELDS)
    if changes:
        row.save(update_fields=(*changes, "updated_at"))
        if "tools" in changes:
            pin_grant(row)
        audit.record(action="grant.changed", target=target_of(row), owner=owner, changes=changes)
        touch(agent_ids=[row.agent_id])
    return row


@transaction.atomic
def revoke_grant(*, owner: User, grant_id: UUID | str) -> None:
    """Take it back, with its rules and pins: the next call is refused. Raises `NotFound`."""
    row = locked_grant(owner, grant_id)
    audit.record(action="grant.revoked", target=target_of(row), owner=owner)
    row.delete()  # the agent is touched by that (`agents.toolsets.hooks`)


@transaction.atomic
def set_tool_rules(*, owner: User, grant_id: UUID | str, name: str, **rules: Unpack[RuleFields]) -> GrantedTool:
    """Set rules of one tool. Raises `NotFound` where the grant has no such tool, and `InvalidInput`."""
    row = locked_grant(owner, grant_id)
    if row.tools is not None and name not in row.tools:
        raise NotFound(f"The tool “{name}” is not under this grant.", code="tool_not_found")
    granted = row.granted_tools.filter(name=name).first()
    tool = row.server.tools.filter(name=name).first()
    if granted is None and tool is None:
        raise NotFound(f"“{row.server.name}” has no tool “{name}”.", code="tool_not_found")
    values: dict[str, Any] = dict(rules)
    if "argument_rules" in values:
        values["argument_rules"] = checked_rules(values["argument_rules"], tool.input_schema if tool else None)
    granted = granted or GrantedTool(grant=row, name=name)
    changes = change(granted, values, RULES)
    if changes or granted.pk is None:
        granted.save()
        told = {f"{name}: {field}": pair for field, pair in changes.items()}
        audit.record(action="grant.rules_changed", target=target_of(row), owner=owner, summary=f"Tool “{name}”", changes=told)
        touch(agent_ids=[row.agent_id])
    return granted


def _checked_names(server: McpServer, names: object, kept: object) -> list[str] | None:
    """Names of tools that the server offers, or that the grant had already, each once and in the order given."""
    if names is None:
        return None
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("Tools are a list of names, or all.", fields={"tools": "Not a list of names."})
    if not names:
        raise InvalidInput("Choose at least one tool, or all.", fields={"tools": "Choose at least one tool."})
    if len(names) > MOST_CHOSEN:
        raise InvalidInput(f"At most {MOST_CHOSEN} tools can be chosen.", fields={"tools": "Too many."})
    known = {*server.tools.values_list("name", flat=True), *(kept if isinstance(kept, list) else ())}
    if missing := [name for name in names if name not in known]:
        problem = f"“{server.name}” has no tool “{missing[0][:100]}”."
        raise InvalidInput(problem, fields={"tools": problem})
    return list(dict.fromkeys(names))
