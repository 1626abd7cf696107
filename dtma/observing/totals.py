"""All that a server has used so far, and how much of it lies between two moments."""

from __future__ import annotations

from dataclasses import dataclass

from dtma_wire import ServerUsage


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters of one server that never fall while DTMA runs. What cannot be told is None."""

    ran_seconds: float = 0.0
    """For so long it had a container."""
    cpu_seconds: float = 0.0
    received_bytes: int | None = 0
    sent_bytes: int | None = 0
    kills: int = 0
    samples: int = 0
    memory_sum: int = 0
    """Bytes in use, summed over all samples."""

    def since(self, before: Totals) -> Totals:
        """What came between."""
        return Totals(
            self.ran_seconds - before.ran_seconds,
            self.cpu_seconds - before.cpu_seconds,
            _difference(self.received_bytes, before.received_bytes),
            _difference(self.sent_bytes, before.sent_bytes),
            self.kills - before.kills,
            self.samples - before.samples,
            self.memory_sum - before.memory_sum,
        )

    def told(self, server_id: str, memory_limit_bytes: int | None) -> ServerUsage | None:
        """As the wire tells it; None where the server neither ran nor lost a process."""
        if self.ran_seconds <= 0 and not self.kills:
            return None
        return ServerUsage(
            id=server_id,
            seconds=round(self.ran_seconds, 3),
            cpu_percent=round(100 * self.cpu_seconds / self.ran_seconds, 2) if self.ran_seconds > 0 else None,
            memory_bytes=self.memory_sum // self.samples if self.samples else None,
            memory_limit_bytes=memory_limit_bytes,
            received_bytes=self.received_bytes,
            sent_bytes=self.sent_bytes,
            out_of_memory_kills=self.kills,
        )


def _difference(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before
