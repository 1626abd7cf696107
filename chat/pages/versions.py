"""Earlier versions of what was said: an edit, another try and other arguments take the place of a message and of all that followed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from chat.models import Conversation


@dataclass(frozen=True)
class Versions:
    """That a turn is the ``number``-th of ``total``; ``earlier`` and ``later`` are the queries and places of its neighbours' pages."""

    number: int
    total: int
    earlier: str = ""
    later: str = ""


@dataclass(frozen=True)
class Row:
    """A run, as far as it matters here."""

    id: UUID
    number: int
    replaces: UUID | None
    is_superseded: bool


class History:
    """All runs of a conversation, those too that are no part of it any more."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: row.number)
        self._by_id = {row.id: row for row in self.rows}
        self._replaced_by = {row.replaces: row.id for row in self.rows if row.replaces}
        self._gone = self._removals()

    def versions_of(self, run_id: UUID) -> Versions | None:
        """None where there is one alone."""
        chain = self._chain(run_id)
        place = chain.index(run_id)
        if len(chain) == 1:
            return None
        beside = [self._address(chain[at]) if 0 <= at < len(chain) else "" for at in (place - 1, place + 1)]
        return Versions(place + 1, len(chain), *beside)

    def stood_with(self, run_id: UUID) -> list[UUID]:
        """The runs that were the conversation when this one was a part of it the last time, in their order."""
        until = self._gone.get(run_id)
        return [row.id for row in self._standing(until)]

    def _chain(self, run_id: UUID) -> list[UUID]:
        """All versions of a run, the first one first."""
        chain = [run_id]
        while (before := self._by_id[chain[0]].replaces) in self._by_id:
            chain.insert(0, before)
        while after := self._replaced_by.get(chain[-1]):
            chain.append(after)
        return chain

    def _address(self, run_id: UUID) -> str:
        return f"?version={run_id}#run-{run_id}" if self._by_id[run_id].is_superseded else f"#run-{run_id}"

    def _removals(self) -> dict[UUID, int]:
        """By which number each run that is no part of it any more was replaced, or taken away with one that was."""
        gone: dict[UUID, int] = {}
        standing: list[Row] = []
        for row in self.rows:
            if row.replaces in self._by_id:
                first = self._by_id[row.replaces].number
                gone |= {other.id: row.number for other in standing if other.number >= first}
                standing = [other for other in standing if other.number < first]
            standing.append(row)
        return gone

    def _standing(self, until: int | None) -> list[Row]:
        """What the conversation was before a number was said; None: what it is."""
        if until is None:
            return [row for row in self.rows if not row.is_superseded]
        return [row for row in self.rows if row.number < until <= self._gone.get(row.id, until)]


def history_of(conversation: Conversation) -> History:
    """One query."""
    rows = conversation.runs.order_by("number").values_list("pk", "number", "replaces", "is_superseded")
    return History(Row(*row) for row in rows)
