"""What a person says of a definition that is held back."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound
from agents.models import Grant, GrantedTool
from agents.pinning.pins import target_of
from agents.services.locks import locked_grant
from agents.toolsets.touch import touch
from mcp_registry.models import Tool


@transaction.atomic
def approve_change(*, owner: User, grant_id: UUID | str, name: str, digest: str, by: User | None = None) -> GrantedTool:
    """Let a tool count as it is defined now. ``digest`` is that of the definition that the person saw.

    Raises `NotFound` for another's grant or a tool that is not offered, and `Conflict` where its definition is another by now.
    """
    grant, tool, pin = _seen(owner, grant_id, name, digest)
    pin.digest, pin.definition, pin.refused_digest = tool.digest, tool.definition, ""
    pin.approved_at, pin.approved_by = timezone.now(), by or owner
    pin.save()
    audit.record(action="grant.tool_approved", target=target_of(grant), owner=owner, summary=f"Tool “{name}”, definition {digest[:12]}")
    touch(agent_ids=[grant.agent_id])
    return pin


@transaction.atomic
def refuse_change(*, owner: User, grant_id: UUID | str, name: str, digest: str) -> GrantedTool:
    """Keep a tool held back as it is defined now; it comes back by itself as soon as its server offers what was approved.

    Raises as `approve_change` does.
    """
    grant, _, pin = _seen(owner, grant_id, name, digest)
    if pin.digest == digest:
        raise Conflict(f"“{name}” is not held back: this is what was approved.", code="not_held")
    pin.refused_digest = digest
    pin.save()
    audit.record(action="grant.tool_refused", target=target_of(grant), owner=owner, summary=f"Tool “{name}”, definition {digest[:12]}")
    touch(agent_ids=[grant.agent_id])
    return pin


def _seen(owner: User, grant_id: UUID | str, name: str, digest: str) -> tuple[Grant, Tool, GrantedTool]:
    """The rows, held by the caller's transaction."""
    grant = locked_grant(owner, grant_id)
    tool = grant.server.tools.filter(name=name).first()
    if tool is None or (grant.tools is not None and name not in grant.tools):
        raise NotFound(f"“{grant.server.name}” does not offer a tool “{name}” under this grant.", code="tool_not_found")
    if tool.digest != digest:
        raise Conflict(f"“{name}” was changed again since you looked. Look at what it is now.", code="changed_meanwhile")
    return grant, tool, grant.granted_tools.filter(name=name).first() or GrantedTool(grant=grant, name=name)
