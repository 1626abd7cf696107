"""What an entry's page shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any
from uuid import UUID

from django.http import QueryDict

from accounts.models import User
from agentopia.lib.errors import NotFound
from mcp_registry.forms import DeployForm
from mcp_registry.manifest import Manifest, Package, Profile, Setting, parse_manifest, settings_of
from mcp_registry.models import CatalogEntry, EntryVersion
from mcp_registry.selectors import entry_for
from mcp_registry.server_list import listed, rows_of
from mcp_registry.services.entries import document_of

VERSIONS_SHOWN = 50
SERVERS_SHOWN = 20
OUTCOMES_MEASURED = 500
"""The time to ready is the median of so many of the newest."""
KINDS = {
    "secret": "secret",
    "choice": "choice",
    "boolean": "true or false",
    "lines": "several, a line each",
    "number": "number",
    "path": "path",
    "url": "address",
    "text": "text",
}


@dataclass(frozen=True)
class Figures:
    """How first deployments of an entry ended, by anybody here. ``seconds`` is the median time to ready; None: none was ready yet."""

    deployed: int
    succeeded: int
    seconds: float | None
    last_at: datetime | None

    @property
    def percent(self) -> int | None:
        """Of 100, how many became ready; None before there is any."""
        return round(100 * self.succeeded / self.deployed) if self.deployed else None


@dataclass(frozen=True)
class EntryPage:
    """An entry, at the version that was asked for. ``package`` is None where it has none to deploy; ``offered`` is False where the user
    sees it only since there are servers of it.
    """

    entry: CatalogEntry
    offered: bool
    manifest: Manifest
    version: str

    @property
    def package(self) -> Package | None:
        return self.manifest.packages[0] if self.manifest.packages else None

    @property
    def profile(self) -> Profile:
        return self.manifest.profile

    @property
    def settings(self) -> list[tuple[Setting, str]]:
        """Each with what is to be typed, in words; the required ones first."""
        settings = settings_of(self.package) if self.package else []
        return [(setting, KINDS[setting.kind]) for setting in sorted(settings, key=lambda setting: not setting.required)]

    @property
    def is_newest(self) -> bool:
        return self.version == self.entry.version

    def form(self, user: User, data: QueryDict | None, *, anyway: bool) -> DeployForm | None:
        """The form to deploy it; None where it cannot be."""
        if self.package is None or not self.offered:
            return None
        for_all = self.entry.owner_id != user.pk or self.entry.published_at is not None
        return DeployForm(data, user=user, package=self.package, profile=self.profile, for_all=for_all, anyway=anyway)


def entry_page_for(user: User, entry_id: UUID, version: str = "") -> EntryPage:
    """An entry that the user may deploy, or has servers of; raises `NotFound`, for an unknown version too."""
    try:
        entry, offered = entry_for(user, str(entry_id)), True
    except NotFound:
        theirs = CatalogEntry.objects.filter(pk=entry_id, mcp_servers__owner=user).distinct()
        if not theirs:
            raise
        entry, offered = theirs[0], False
    try:
        manifest = parse_manifest(document_of(entry, version))
    except EntryVersion.DoesNotExist:
        raise NotFound(f"“{entry}” has no version {version}.", code="version_not_found") from None
    return EntryPage(entry, offered, manifest, version or entry.version)


def figures_of(entry: CatalogEntry) -> Figures:
    """Measured; one query."""
    rows = list(entry.outcomes.values_list("succeeded", "seconds", "at")[:OUTCOMES_MEASURED])
    seconds = [took for succeeded, took, _ in rows if succeeded]
    return Figures(entry.deployed_count, entry.succeeded_count, median(seconds) if seconds else None, rows[0][2] if rows else None)


def facts(user: User, page: EntryPage) -> dict[str, Any]:
    """What stands on the page beside the form."""
    entry = page.entry
    servers = listed(user).filter(entry=entry).order_by("name")
    return {
        "shown": page,
        "entry": entry,
        "figures": figures_of(entry),
        "versions": list(entry.versions.only("version", "published_at")[:VERSIONS_SHOWN]),
        "servers": rows_of(servers[:SERVERS_SHOWN]),
    }
