"""One page of a registry, taken into the catalogue: changes become versions, what was deleted is withdrawn, nonsense is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, transaction
from packaging.version import InvalidVersion, Version

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.cleaning import shown_text
from mcp_registry.importing.offered import OFFICIAL, Offered, Official
from mcp_registry.models import CatalogEntry, EntryVersion, Registry
from mcp_registry.services.entries import Given, put_entry


@dataclass
class Taken:
    """How many entries a page brought, changed or withdrew, and how many were refused with the reasons of each."""

    taken: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, name: str, why: str) -> None:
        self.refused += 1
        self.reasons.append(f"{name}: {shown_text(why, 300)}")


def take_page(registry: Registry, offered: Iterable[Offered]) -> Taken:
    """Within the caller's transaction. One entry that cannot be used stops no other."""
    taken = Taken()
    usable: list[tuple[Given, Official]] = []
    deleted: list[Offered] = []
    for one in offered:
        if one.official.status == "deleted":
            deleted.append(one)
            continue
        try:
            usable.append((Given.of(_marked(one)), one.official))
        except InvalidInput as refusal:
            taken.refuse(one.name, "; ".join(refusal.fields.values()) or refusal.message)
    there = {entry.name: entry for entry in registry.entries.filter(name__in=[given.manifest.name for given, _ in usable])}
    for given, official in usable:
        try:
            with transaction.atomic():
                changed, there[given.manifest.name] = _take(registry, there.get(given.manifest.name), given, official)
        except DatabaseError as error:
            there.pop(given.manifest.name, None)
            taken.refuse(given.manifest.name, f"it cannot be stored ({type(error).__name__})")
        else:
            taken.taken += changed
    for one in deleted:
        taken.taken += _withdraw(registry, one)
    return taken


def _marked(offered: Offered) -> Any:
    """The document with its registry's word on it, so that a change of that is a change."""
    if not isinstance(offered.document, dict):
        return offered.document
    meta = offered.document.get("_meta")
    official = {"status": offered.official.status} | ({"statusMessage": offered.official.message} if offered.official.message else {})
    return {**offered.document, "_meta": {**(meta if isinstance(meta, dict) else {}), OFFICIAL: official}}


def _take(registry: Registry, entry: CatalogEntry | None, given: Given, official: Official) -> tuple[bool, CatalogEntry]:
    """Whether anything changed, and the entry."""
    if entry is None:
        entry = CatalogEntry(origin=CatalogEntry.Origin.REGISTRY, registry=registry)
    elif entry.manifest == given.document and not entry.withdrawn:
        return False, entry
    newest = _is_newest(entry, given, official)
    if not newest and entry.versions.filter(version=given.manifest.version, manifest=given.document).exists():
        return False, entry
    if newest:
        _deprecate(entry, official)
    return True, put_entry(entry, given, published_at=official.published_at, newest=newest)


def _is_newest(entry: CatalogEntry, given: Given, official: Official) -> bool:
    if official.newest is not None:
        return official.newest
    try:
        return not entry.version or Version(given.manifest.version) >= Version(entry.version)
    except InvalidVersion:
        return True  # it lists what it has now


def _deprecate(entry: CatalogEntry, official: Official) -> None:
    """Follow the registry where it changes its mind, and leave an admin's own word alone."""
    before = _status_of(entry)
    if official.status == "deprecated" and before != "deprecated":
        entry.deprecated, entry.deprecation = True, official.message
    elif official.status == "active" and before == "deprecated":
        entry.deprecated, entry.deprecation = False, ""


def _status_of(entry: CatalogEntry) -> str:
    meta = entry.manifest.get("_meta") if isinstance(entry.manifest, dict) else None
    told = meta.get(OFFICIAL) if isinstance(meta, dict) else None
    return str(told.get("status", "")) if isinstance(told, dict) else ""


def _withdraw(registry: Registry, offered: Offered) -> int:
    """The whole entry, or one of its older versions. Servers of it go on: each has its own document."""
    document = offered.document if isinstance(offered.document, dict) else {}
    name, version = str(document.get("name", ""))[:200], str(document.get("version", ""))[:255]
    if "\x00" in name + version:
        return 0
    entries = registry.entries.filter(name=name)
    if offered.official.newest is False:
        gone, _ = EntryVersion.objects.filter(entry__in=entries.exclude(version=version), version=version).delete()
        entries = entries.filter(version=version)
    else:
        gone = 0
    return gone + entries.filter(withdrawn=False).update(withdrawn=True)
