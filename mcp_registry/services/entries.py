"""An entry's row, written from its document: the columns by which it is found and shown, and its versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db import transaction
from django.utils import timezone

from mcp_registry.importing.documents import usable_document
from mcp_registry.manifest import PUBLISHER_SLOT, Manifest, parse_manifest, settings_of
from mcp_registry.models import CatalogEntry, EntryVersion

OF_PROFILE = ("category", "tags", "license", "egress", "memory_mb", "cpus", "host_count", "keeps_data")
"""The columns that are taken from the permission profile."""
SAID = ("published_at", "verified_at", "verified_by", "deprecated", "deprecation")
"""What was said of an entry, which its owner's or its registry's change may take back."""


@dataclass(frozen=True)
class Given:
    """A ``server.json`` that can be used, with what the columns of an entry say of it."""

    document: Any
    manifest: Manifest
    columns: dict[str, Any]

    @classmethod
    def of(cls, document: Any) -> Self:
        """What of a document can be used, in our own terms; raises `InvalidInput` where that is nothing."""
        usable = usable_document(document)
        manifest = parse_manifest(usable)
        return cls(usable, manifest, _columns(manifest, usable))


@transaction.atomic
def put_entry(entry: CatalogEntry, given: Given, *, published_at: datetime | None = None, newest: bool = True) -> CatalogEntry:
    """Store a document as a version of an entry, new or known; it becomes what the entry offers unless it is not the ``newest``.

    The same version again replaces its document.
    """
    is_new = getattr(entry, "created_at", None) is None  # it is set when a row is stored
    if newest or is_new:
        for column, value in given.columns.items():
            setattr(entry, column, value)
        if entry.profile_override is not None:
            write_permissions(entry)
        entry.withdrawn = False
        # How it went, which tools it has, and what an admin does with it is written by others meanwhile.
        entry.save(update_fields=None if is_new else (*given.columns, "withdrawn", "updated_at", *SAID))
    EntryVersion.objects.update_or_create(
        entry=entry,
        version=given.manifest.version,
        defaults={"manifest": given.document},
        create_defaults={"manifest": given.document, "published_at": published_at or timezone.now()},
    )
    return entry


def write_permissions(entry: CatalogEntry) -> None:
    """Set the columns that tell what it asks for, as it is deployed: by an admin's permissions, where there are any."""
    columns = Given.of(document_of(entry)).columns
    for column in OF_PROFILE:
        setattr(entry, column, columns[column])


def document_of(entry: CatalogEntry, version: str = "") -> dict[str, Any]:
    """The ``server.json`` to deploy: that of the newest version or of the named one, with the permissions that an admin set in place of its
    own. Raises ``EntryVersion.DoesNotExist``.
    """
    document: dict[str, Any] = entry.manifest
    if version and version != entry.version:
        document = entry.versions.get(version=version).manifest
    if entry.profile_override is None:
        return document
    meta = document.get("_meta") or {}
    slot = {**(meta.get(PUBLISHER_SLOT) or {}), "agentopia": entry.profile_override}
    return {**document, "_meta": {**meta, PUBLISHER_SLOT: slot}}


def _columns(manifest: Manifest, document: Any) -> dict[str, Any]:
    profile = manifest.profile
    package = manifest.packages[0] if manifest.packages else None
    settings = settings_of(package) if package else []
    sessions = profile.sessions.most if profile.sessions.mode == "own" else 1
    return {
        "name": manifest.name,
        "slug": manifest.slug,
        "title": manifest.title or manifest.slug.replace("-", " ").capitalize(),
        "description": manifest.description,
        "version": manifest.version,
        "manifest": document,
        "category": profile.category,
        "tags": list(profile.tags),
        "license": profile.license,
        "repository_url": manifest.repository_url,
        "website_url": manifest.website_url,
        "runtime": package.registry_type if package else "",
        "transport": package.transport.type if package else manifest.remotes[0].type,
        "egress": profile.egress.value,
        "needs_secret": any(setting.secret and setting.required for setting in settings),
        "one_click": package is not None and not any(setting.required for setting in settings),
        "deployable": package is not None,
        "memory_mb": profile.memory_mb * sessions,
        "cpus": profile.cpus,
        "host_count": len(profile.hosts),
        "keeps_data": bool(profile.volumes),
    }
