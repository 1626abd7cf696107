"""Which images may go: a pure decision over what is there, who uses it, and how old that is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """An image that DTMA made or pulled. ``names`` are those that are DTMA's to take away.

    ``base`` is the id of the image that it stands on. ``superseded``: another image has its name by now, so nobody will ask for it.
    """

    id: str
    names: tuple[str, ...]
    last_used: float
    base: str = ""
    superseded: bool = False


@dataclass(frozen=True)
class Plan:
    """Images that go, and those that go too while the disk is full: each in the order in which they go, what stands on a base before it."""

    expired: tuple[Candidate, ...]
    spare: tuple[Candidate, ...]


def plan(
    candidates: Collection[Candidate], *, needed: Iterable[str], ready: Collection[str], now: float, max_age: float, fresh: float
) -> Plan:
    """Decide. ``needed`` are the ids that a spec names or a container uses; ``ready`` those of bases that only a full disk removes.

    All times are in seconds. What was used less than ``fresh`` ago stays: somebody may be building on it. An image keeps what it stands on.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    in_hand = {candidate.id for candidate in candidates if now - candidate.last_used < fresh and not candidate.superseded}
    kept = needed_with_bases(candidates, in_hand.union(needed))
    heights: dict[str, int] = {}
    for candidate in candidates:
        for height, below in enumerate(_down_from(candidate, by_id)):
            heights[below.id] = max(height, heights.get(below.id, 0))
    free = sorted(
        (candidate for candidate in candidates if candidate.id not in kept),
        key=lambda candidate: (heights[candidate.id], candidate.last_used, candidate.id),
    )
    expired: list[Candidate] = []
    spare: list[Candidate] = []
    stood_on: set[str] = set()
    for candidate in free:
        too_old = candidate.superseded or now - candidate.last_used > max_age
        if too_old and candidate.id not in stood_on and candidate.id not in ready:
            expired.append(candidate)
        else:
            spare.append(candidate)
            stood_on.add(candidate.base)
    return Plan(tuple(expired), tuple(spare))


def needed_with_bases(candidates: Collection[Candidate], needed: Iterable[str]) -> set[str]:
    """The ids among ``needed`` that are candidates, and those of all that they stand on."""
    by_id = {candidate.id: candidate for candidate in candidates}
    return {below.id for candidate in map(by_id.get, needed) for below in _down_from(candidate, by_id)}


def _down_from(candidate: Candidate | None, by_id: Mapping[str, Candidate]) -> Iterator[Candidate]:
    """An image, the one that it stands on, and so on. An id is a hash over what is below, so this ends."""
    while candidate is not None:
        yield candidate
        candidate = by_id.get(candidate.base)
