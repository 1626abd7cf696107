"""What was let through and refused, server by server."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

from dtma_wire import Denial, EgressReport

MOST_DENIALS = 200
REMARKS_A_MINUTE = 20
"""A server that tries one address after the other must not drown its own log."""
Remark = Callable[[str], None]


class Tally:
    """Counts for one server. The list of refusals is bounded: the one that is longest past is forgotten first, its count is not."""

    def __init__(self, remark: Remark) -> None:
        self._remark = remark
        self._allowed = self._denied = 0
        self._denials: OrderedDict[tuple[str, int], Denial] = OrderedDict()
        self._minute = self._remarks = 0

    def allow(self) -> None:
        """A connection was let through."""
        self._allowed += 1

    def deny(self, host: str, port: int, because: str) -> None:
        """Something was refused. ``port`` is 0 where a name was looked up and nothing more."""
        now = datetime.now(UTC)
        self._denied += 1
        known = self._denials.pop((host, port), None)
        if known is None:
            known = Denial(host=host, port=port, count=0, first_at=now, last_at=now)
            self._say(f"Egress refused: {host}{f':{port}' if port else ''} ({because}).")
        self._denials[host, port] = known.model_copy(update={"count": known.count + 1, "last_at": now})
        if len(self._denials) > MOST_DENIALS:
            self._denials.popitem(last=False)

    def report(self) -> EgressReport:
        """Everything so far, the newest refusal first."""
        return EgressReport(allowed=self._allowed, denied=self._denied, denials=tuple(reversed(self._denials.values())))

    def _say(self, text: str) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._remarks = minute, 0
        self._remarks += 1
        if self._remarks <= REMARKS_A_MINUTE:
            self._remark(text)
        elif self._remarks == REMARKS_A_MINUTE + 1:
            self._remark("Further refusals of this minute are counted and listed, but not logged.")
