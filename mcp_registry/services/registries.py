"""Registries whose servers are taken into the catalogue, and the rounds in which that is done.

A round is work that is a row (`agentopia.lib.leases`): two workers never do one, and where one was killed another goes on at the cursor.
What was taken before stays, whatever a registry does: a round that fails ends early and is tried again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from agentopia.lib import leases
from agentopia.lib.errors import AgentopiaError, InvalidInput
from mcp_registry.importing.fetching import Refusal
from mcp_registry.importing.rounds import Page, checked_base, read_page
from mcp_registry.models import Registry
from mcp_registry.services.registry_pages import take_page

logger = logging.getLogger(__name__)

TASK = "mcp_registry.sync_registry"
LEASE = timedelta(seconds=180)
"""Longer than a page takes, with all its tries."""
TURN_SECONDS = 120.0
"""After so long another task has its turn with the worker; the round goes on a moment later."""
PAUSES = (60, 120, 300, 900, 1800, 3600)
SAID = ("name", "url", "enabled", "interval_minutes")
"""What an admin says of a registry; all else is the record of its rounds."""
MAX_PAGES = 1000
MAX_REASONS = 5
OVERLAP = timedelta(hours=1)
"""So much of what was read already is read again: the registry's clock is not ours."""
CURSOR_FAILURES = 3
"""After so many failures at a cursor the round begins anew."""


class Lost(Exception):
    """Another worker has the round now, or nobody is to have it."""


def save_registry(registry: Registry) -> Registry:
    """Add a registry or change its name, address, interval or whether it is asked; raises `InvalidInput` for its address."""
    registry.url = checked_base(registry.url)
    with transaction.atomic():
        before: dict[str, Any] | None = dict(Registry.objects.filter(pk=registry.pk).values(*SAID).first() or {}) or None
        if before is None:
            registry.save()
        else:  # the rest belongs to whoever reads it now
            registry.save(update_fields=SAID)
            if before["url"] != registry.url:
                _start_anew(registry)
        after = {name: getattr(registry, name) for name in SAID}
        changes = {name: [before[name], value] for name, value in after.items() if before[name] != value} if before else {}
        if changes or before is None:
            action = "registry.changed" if before else "registry.added"
            audit.record(action=action, target=registry, owner=None, summary=registry.url, changes=changes)
        if before is None and registry.enabled:
            transaction.on_commit(lambda: leases.hand_over(TASK, registry.pk))
    return registry


@transaction.atomic
def enable(registries: Iterable[Registry], *, enabled: bool) -> int:
    """Ask them, or do so no more. Entries that came from them stay. Returns how many this changed."""
    changed = 0
    for registry in registries:
        if Registry.objects.filter(pk=registry.pk).exclude(enabled=enabled).update(enabled=enabled, not_before=timezone.now()):
            audit.record(action="registry.changed", target=registry, owner=None, changes={"enabled": [not enabled, enabled]})
            changed += 1
    return changed


@transaction.atomic
def sync_now(registries: Iterable[Registry]) -> int:
    """Ask them at once, instead of when their time has come; those that are not asked at all are left out."""
    wanted = [registry for registry in registries if registry.enabled]
    leases.hasten(Registry.objects.filter(pk__in=[registry.pk for registry in wanted]))
    for registry in wanted:
        audit.record(action="registry.asked", target=registry, owner=None)
        transaction.on_commit(lambda key=registry.pk: leases.hand_over(TASK, key))  # type: ignore[misc]
    return len(wanted)


def due_registries(now: datetime) -> list[UUID]:
    """Those whose next round, or the rest of one, has to be done."""
    return list(Registry.objects.filter(leases.due(now), enabled=True).values_list("pk", flat=True))


def sync(*, registry_id: UUID) -> None:
    """Get on with a registry's round, if nobody else does."""
    work = Registry.objects.filter(pk=registry_id, enabled=True)
    if not leases.claim(work, LEASE):
        return
    registry = Registry.objects.get(pk=registry_id)
    try:
        _begin(registry)
        _turn(registry)
    except Lost:
        logger.info("the round of %s is somebody else's now", registry)
    except AgentopiaError as error:
        _fail(registry, error)


def _begin(registry: Registry) -> None:
    if registry.round_began_at is None:
        _write(registry, round_began_at=timezone.now(), cursor="", pages=0, taken=0, refused=0, reasons=[])


def _turn(registry: Registry) -> None:
    """Page after page, until the round or the turn is over."""
    end = time.monotonic() + TURN_SECONDS
    seen = {registry.cursor}
    while True:
        page = read_page(registry.url, cursor=registry.cursor, since=registry.updated_since)
        _take(registry, page)
        if not page.cursor:
            _complete(registry)
            return
        if page.cursor in seen or registry.pages >= MAX_PAGES:
            raise InvalidInput("The registry sends page after page without an end.", code="endless_registry")
        seen.add(page.cursor)
        if time.monotonic() > end:
            leases.put_off(Registry.objects.all(), registry, 0)
            return


@transaction.atomic
def _take(registry: Registry, page: Page) -> None:
    """A page and the note that it was taken are one."""
    taken = take_page(registry, page.offered)
    _write(
        registry,
        cursor=page.cursor,
        pages=registry.pages + 1,
        taken=registry.taken + taken.taken,
        refused=registry.refused + taken.refused,
        reasons=[*registry.reasons, *taken.reasons][:MAX_REASONS],
    )


def _write(registry: Registry, **values: Any) -> None:
    if not Registry.objects.filter(leases.held(registry), enabled=True).update(**values, lease_until=timezone.now() + LEASE):
        raise Lost
    for name, value in values.items():
        setattr(registry, name, value)


@transaction.atomic
def _complete(registry: Registry) -> None:
    assert registry.round_began_at is not None
    ended = leases.put_off(
        Registry.objects.all(),
        registry,
        registry.interval_minutes * 60,
        cursor="",
        updated_since=registry.round_began_at - OVERLAP,
        round_began_at=None,
        succeeded_at=timezone.now(),
        failures=0,
        problem="\n".join(registry.reasons),
    )
    if ended and registry.taken:
        summary = f"{registry.taken} entries taken over, {registry.refused} refused"
        audit.record(action="registry.read", target=registry, owner=None, summary=summary)


def _fail(registry: Registry, error: AgentopiaError) -> None:
    """The round goes on later where it stopped, unless that is what does not work."""
    failures = registry.failures + 1
    seconds = leases.pause(failures, PAUSES) or float(PAUSES[-1])
    stuck = error.code == "endless_registry" or failures >= CURSOR_FAILURES or _is_about_the_cursor(registry, error)
    anew: dict[str, Any] = {"cursor": "", "round_began_at": None} if stuck else {}
    problem = "\n".join([error.message, *registry.reasons])
    leases.put_off(Registry.objects.all(), registry, seconds, failures=failures, problem=problem, **anew)
    logger.warning("the registry %s could not be read: %s", registry, error.message)


def _is_about_the_cursor(registry: Registry, error: AgentopiaError) -> bool:
    return bool(registry.cursor) and isinstance(error, Refusal) and error.status in (400, 404, 410, 422)


def _start_anew(registry: Registry) -> None:
    """Another address may have other entries: all of it is read, and whoever reads the old one has lost it."""
    now = timezone.now()
    anew = {
        "cursor": "",
        "updated_since": None,
        "round_began_at": None,
        "not_before": now,
        "lease_until": None,
        "failures": 0,
        "problem": "",
    }
    Registry.objects.filter(pk=registry.pk).update(**anew, status=Registry.Status.QUEUED, attempts=F("attempts") + 1)
