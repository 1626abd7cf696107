"""What one tool call costs: the container's figures before and after it.

A container has no figures per call, so the cost is exact where a call had the container to itself, and ``shared`` where another measured
call overlapped: then each of them carries what all of them used in its time, give or take ``SHARED_SECONDS`` at either end.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from dtma.observing.gauges import Gauges

COST = "io.agentopia/cost"
"""The key in a result's ``_meta`` (MCP 2025-11-25, "General fields")."""
SHARED_SECONDS = 0.001
"""Calls that overlap take each other's readings while these are no older than this: each reading is half a dozen system calls."""


class Reading(NamedTuple):
    """The figures of one moment, on the clock ``time.perf_counter``."""

    at: float
    cpu_seconds: float
    memory_bytes: int
    """In use, file cache left out."""
    cache_bytes: int
    peak_bytes: int | None
    """With file cache."""
    sent_bytes: int | None


class Meter:
    """Measures the calls of one container. Without ``gauges``, or once the container is gone, it measures nothing.

    ``answers_over_network`` is true of HTTP servers: their answers leave the container over its network like everything else.
    """

    def __init__(self, gauges: Gauges | None = None) -> None:
        self.gauges = gauges
        self.answers_over_network = False
        self.open: set[Measurement] = set()
        self._latest: Reading | None = None

    def begin(self) -> Measurement:
        """Call right before the request is sent. ``end`` of the measurement must follow, whichever way the call ends."""
        return Measurement(self)

    def read(self, now: float, *, shared: bool) -> Reading | None:
        """The figures now, or where calls overlap a moment ago; None where they cannot be read."""
        latest = self._latest
        if shared and latest is not None and now - latest.at <= SHARED_SECONDS:
            return latest
        try:
            self._latest = None if self.gauges is None else _read(self.gauges, now)
        except OSError:  # the container is gone
            self._latest = None
        return self._latest

    def renew_peak(self) -> None:
        """Let the peak begin anew, where the kernel does that."""
        if self.gauges is not None and self.gauges.renews_peak:
            try:
                self.gauges.renew_peak()
            except OSError:  # the container is gone, as reading it will show
                return


class Measurement:
    """One call that is being measured."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.shared = bool(meter.open)
        if len(meter.open) == 1:  # where there are more, they know already
            next(iter(meter.open)).shared = True
        meter.open.add(self)
        if not self.shared:
            meter.renew_peak()
        self._began = time.perf_counter()
        self._before = meter.read(self._began, shared=self.shared)

    def end(self) -> dict[str, Any]:
        """Call when the response is there; returns what to merge into its ``_meta``, nothing where the figures cannot be read.

        ``cpu_seconds``; ``egress_bytes``, all that the container sent, None if that is not told, with ``egress_includes_answer`` where it
        sends its answers that way too; ``peak_memory_bytes``, the highest use during the call above that at its beginning, file
        cache that can be given back left out. Where the kernel tells no peak of a single call there is ``memory_growth_bytes``
        instead, the use at the end above that at the beginning. ``server_seconds``, how long it took. Ending it again returns nothing.
        """
        meter = self._meter
        if self not in meter.open:
            return {}
        meter.open.remove(self)
        if meter.gauges is None or self._before is None:
            return {}
        ended = time.perf_counter()
        after = meter.read(ended, shared=self.shared)
        if after is None:  # it ended with this call
            return {}
        cost = _used(self._before, after, renewed=meter.gauges.renews_peak)
        if meter.answers_over_network:
            cost["egress_includes_answer"] = True
        return {COST: {**cost, "server_seconds": round(ended - self._began, 6), "shared": self.shared}}


def _read(gauges: Gauges, now: float) -> Reading:
    used, cache = gauges.memory()
    network = gauges.network()
    return Reading(now, gauges.cpu_seconds(), used - cache, cache, gauges.renewed_peak(), None if network is None else network[1])


def _used(before: Reading, after: Reading, *, renewed: bool) -> dict[str, Any]:
    cost: dict[str, Any] = {
        "cpu_seconds": round(after.cpu_seconds - before.cpu_seconds, 6),
        "egress_bytes": None if before.sent_bytes is None or after.sent_bytes is None else after.sent_bytes - before.sent_bytes,
    }
    # A peak that the kernel does not begin anew is one of this call only if it rose.
    if after.peak_bytes is not None and (renewed or (before.peak_bytes is not None and after.peak_bytes > before.peak_bytes)):
        cost["peak_memory_bytes"] = max(0, after.peak_bytes - after.cache_bytes - before.memory_bytes)
    else:
        cost["memory_growth_bytes"] = after.memory_bytes - before.memory_bytes
    return cost
