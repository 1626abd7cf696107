"""Entries of a user's own: added, changed and deleted. They are private to the user until an admin publishes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import AgentopiaError, Conflict, NotFound
from mcp_registry.importing.offered import Offered
from mcp_registry.models import CatalogEntry
from mcp_registry.services.entries import Given, put_entry

MOST = 1000
"""Entries that one user may have."""


@dataclass(frozen=True)
class Added:
    """What became of one document: the entry, and whether it was there just so; or why there is none."""

    name: str
    entry: CatalogEntry | None = None
    unchanged: bool = False
    problem: str = ""


@transaction.atomic
def add_entry(*, owner: User, document: Any, renumber: bool = False) -> CatalogEntry:
    """Add a user's own entry from a ``server.json``.

    A further version becomes the entry's newest: servers that are deployed keep the manifest that they were deployed from. One that was
    published is private again then: what everybody sees is what an admin has seen. With ``renumber`` a version that is there already, but
    says something else, is given the next number. Raises `InvalidInput`, and `Conflict` for a version that is there already and for a name
    that belongs to Agentopia.
    """
    given = Given.of(document)
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # two must not add the same one in the same moment
    name = given.manifest.name
    if CatalogEntry.objects.filter(origin=CatalogEntry.Origin.SHIPPED, name=name).exists():
        raise Conflict(f"“{name}” comes with Agentopia. Give your entry another name.", code="name_shipped", fields={"name": "Taken."})
    entry = CatalogEntry.objects.select_for_update(of=("self",)).filter(owner=owner, name=name).first()
    if entry is None:
        return _new(owner, given)
    if entry.versions.filter(version=given.manifest.version).exists():
        if not renumber:
            raise Conflict(f"You have “{name}” {given.manifest.version} already. Give it another version.", code="entry_exists")
        taken = set(entry.versions.values_list("version", flat=True))
        given = Given.of({**given.document, "version": next_version(given.manifest.version, taken)})
    return _changed(entry, given)


def add_all(*, owner: User, offered: Iterable[Offered], renumber: bool = False) -> list[Added]:
    """Add several, each for itself: one that cannot be used stops no other."""
    return [_add_one(owner, one, renumber) for one in offered]


@transaction.atomic
def delete_entry(*, owner: User, entry_id: UUID) -> CatalogEntry:
    """Delete an entry of one's own with all its versions; servers that were deployed from it go on. Raises `NotFound`."""
    entry = CatalogEntry.objects.select_for_update(of=("self",)).filter(owner=owner, pk=entry_id).first()
    if entry is None:
        raise NotFound("You have no such entry of your own.", code="entry_not_found")
    audit.record(action="entry.deleted", target=entry, owner=owner, summary=f"{entry.name} {entry.version}")
    entry.delete()
    return entry


def next_version(version: str, taken: Iterable[str]) -> str:
    """The first of ``1.2.3-2``, ``1.2.3-3`` … that is not taken."""
    there = set(taken)
    stem = re.sub(r"-[0-9]+$", "", version)[:240]
    return next(new for new in (f"{stem}-{number}" for number in range(2, len(there) + 3)) if new not in there)


def _add_one(owner: User, offered: Offered, renumber: bool) -> Added:
    try:
        there = _same(owner, offered.document)
        if there is not None:
            return Added(there.name, there, unchanged=True)
        entry = add_entry(owner=owner, document=offered.document, renumber=renumber)
    except AgentopiaError as error:
        return Added(offered.name, problem=error.message)
    return Added(entry.name, entry)


def _same(owner: User, document: Any) -> CatalogEntry | None:
    """The entry that is there with this very document already; raises `InvalidInput`."""
    given = Given.of(document)
    entry = CatalogEntry.objects.filter(owner=owner, name=given.manifest.name, version=given.manifest.version).first()
    return entry if entry is not None and entry.manifest == given.document else None


def _new(owner: User, given: Given) -> CatalogEntry:
    if CatalogEntry.objects.filter(owner=owner).count() >= MOST:
        raise Conflict(f"You have {MOST} entries of your own already. Delete some first.", code="too_many_entries")
    entry = put_entry(CatalogEntry(origin=CatalogEntry.Origin.USER, owner=owner), given)
    audit.record(action="entry.added", target=entry, owner=owner, summary=f"{entry.name} {entry.version}")
    return entry


def _changed(entry: CatalogEntry, given: Given) -> CatalogEntry:
    before = {"version": entry.version, "published": entry.published_at is not None}
    entry.published_at = entry.verified_at = entry.verified_by = None
    entry = put_entry(entry, given)
    changes: dict[str, Any] = {"version": [before["version"], entry.version]}
    if before["published"]:
        changes["published"] = [True, False]
    audit.record(action="entry.changed", target=entry, owner=entry.owner, summary=f"{entry.name} {entry.version}", changes=changes)
    return entry
