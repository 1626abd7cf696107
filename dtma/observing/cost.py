"""What one tool call costs: the container's figures before and after it.

A container has no figures per call, so the cost is exact where a call had the container to itself, and ``shared`` where another measured
call overlapped: then each of them carries what all of them used in its time.
"""

from __future__ import annotations

from typing import Any

from dtma.observing.gauges import Gauges

COST = "io.agentopia/cost"
"""The key in a result's ``_meta`` (MCP 2025-11-25, "General fields")."""


class Meter:
    """Measures the calls of one container. Without ``gauges``, or once the container is gone, it measures nothing.

    ``answers_over_network`` is true of HTTP servers: their answers leave the container over its network like everything else.
    """

    def __init__(self, gauges: Gauges | None = None) -> None:
        self.gauges = gauges
        self.answers_over_network = False
        self.open: set[Measurement] = set()

    def begin(self) -> Measurement:
        """Call right before the request is sent. ``end`` of the measurement must follow, whichever way the call ends."""
        return Measurement(self)


class Measurement:
    """One call that is being measured."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.shared = bool(meter.open)
        if len(meter.open) == 1:  # where there are more, they know already
            next(iter(meter.open)).shared = True
        meter.open.add(self)
        self._before = None if meter.gauges is None else _begin(meter.gauges, alone=not self.shared)

    def end(self) -> dict[str, Any]:
        """Call when the response is there; returns what to merge into its ``_meta``, nothing where the figures cannot be read.

        ``cpu_seconds``; ``egress_bytes``, all that the container sent, None if that is not told, with ``egress_includes_answer`` where it
        sends its answers that way too; ``peak_memory_bytes``, the highest use during the call above that at its beginning, file
        cache that can be given back left out. Where the kernel tells no peak of a single call there is ``memory_growth_bytes``
        instead, the use at the end above that at the beginning. Ending it again returns nothing.
        """
        meter = self._meter
        if self not in meter.open:
            return {}
        meter.open.remove(self)
        if meter.gauges is None or self._before is None:
            return {}
        cost = _used(meter.gauges, *self._before)
        if not cost:
            return {}
        if meter.answers_over_network:
            cost["egress_includes_answer"] = True
        return {COST: {**cost, "shared": self.shared}}


type _Before = tuple[float, int, int | None, int | None]
"""CPU seconds, bytes of memory without cache, the peak with it, bytes sent."""


def _begin(gauges: Gauges, *, alone: bool) -> _Before | None:
    try:
        if alone and gauges.renews_peak:
            gauges.renew_peak()
        used, cache = gauges.memory()
        network = gauges.network()
        return gauges.cpu_seconds(), used - cache, gauges.renewed_peak(), None if network is None else network[1]
    except OSError:
        return None


def _used(gauges: Gauges, cpu: float, memory: int, peak: int | None, sent: int | None) -> dict[str, Any]:
    try:
        cpu_now = gauges.cpu_seconds()
        used, cache = gauges.memory()
        peak_now = gauges.renewed_peak()
        network = gauges.network()
    except OSError:  # it ended with this call
        return {}
    cost: dict[str, Any] = {
        "cpu_seconds": round(cpu_now - cpu, 6),
        "egress_bytes": None if network is None or sent is None else network[1] - sent,
    }
    # A peak that the kernel does not begin anew is one of this call only if it rose.
    if peak_now is not None and (gauges.renews_peak or (peak is not None and peak_now > peak)):
        cost["peak_memory_bytes"] = max(0, peak_now - cache - memory)
    else:
        cost["memory_growth_bytes"] = used - cache - memory
    return cost
