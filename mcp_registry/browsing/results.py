"""One page of the catalogue: what was found, in its order, with the filters and their counts.

It makes as many queries for 20,000 entries as for one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Func, IntegerField, QuerySet, UUIDField, Value
from django.db.models.functions import Lower

from accounts.models import User
from mcp_registry.browsing.facets import Reader, Tally, facets_of, tally
from mcp_registry.browsing.matching import BY_STANDING, PART_LEAST, by_match, ids_of_many, matched, meant_by, searching, similar
from mcp_registry.browsing.query import SORTS, CatalogQuery, label_of
from mcp_registry.models import CatalogEntry
from mcp_registry.placement import Room, rooms
from mcp_registry.selectors import catalog_for

PER_PAGE = 24
FEATURED = 6
CATEGORIES = 30
RANKED_LIMIT = 1000
"""Where more is found, the words say little; then only titles, and what the entries are worth by themselves, put them in order."""
TILE = (
    *("title", "slug", "description", "version", "category", "runtime", "transport", "egress", "host_count", "keeps_data", "one_click"),
    *("deployable", "origin", "owner", "verified_at", "deprecated", "deployed_count", "succeeded_count"),
)
"""What of an entry a tile shows; its document is not read."""
BY_TITLE = (Lower("title"), F("pk"))
ORDERS: dict[str, tuple[Any, ...]] = {
    "best": BY_STANDING,
    "deployed": (F("deployed_count").desc(), *BY_TITLE),
    "newest": (F("created_at").desc(), F("pk")),
    "name": BY_TITLE,
}


@dataclass(frozen=True)
class Found:
    """What a query finds: ``entries`` in their order, not yet read, and how many. ``similar``: nothing was found as it was typed."""

    entries: QuerySet[CatalogEntry]
    tally: Tally
    similar: bool = False
    many: str = ""
    """What was searched for, where too much was found to be ranked; then ``entries`` have no order."""

    def rows(self, start: int, stop: int) -> list[CatalogEntry]:
        """A part of them, in their order."""
        if not self.many:
            return list(self.entries[start:stop])
        ids = ids_of_many(self.entries, self.many, start, stop)
        rows = {entry.pk: entry for entry in self.entries.order_by().filter(pk__in=ids)}
        return [rows[pk] for pk in ids if pk in rows]


def find(user: User, query: CatalogQuery, places: list[Room]) -> Found:
    """Search, filter, count and sort; within `searching`, as is the reading of what was found."""
    visible, reader = catalog_for(user), Reader(user, places)
    if not meant_by(query.search):
        counted = tally(visible, query, reader)
        return Found(_left_by(visible, query, counted).order_by(*ORDERS[query.sort]), counted)
    hits = matched(visible, query.search)
    counted = tally(hits, query, reader)
    if not counted.found:
        return _similar(visible, query, reader, counted)
    left = _left_by(hits, query, counted)
    if query.sort != "best":
        return Found(left.order_by(*ORDERS[query.sort]), counted)
    if counted.found > RANKED_LIMIT and len(meant_by(query.search)) >= PART_LEAST:
        return Found(left, counted, many=query.search)
    return Found(by_match(left, query.search), counted)


def _similar(visible: QuerySet[CatalogEntry], query: CatalogQuery, reader: Reader, nothing: Tally) -> Found:
    ids = similar(visible, query.search)
    if not ids:
        return Found(visible.none(), nothing)
    near = visible.filter(pk__in=ids)
    counted = tally(near, query, reader)
    order = (_place_in(ids).asc(),) if query.sort == "best" else ORDERS[query.sort]
    return Found(_left_by(near, query, counted).order_by(*order), counted, similar=True)


def _left_by(entries: QuerySet[CatalogEntry], query: CatalogQuery, counted: Tally) -> QuerySet[CatalogEntry]:
    return entries.filter(facets__in=counted.groups) if query.chosen else entries


def catalogue(user: User, query: CatalogQuery) -> dict[str, Any]:
    """What the catalogue's page shows."""
    places = rooms(user)
    with searching(query.search) if query.search else nullcontext():
        found = find(user, query, places)
        page = _Pages(replace(found, entries=found.entries.only(*TILE))).get_page(query.page)
    return {
        "query": query,
        "page": page,
        "entries": list(page),
        "total": found.tally.total,
        "similar": found.similar,
        "facets": facets_of(query, found.tally.counts, _categories(user, query, found), with_rooms=bool(places)),
        "chosen": [(facet, value, label_of(facet, value)) for facet, values in query.chosen.items() for value in values],
        "sorts": SORTS,
        "featured": _featured(user) if query.is_plain else [],
        "toolboxes": bool(places),
    }


class _Pages(Paginator[CatalogEntry]):
    """Pages of what was found, which was counted with the filters' values."""

    def __init__(self, found: Found) -> None:
        super().__init__(found.entries, PER_PAGE)
        self.count = found.tally.total
        self._found = found

    def page(self, number: int | str) -> Page[CatalogEntry]:
        number = self.validate_number(number)
        start = (number - 1) * PER_PAGE
        return Page(self._found.rows(start, min(start + PER_PAGE, self.count)), number, self)


def _featured(user: User) -> list[CatalogEntry]:
    return list(catalog_for(user).filter(featured=True).only(*TILE).order_by(*ORDERS["best"])[:FEATURED])


def _categories(user: User, query: CatalogQuery, found: Found) -> list[str]:
    """Those that there are, whatever is searched for; the most common ones where there are very many."""
    counts = found.tally.categories
    if query.search:
        named = catalog_for(user).order_by().values_list("category")
        counts = dict(named.annotate(count=Count("*")))
    common = sorted((category for category in counts if category), key=lambda category: (-counts[category], category))
    return sorted(common[:CATEGORIES])


def _place_in(ids: list[UUID]) -> Func:
    return Func(Value(ids, output_field=ArrayField(UUIDField())), F("pk"), function="array_position", output_field=IntegerField())
