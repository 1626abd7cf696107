"""The filters of the catalogue, and how many entries each of their values would leave.

The database keeps with every entry one text of all that it can be filtered by (`models.found_by.FACETS`). One query counts the entries by
that text; there are far fewer such groups than entries. From them follow, in Python, the counts of every value *given the other filters*,
and how many entries there are in all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.db.models import Count, QuerySet

from accounts.models import User
from mcp_registry.browsing.query import FACETS, LABELS, NO, YES, CatalogQuery, label_of
from mcp_registry.models import CatalogEntry
from mcp_registry.models.found_by import FACETS_SEPARATOR
from mcp_registry.placement import DISK_OF_IMAGE, MB, Need, Room, fits


@dataclass(frozen=True)
class Choice:
    """One value of a filter. ``count`` is how many entries there are with it, given the search and the other filters."""

    facet: str
    value: str
    label: str
    count: int
    chosen: bool

    @property
    def id(self) -> str:
        """How the page's elements of it are called."""
        return f"{self.facet}-{self.value.encode().hex() if self.facet == 'category' else self.value}"


@dataclass(frozen=True)
class Facet:
    """A filter with its values."""

    key: str
    title: str
    choices: list[Choice]


@dataclass(frozen=True)
class Tally:
    """``found`` is how many a search found; ``total`` how many of them the filters leave: those whose text is in ``groups``."""

    found: int
    total: int
    groups: list[str]
    counts: Mapping[str, Mapping[str, int]]
    categories: Mapping[str, int]
    """Of all that was found, whatever the filters."""


class Reader:
    """Reads an entry's text for one user, who has room left on these toolboxes."""

    def __init__(self, user: User, rooms: Iterable[Room]) -> None:
        self._owner, self._rooms = str(user.pk), list(rooms)
        self._fits = cache(self._fits_anywhere)

    def values(self, group: str) -> tuple[str, ...]:
        """The value of every filter, in the order of `FACETS`."""
        told = _read(group)
        origin = "mine" if told.owner == self._owner else told.origin
        return (told.category, origin, told.trust, told.setup, told.secret, self._fits(told.asks), told.runtime, told.transport)

    def _fits_anywhere(self, asks: tuple[str, int, float]) -> str:
        runtime, memory_mb, cpus = asks
        need = Need(memory_mb * MB, DISK_OF_IMAGE.get(runtime, 0), cpus)
        return YES if any(fits(need, room) is None for room in self._rooms) else NO


@dataclass(frozen=True)
class _Told:
    category: str
    origin: str
    owner: str
    trust: str
    setup: str
    secret: str
    asks: tuple[str, int, float]
    runtime: str
    transport: str


@lru_cache(maxsize=20_000)
def _read(group: str) -> _Told:
    runtime, transport, origin, owner, verified, one_click, secret, memory, cpus, category = group.split(FACETS_SEPARATOR, 9)
    return _Told(
        category=category,
        origin="shared" if origin == CatalogEntry.Origin.USER else origin,
        owner=owner,
        trust="verified" if verified else "",
        setup="none" if one_click else "some",
        secret=YES if secret else NO,
        asks=(runtime, int(memory), float(cpus)),
        runtime=runtime,
        transport=transport,
    )


def tally(entries: QuerySet[CatalogEntry], query: CatalogQuery, reader: Reader) -> Tally:
    """Count entries; one query."""
    groups: QuerySet[Any, Any] = entries.order_by().values_list("facets").annotate(count=Count("*"))
    wanted = [(place, frozenset(query.chosen[facet])) for place, facet in enumerate(FACETS) if facet in query.chosen]
    counters: list[dict[str, int]] = [defaultdict(int) for _ in FACETS]
    categories: dict[str, int] = defaultdict(int)
    found, total, left = 0, 0, []
    for group, count in groups:
        found += count
        values = reader.values(group)
        categories[values[0]] += count
        failing = [place for place, chosen in wanted if values[place] not in chosen]
        if not failing:
            total += count
            left.append(group)
            for counter, value in zip(counters, values, strict=True):
                counter[value] += count
        elif len(failing) == 1:
            counters[failing[0]][values[failing[0]]] += count
    return Tally(found, total, left, dict(zip(FACETS, counters, strict=True)), categories)


def facets_of(query: CatalogQuery, counts: Mapping[str, Mapping[str, int]], categories: Iterable[str], *, with_rooms: bool) -> list[Facet]:
    """The filters to show: always the same, so that nothing moves while one types."""
    shown = []
    for key, title in FACETS.items():
        values = dict.fromkeys((*categories, *query.chosen.get(key, ()))) if key == "category" else LABELS[key]
        if key == "fits" and not with_rooms:
            continue
        chosen = query.chosen.get(key, ())
        choices = [Choice(key, value, label_of(key, value), counts[key].get(value, 0), value in chosen) for value in values]
        if choices:
            shown.append(Facet(key, title, choices))
    return shown
