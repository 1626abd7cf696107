"""What a container printed while DTMA was away, told apart from what was logged before and what arrived afterwards.

The engine's log has every line with a time, the attach stream has none, and a line that is repeated looks like its double. But all three
are the same lines in the same order. So the end of what is known is looked for in the engine's log as a sequence, likewise the beginning
of what arrived since; what is between them is new. Times only choose where a sequence occurs more than once, which asks that the same
lines are not repeated faster than DTMA takes them, and stand in where it does not occur at all (lines of several containers are mixed,
or some could not be written).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

_COMPARED = 50
"""So many lines at the seam are compared by their times, at so many places."""


_BURST = 2000
"""Microseconds that do not tell lines apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """``at`` is in microseconds since 1970: when the engine or DTMA saw it."""

    at: int
    text: str


def between(known: list[Line], printed: list[Line], held: list[Line], attached_at: int) -> list[Line]:
    """Those lines of ``printed``, the engine's log, that come after all of ``known`` and before all of ``held``.

    ``printed`` begins before the first line of ``known`` or with the container, and was read after the last line of ``held`` had
    arrived or a moment before; ``attached_at`` is when DTMA began to attach, after which nothing was lost.
    """
    rest = printed[_end_of_known(known, printed, attached_at) :]
    return rest[: _begin_of_held(rest, held, attached_at)]


def _end_of_known(known: list[Line], printed: list[Line], attached_at: int) -> int:
    if not known:
        return 0
    sought, texts, last = [line.text for line in known], [line.text for line in printed], known[-1].at
    starts = sorted(_occurrences(sought, texts), key=lambda start: abs(printed[start + len(known) - 1].at - last))
    if starts:
        ends = [start + len(known) for start in starts[:_COMPARED]]
        return min(ends, key=lambda end: _lag(printed[:end][-_COMPARED:], known[-_COMPARED:]))
    for length in range(min(len(known), len(printed)), 0, -1):  # what is known goes further back than the engine's log
        if texts[:length] == sought[-length:]:
            return length
    if last > attached_at:  # the clock was set back, so its time says nothing; rather twice in the log than lost
        return 0
    return sum(line.at <= last for line in printed)


def _begin_of_held(rest: list[Line], held: list[Line], attached_at: int) -> int:
    texts, arrived = [line.text for line in rest], [line.text for line in held]
    begins = []
    for begin in range(len(rest)):
        common = min(len(rest) - begin, len(held))
        if rest[begin].at >= attached_at and common and texts[begin : begin + common] == arrived[:common]:
            begins.append(begin)
    lags = {begin: _lag(rest[begin:], held[:_COMPARED]) for begin in begins[:_COMPARED]}
    # Lines of one burst have hardly different times: then as many as can be are taken for the same.
    return next((begin for begin, lag in lags.items() if lag <= min(lags.values()) + _BURST), len(rest))


def _lag(printed: list[Line], arrived: list[Line]) -> float:
    """By how much the times of the same lines differ, in the mean."""
    differences = [abs(line.at - same.at) for line, same in zip(printed, arrived, strict=False)]
    return sum(differences) / len(differences)


def _occurrences(sought: list[str], texts: list[str]) -> list[int]:
    """Where a sequence of texts is found in another, at which indexes it begins."""
    numbers: dict[str, int] = {}
    needle, hay = (array("I", [numbers.setdefault(text, len(numbers)) for text in part]) for part in (sought, texts))
    found, width, wanted, whole = [], needle.itemsize, needle.tobytes(), hay.tobytes()
    at = whole.find(wanted)
    while at >= 0:
        if at % width == 0:
            found.append(at // width)
        at = whole.find(wanted, at + 1)
    return found
