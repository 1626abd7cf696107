"""The command palette: one search over everything, in which each part of the product finds its own.

An app registers its source when it starts (``AppConfig.ready``): ``palette.sources.append(found_servers)``. A source looks only at what is
the user's, and gives at most ``limit`` things, its best first (`best` finds them in a table). Without words it gives what the user had to
do with lately, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Length, Lower

LONGEST = 100
MOST_WORDS = 6
PER_SOURCE = 6
SHOWN = 12
PLACES = ("Action", "Page")
"""The kinds of what is there for everybody; without words, what is the user's own goes first."""
FUZZY_FROM = 4
"""So many letters say enough to look for what is written alike, where nothing else was found."""
LIKENESS = 0.45


@dataclass(frozen=True)
class Found:
    """Something to go to. ``kind`` is a word for what it is, ``detail`` tells it from others of its name, ``icon`` is one of
    ``templates/icons``. A ``url`` that begins with ``#`` is something that the page itself does: ``#theme-dark``.
    """

    kind: str
    title: str
    detail: str
    url: str
    icon: str


Source = Callable[[Any, Sequence[str], int], list[Found]]
"""``source(user, words, limit)``: words are in small letters."""

sources: list[Source] = []
"""In the order in which things that match alike are listed."""


def words_of(text: str) -> list[str]:
    """What was typed, in small letters, without what cannot be searched for."""
    return text.replace("\0", "").lower()[:LONGEST].split()[:MOST_WORDS]


class Alike(list[str]):
    """Words that were typed, of which nothing was found, so that they may hold a slip: `best` looks for what is written alike."""


def find(user: Any, text: str) -> list[Found]:
    """What matches best of all sources, the best first."""
    words = words_of(text)
    typed = " ".join(words)
    with _searching():
        found = _from_all(user, words)
        if not found and len(typed) >= FUZZY_FROM:
            found = _from_all(user, Alike(words))
    order: Callable[[Found], Any] = (lambda thing: rank(thing, typed)) if words else (lambda thing: thing.kind in PLACES)
    return sorted(found, key=order)[:SHOWN]


def _from_all(user: Any, words: Sequence[str]) -> list[Found]:
    return [thing for source in sources for thing in source(user, words, PER_SOURCE)]


@contextmanager
def _searching() -> Iterator[None]:
    """PostgreSQL takes letters for cheap to compare, and would compare all rows rather than use the indexes."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('enable_seqscan', 'off', true), set_config('pg_trgm.word_similarity_threshold', %s, true)",
                [str(LIKENESS)],
            )
        yield


def rank(thing: Found, typed: str) -> tuple[int, float]:
    """How well a thing fits, less is better: its title is what was typed, begins with it, has words that do, holds it, or is alike."""
    name, parts, words = thing.title.lower(), _parts(thing.title.lower()), typed.split()
    if name == typed:
        return 0, 0.0
    if name.startswith(typed):
        return 1, 0.0
    if all(any(part.startswith(word) for part in parts) for word in words):
        return 2, 0.0
    if all(word in name for word in words):
        return 3, 0.0
    if all(word in f"{name} {thing.detail.lower()}" for word in words):
        return 4, 0.0
    return 5, -SequenceMatcher(None, name, typed).ratio()


def _parts(name: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in name).split()


def best(rows: QuerySet[Any], words: Sequence[str], limit: int, name: str, *others: str) -> list[Any]:
    """The rows whose ``name`` fits best: each word is in it or in one of the ``others``, at least one of them in it. Of words that may
    hold a slip (`Alike`), the rows whose ``name`` is written alike. An index on ``Lower(name)`` with ``gin_trgm_ops`` serves both.
    """
    typed = " ".join(words)
    rows = rows.alias(palette_name=Lower(name), **{f"palette_{number}": Lower(other) for number, other in enumerate(others)})
    if isinstance(words, Alike):
        rows = rows.filter(palette_name__trigram_word_similar=typed)
        return list(rows.order_by(TrigramWordSimilarity(typed, Lower(name)).desc(), Length(name), F(name))[:limit])
    fields = ["palette_name", *(f"palette_{number}" for number in range(len(others)))]
    fits, named = Q(), Q()
    for word in words:
        anywhere = Q()
        for field in fields:
            anywhere |= Q(**{f"{field}__contains": word})
        fits &= anywhere
        named |= Q(palette_name__contains=word)
    closeness = Case(
        When(palette_name=typed, then=Value(0)),
        When(palette_name__startswith=typed, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return list(rows.filter(fits & named).order_by(closeness, Length(name), F(name))[:limit])


def matching(text: str, words: Sequence[str]) -> bool:
    """Whether each word begins a word of a text: for sources of few things, which need no database."""
    parts = _parts(text.lower())
    return all(any(part.startswith(word) for part in parts) for word in words)
