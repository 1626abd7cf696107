"""What was read of tools, kept in the database: a text is read once, whoever has a server that offers the tool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import batched
from uuid import UUID

from django.utils import timezone

from agents.embedding.reading import Read, Reader
from agents.embedding.weights import MODEL, reader
from agents.models import ToolEmbedding
from agents.selection.texts import document
from mcp_registry.models import Tool

LAYOUT = 1
"""Of `Read.stored`: another one makes other keys."""
ASKED_AT_ONCE = 1_000
READ_AT_ONCE = 64
KEEP = timedelta(days=90)
"""After which a text is read anew, if a tool still has it."""
FORGET_AT_ONCE = 5_000


def key_of(text: str) -> str:
    return hashlib.sha256(f"{MODEL}/{LAYOUT}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()


def stored(keys: Iterable[str]) -> dict[str, Read]:
    """What there is of these, by key."""
    found: dict[str, Read] = {}
    for some in batched(keys, ASKED_AT_ONCE):
        rows = ToolEmbedding.objects.filter(key__in=some).values_list("key", "vector")
        found.update((key, Read.of(bytes(vector))) for key, vector in rows)
    return found


def read_texts(texts: Mapping[str, str], model: Reader) -> None:
    """Read those of ``texts`` (by key) that nobody has read, and store that."""
    known = set(ToolEmbedding.objects.filter(key__in=list(texts)).values_list("key", flat=True))
    unread = sorted((item for item in texts.items() if item[0] not in known), key=lambda item: len(item[1]))  # like lengths cost least
    for some in batched(unread, READ_AT_ONCE):
        reads = model.read([text for _, text in some])
        rows = [ToolEmbedding(key=key, vector=read.stored) for (key, _), read in zip(some, reads, strict=True)]
        ToolEmbedding.objects.bulk_create(rows, ignore_conflicts=True)  # another worker may have been as fast


def read_tools_of(server_id: UUID) -> None:
    """Read what the server offers now; nothing where the model is not installed."""
    model = reader()
    if model is None:
        return
    tools = Tool.objects.filter(server=server_id).values_list("server__name", "definition")
    texts = [document(name, definition).text for name, definition in tools]
    read_texts({key_of(text): text for text in texts}, model)


def forget_old() -> None:
    """Delete what was read long ago, some at a time."""
    old = ToolEmbedding.objects.filter(created_at__lt=timezone.now() - KEEP)
    while keys := list(old.values_list("key", flat=True)[:FORGET_AT_ONCE]):
        ToolEmbedding.objects.filter(key__in=keys).delete()
