"""What of the catalogue is asked for; the page, its fragments and the REST API read it from the query string alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from django.http import QueryDict

SEARCH_LIMIT = 100
VALUES_LIMIT = 20
"""Of one filter, so many values may be chosen; more are nobody's."""
YES, NO = "yes", "no"
FACETS: dict[str, str] = {
    "category": "Category",
    "origin": "Where it comes from",
    "trust": "Trust",
    "setup": "Setting up",
    "secret": "Secrets",
    "fits": "Room",
    "runtime": "Package",
    "transport": "Speaks MCP over",
}
"""The filters, with their headings, in the order in which they are shown."""
LABELS: dict[str, dict[str, str]] = {
    "category": {},  # whatever entries say
    "origin": {
        "shipped": "Ships with Agentopia",
        "registry": "From a registry",
        "mine": "Added by you",
        "shared": "Shared by others",
    },
    "trust": {"verified": "Verified"},
    "setup": {"none": "No settings needed"},
    "secret": {YES: "Needs a secret", NO: "Needs none"},
    "fits": {YES: "Fits a toolbox of mine"},
    "runtime": {"npm": "npm", "pypi": "PyPI", "nuget": "NuGet", "oci": "OCI image"},
    "transport": {"stdio": "stdio", "streamable-http": "HTTP", "sse": "HTTP+SSE"},
}
"""The values that can be chosen, with their names for people."""
SORTS = {"best": "Best match", "deployed": "Most deployed", "newest": "Newest", "name": "Name"}


@dataclass(frozen=True)
class CatalogQuery:
    """Which entries are asked for, in which order. ``chosen`` has per filter the values of which an entry must have one."""

    search: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = "best"
    page: str = "1"

    @classmethod
    def parse(cls, given: QueryDict) -> CatalogQuery:
        """From a query string; what cannot be used counts as not given."""
        chosen = {facet: _usable(facet, given.getlist(facet)) for facet in FACETS}
        sort, page = given.get("sort", ""), given.get("page", "")
        return cls(
            search=" ".join(given.get("search", "").replace("\0", "").split())[:SEARCH_LIMIT].strip(),
            chosen={facet: values for facet, values in chosen.items() if values},
            sort=sort if sort in SORTS else "best",
            page=page if page.isascii() and page.isdecimal() and len(page) < 7 else "1",
        )

    @property
    def encoded(self) -> str:
        """As a query string, without what is not given."""
        given: dict[str, Any] = {"search": self.search, **self.chosen, "sort": self.sort if self.sort != "best" else ""}
        given["page"] = self.page if self.page != "1" else ""
        return urlencode({name: value for name, value in given.items() if value}, doseq=True, quote_via=quote)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for: the catalogue's start."""
        return not self.search and not self.chosen and self.page == "1" and self.sort == "best"

    @property
    def without_filters(self) -> str:
        """The query string of the same search with no filter."""
        return replace(self, chosen={}, page="1").encoded


def label_of(facet: str, value: str) -> str:
    """A filter's value, for people."""
    known = LABELS[facet].get(value)
    return known if known is not None else value.replace("-", " ").replace("_", " ").capitalize()


def _usable(facet: str, given: list[str]) -> tuple[str, ...]:
    values = dict.fromkeys(value for value in given if value)
    known = LABELS[facet]
    if known:
        return tuple(value for value in values if value in known)
    return tuple(value for value in values if len(value) <= 40 and "\0" not in value)[:VALUES_LIMIT]
