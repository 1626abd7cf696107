"""The entries that ship with Agentopia."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from mcp_registry.models import CatalogEntry, EntryVersion
from mcp_registry.services.entries import Given, put_entry
from mcp_registry.services.own_entries import add_entry

__all__ = ["SHIPPED", "add_entry", "load_shipped_catalog"]

SHIPPED = Path(__file__).resolve().parent.parent / "catalogue"


@cache
def _shipped() -> tuple[Given, ...]:
    documents = [json.loads(path.read_text()) for path in sorted(SHIPPED.glob("*.json"))]
    return tuple(Given.of(document) for document in documents)


@transaction.atomic
def load_shipped_catalog() -> int:
    """Bring the shipped entries up to date. Returns how many there are; those that no longer ship are withdrawn."""
    shipped = _shipped()
    ours = CatalogEntry.objects.filter(origin=CatalogEntry.Origin.SHIPPED)
    there = {entry.name: entry for entry in ours}
    fresh = [CatalogEntry(origin=CatalogEntry.Origin.SHIPPED, **given.columns) for given in shipped if given.manifest.name not in there]
    CatalogEntry.objects.bulk_create(fresh)
    EntryVersion.objects.bulk_create(
        [EntryVersion(entry=entry, version=entry.version, manifest=entry.manifest, published_at=timezone.now()) for entry in fresh]
    )
    for given in shipped:
        entry = there.get(given.manifest.name)
        if entry is not None and (entry.manifest != given.document or entry.withdrawn):
            put_entry(entry, given)
    ours.exclude(name__in=[given.manifest.name for given in shipped]).update(withdrawn=True)
    return len(shipped)
