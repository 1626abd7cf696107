"""Which entries a search finds, and how well they match.

First by words and their beginnings, as they are and by their stems, and by any part of a title or name. Where that finds nothing, what
was typed may be a slip: then each word may also be like a word of a title, a name, a category or a tag (trigrams).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import add, and_
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramStrictWordSimilarity
from django.db import connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest, Lower

from mcp_registry.models import CatalogEntry

WORDS_LIMIT = 8
PART_LEAST = 3
"""What is shorter begins nearly every other entry's words, and no trigram finds it: it is looked for as a word of its own, and as the
beginning of a title.
"""
LONG = 6
LIKENESS, LIKENESS_SHORT = 0.4, 0.3
"""How alike a word must be to one that is there: of the three-letter parts of both so many are shared. Of those with fewer than `LONG`
letters a slip leaves less.
"""
BY_STANDING = (F("standing").desc(), Lower("title"), F("pk"))
SIMILAR_LIMIT = 100
NEARLY = 0.6
"""Of those, what is less than so much as alike as the best is none of what was meant."""
NOT_ASKED_FOR = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "how", "i", "in", "is", "it", "me", "my", "of"),
        *("on", "or", "our", "that", "the", "this", "to", "use", "want", "we", "what", "with", "you", "your"),
        *("context", "mcp", "model", "protocol", "server", "servers"),
    )
)
"""What people type between the words that they look for, and what every entry is."""
_WORD = re.compile(r"[^\W_]+")


@contextmanager
def searching(search: str) -> Iterator[None]:
    """What is searched inside, in a transaction, is searched with PostgreSQL set for it.

    It takes the words of a row for cheap to look at, and would look at those of all rows rather than use the indexes.
    """
    likeness = LIKENESS_SHORT if any(len(word) < LONG for word in words_of(search)) else LIKENESS
    with transaction.atomic():
        with connection.cursor() as cursor:
            settings = "set_config('enable_seqscan', 'off', true), set_config('pg_trgm.word_similarity_threshold', %s, true)"
            cursor.execute(f"SELECT {settings}", [str(likeness)])
        yield


def words_of(search: str) -> list[str]:
    """The words to look for, in small letters, without those that say nothing."""
    words = dict.fromkeys(_WORD.findall(search.lower()))
    return [word for word in words if word not in NOT_ASKED_FOR][:WORDS_LIMIT]


def meant_by(search: str) -> str:
    """What is searched for, in small letters: “mcp-server-git” means “git”. Empty: everything is."""
    if words := words_of(search):
        return " ".join(words)
    return "" if _WORD.search(search) else search.lower()


def matched(entries: QuerySet[CatalogEntry], search: str) -> QuerySet[CatalogEntry]:
    """Those that have all the words; those whose title or name has them as a part, too."""
    meant = meant_by(search)
    inside = Q(title_lower__contains=meant) | Q(handle__contains=meant)
    part = inside if len(meant) >= PART_LEAST else Q(title_lower__startswith=meant)
    query = _query(words_of(search))
    return entries.alias(title_lower=Lower("title")).filter(part if query is None else part | Q(text=query))


def by_match(entries: QuerySet[CatalogEntry], search: str) -> QuerySet[CatalogEntry]:
    """Those that were matched, in their order: by their titles, by where in them the words are, and by their standing."""
    meant, words = meant_by(search), words_of(search)
    match = F("standing") + Case(
        When(Q(title_lower__in=(search.lower(), meant)) | Q(slug__in=(search.lower(), "-".join(words))), then=Value(4.0)),
        When(title_lower__startswith=meant, then=Value(2.0)),
        When(title_lower__contains=meant, then=Value(1.0)),
        default=Value(0.0),
    )
    query = _query(words)
    ranked = entries.annotate(match=match if query is None else match + SearchRank(F("text"), query))
    return ranked.order_by(F("match").desc(), *BY_STANDING)


def ids_of_many(entries: QuerySet[CatalogEntry], search: str, start: int, stop: int) -> list[UUID]:
    """Where so many were matched that their words say little: those whose titles begin so, and then the rest, by their standing.

    Each part is read along an index, no further than to ``stop``.
    """
    begins = Q(title_lower__startswith=meant_by(search))
    parts = [
        entries.filter(condition).annotate(part=Value(number), low=Lower("title")).order_by(*BY_STANDING)[:stop]
        for number, condition in enumerate((begins, ~begins))
    ]
    first, rest = (part.values("pk", "part", "standing", "low") for part in parts)
    both = first.union(rest, all=True).order_by("part", "-standing", "low", "pk")[start:stop]
    return [row["pk"] for row in both]


def similar(entries: QuerySet[CatalogEntry], search: str) -> list[UUID]:
    """The ids of those that have something like all the words, the most alike first; within `searching`."""
    words = [word for word in words_of(search) if len(word) >= PART_LEAST]
    if not words:
        return []
    like = entries.alias(title_lower=Lower("title"))
    for word in words:
        like = like.filter(Q(text=_beginning(word)) | Q(title_lower__trigram_word_similar=word) | Q(handle__trigram_word_similar=word))
    likeness = reduce(add, map(_likeness, words))
    found = like.annotate(match=likeness).order_by(F("match") + F("standing") * Value(0.1)).reverse()
    best = list(found.values_list("pk", "match")[:SIMILAR_LIMIT])
    least = max((match for _, match in best), default=0.0) * NEARLY
    return [pk for pk, match in best if match >= least]


def _query(words: list[str]) -> Any:
    """What has all of them, or their beginnings; None without any."""
    if not words:
        return None
    return _whole(words[0]) if len(" ".join(words)) < PART_LEAST else reduce(and_, map(_beginning, words))


def _beginning(word: str) -> Any:
    """What has a word that begins so. Here are letters and digits alone, so nothing needs quoting."""
    return SearchQuery(f"{word}:*", config="simple", search_type="raw") | SearchQuery(f"{word}:*", config="english", search_type="raw")


def _whole(word: str) -> Any:
    return SearchQuery(word, config="simple", search_type="raw")


def _likeness(word: str) -> Combinable:
    title, handle = TrigramStrictWordSimilarity(word, Lower("title")), TrigramStrictWordSimilarity(word, "handle")
    return Greatest(title, handle) + title * Value(0.3)
