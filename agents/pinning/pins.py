"""Pins: by the digest of its definition, a tool under a grant is the one that was approved, or it is held back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent
from agents.models import Grant, GrantedTool
from agents.pinning.inspection import holds, inspect
from mcp_registry.models import McpServer, Tool

AT_ONCE = 1000
NAMES_TOLD = 20
MOST_TOLD = 20
"""Records of one kind for one grant in an hour: a server that changes its tools all the time must not fill the audit, which is kept."""


@dataclass(frozen=True)
class _Seen:
    """What a server offers now: digests by name, those that are other than they were before, and the definitions that are needed."""

    digests: Mapping[str, str]
    news: Collection[str]
    definitions: Mapping[str, dict[str, Any]]


def pin_grant(grant: Grant) -> None:
    """Pin what the grant gives as it is defined now, but for what it had before; within the caller's transaction."""
    known = set(grant.granted_tools.values_list("name", flat=True))
    tools = grant.server.tools.all() if grant.tools is None else grant.server.tools.filter(name__in=grant.tools)
    missing = (tool for tool in tools.iterator(chunk_size=AT_ONCE) if tool.name not in known)
    _create(_pinned(grant, tool.name, tool.digest, tool.definition) for tool in missing)


def sync_pins(server: McpServer, before: Mapping[str, str] | None = None) -> None:
    """The server's tools were stored anew: judge them for each of its grants, within the caller's transaction.

    ``before`` are the digests by name that it had until now (None: not known): only what is other than that is told of. A new tool of a
    grant for all is pinned on sight, unless something about it is suspicious; a changed one as the grant says.
    """
    grants = list(server.grants.select_for_update(of=("self",), no_key=True).select_related("agent").order_by("pk"))
    if not grants:
        return
    digests = dict(server.tools.values_list("name", "digest"))
    news = {name for name, digest in digests.items() if before is None or before.get(name) != digest}
    pins = {grant.pk: {tool.name: tool for tool in grant.granted_tools.defer("definition")} for grant in grants}
    needed = {name for grant in grants for name in digests if _needs_definition(pins[grant.pk].get(name), digests[name])}
    definitions = dict(server.tools.filter(name__in=needed).values_list("name", "definition")) if needed else {}
    seen = _Seen(digests, news, definitions)
    for grant in grants:
        grant.server = server
        _sync(grant, pins[grant.pk], seen)


def target_of(grant: Grant) -> audit.Target:
    """As the audit names it."""
    return audit.Target("grant", str(grant.pk), f"{grant.agent.name}: {grant.server.name}")


def _needs_definition(pin: GrantedTool | None, digest: str) -> bool:
    return pin is None or pin.digest != digest


def _sync(grant: Grant, pins: Mapping[str, GrantedTool], seen: _Seen) -> None:
    chosen = seen.digests if grant.tools is None else [name for name in grant.tools if name in seen.digests]
    unknown = [name for name in chosen if name not in pins]
    changed = [name for name in chosen if name in pins and pins[name].digest not in ("", seen.digests[name])]
    elsewhere = names_elsewhere(grant) if unknown else frozenset()
    suspicious = {name for name in unknown if holds(inspect(seen.definitions[name], elsewhere, seen.digests.keys()))}
    _create(
        GrantedTool(grant=grant, name=name) if name in suspicious else _pinned(grant, name, seen.digests[name], seen.definitions[name])
        for name in unknown
    )
    accepted: list[str] = []
    if grant.on_change == Grant.OnChange.ACCEPT:
        accepted = [name for name in changed if pins[name].refused_digest != seen.digests[name]]
        _accept([pins[name] for name in accepted], seen)
    held = [name for name in changed if name not in accepted and name in seen.news]
    _tell(grant, "grant.tools_accepted", accepted, "Changed by the server, and accepted as the grant says")
    _tell(grant, "grant.tools_held", held, "Changed by the server, and held back")
    _tell(grant, "grant.tools_held", sorted(suspicious), "New and suspicious, and held back")


def _accept(pins: Collection[GrantedTool], seen: _Seen) -> None:
    for pin in pins:
        pin.digest, pin.definition = seen.digests[pin.name], seen.definitions[pin.name]
        pin.approved_at, pin.approved_by = timezone.now(), None
    GrantedTool.objects.bulk_update(pins, ("digest", "definition", "approved_at", "approved_by"), batch_size=AT_ONCE)


def names_elsewhere(grant: Grant) -> frozenset[str]:
    """The names of tools that other servers of the agent offer."""
    others = Q(server__grants__agent=grant.agent_id) & ~Q(server=grant.server_id)
    return frozenset(Tool.objects.filter(others).order_by().values_list("name", flat=True))


def _pinned(grant: Grant, name: str, digest: str, definition: dict[str, Any]) -> GrantedTool:
    return GrantedTool(grant=grant, name=name, digest=digest, definition=definition, approved_at=timezone.now())


def _create(rows: Iterable[GrantedTool]) -> None:
    GrantedTool.objects.bulk_create(rows, batch_size=AT_ONCE)


def _tell(grant: Grant, action: str, names: Collection[str], sentence: str) -> None:
    if names and _may_tell(grant, action):
        shown = ", ".join(f"“{name[:60]}”" for name in list(names)[:NAMES_TOLD])
        more = f" and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else ""
        audit.record(action=action, target=target_of(grant), owner=grant.agent.owner_id, summary=f"{sentence}: {shown}{more}")


def _may_tell(grant: Grant, action: str) -> bool:
    lately = timezone.now() - timedelta(hours=1)
    return AuditEvent.objects.filter(target_id=str(grant.pk), action=action, at__gt=lately).count() < MOST_TOLD
