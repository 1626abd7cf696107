"""Which conversations a search finds: those with all its words, or their beginnings, in the title or in one message with its answer."""

from __future__ import annotations

import unicodedata
from functools import reduce
from operator import and_

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet, StringAgg, TextField, Value
from django.db.models.functions import Cast

from accounts.models import User
from chat.models import Conversation, Words
from chat.selectors import ORDER, conversations_for

WORDS_LIMIT = 8
LONGEST_WORD = 100
PART_LEAST = 3
"""What is shorter begins words in nearly every conversation: it is looked for as a word of its own. Not so where few letters say much."""


def conversations_found(user: User, search: str) -> QuerySet[Conversation]:
    """This user's conversations that are meant by ``search``, in their order; all of them where it is empty."""
    conversations = conversations_for(user)
    if not search.strip():
        return conversations
    words = words_of(search)
    if not words:  # marks alone: titles may have them
        return conversations.filter(title__contains=search.strip().replace("\x00", ""))
    in_title = reduce(and_, (Q(title__icontains=word) for word in words))
    said = reduce(and_, map(_beginning, words))
    return conversations.filter(in_title | Q(pk__in=Words.objects.filter(owner=user, words=said).values("conversation")))


def ids_in_order(conversations: QuerySet[Conversation]) -> list[str]:
    """The ids of all that were found. They come as one text: as rows of their own thousands of them take longer to read than to find."""
    ids: str | None = conversations.aggregate(ids=StringAgg(Cast("pk", TextField()), Value(","), order_by=ORDER))["ids"]
    return ids.split(",") if ids else []


def words_of(search: str) -> list[str]:
    """The words to look for: letters, digits and what joins to them. So nothing in them needs quoting in a query."""
    plain = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in search)
    return [word[:LONGEST_WORD] for word in dict.fromkeys(plain.split())][:WORDS_LIMIT]


def _beginning(word: str) -> SearchQuery:
    whole = word.isascii() and len(word) < PART_LEAST
    return SearchQuery(word if whole else f"{word}:*", config="simple", search_type="raw")
