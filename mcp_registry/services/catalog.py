"""Entries of the catalogue: those that ship with Agentopia and those that users add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from agentopia.lib.errors import Conflict
from mcp_registry.manifest import Manifest, parse_manifest
from mcp_registry.models import CatalogEntry

SHIPPED = Path(__file__).resolve().parent.parent / "catalogue"


@transaction.atomic
def load_shipped_catalog() -> int:
    """Bring the shipped entries up to date. Returns how many there are; entries that no longer ship are removed."""
    names = []
    for path in sorted(SHIPPED.glob("*.json")):
        document = json.loads(path.read_text())
        manifest = parse_manifest(document)
        CatalogEntry.objects.update_or_create(owner=None, name=manifest.name, defaults=_columns(manifest, document))
        names.append(manifest.name)
    CatalogEntry.objects.filter(owner=None).exclude(name__in=names).delete()
    return len(names)


def add_entry(*, owner: User, document: Any) -> CatalogEntry:
    """Add a user's own entry from a ``server.json``; raises `InvalidInput` and, for a version that is there already, `Conflict`.

    A further version replaces the entry: servers that are deployed keep the manifest that they were deployed from.
    """
    manifest = parse_manifest(document)
    try:
        with transaction.atomic():
            entry, created = CatalogEntry.objects.select_for_update().get_or_create(
                owner=owner, name=manifest.name, defaults=_columns(manifest, document)
            )
    except IntegrityError:  # somebody else added it in this moment
        created, entry = False, CatalogEntry.objects.get(owner=owner, name=manifest.name)
    if not created:
        if entry.version == manifest.version:
            raise Conflict(f"You have “{manifest.name}” {manifest.version} already. Give it another version.", code="entry_exists")
        for column, value in _columns(manifest, document).items():
            setattr(entry, column, value)
        entry.save()
    return entry


def _columns(manifest: Manifest, document: Any) -> dict[str, Any]:
    return {
        "slug": manifest.slug,
        "title": manifest.title or manifest.slug.replace("-", " ").capitalize(),
        "description": manifest.description,
        "version": manifest.version,
        "manifest": document,
    }
