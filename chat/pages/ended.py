"""Turns that have ended, as HTML: nothing of them changes any more, and most of what a conversation's page shows are such.

They are kept in this process alone, so that what is deleted is nowhere else, and a new version of the templates shows at once. Who asks for
one has its run, and so was let in.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from django.utils.safestring import SafeString

from chat.models import Run

MOST_CHARACTERS = 16_000_000

type _Key = tuple[UUID, datetime]


@dataclass(frozen=True)
class Rendered:
    """The user's message, and what came of it; how it stands at its foot is rendered each time."""

    said: SafeString
    answered: SafeString

    def __len__(self) -> int:
        return len(self.said) + len(self.answered)


_kept: OrderedDict[_Key, Rendered] = OrderedDict()
_lock = Lock()
_size = 0


def kept_of(run: Run) -> Rendered | None:
    """What is kept of it; None where it has to be rendered."""
    if (key := _key(run)) is None:
        return None
    with _lock:
        if found := _kept.get(key):
            _kept.move_to_end(key)
        return found


def keep(run: Run, rendered: Rendered) -> None:
    """Keep it if it has ended; what was not asked for the longest goes where there is too much."""
    global _size  # noqa: PLW0603
    if (key := _key(run)) is None or len(rendered) > MOST_CHARACTERS // 8:
        return
    with _lock:
        if (before := _kept.pop(key, None)) is not None:
            _size -= len(before)
        _kept[key] = rendered
        _size += len(rendered)
        while _size > MOST_CHARACTERS:
            _size -= len(_kept.popitem(last=False)[1])


def _key(run: Run) -> _Key | None:
    return (run.pk, run.ended_at) if run.status in Run.ENDED and run.ended_at else None
