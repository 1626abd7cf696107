"""How the double misbehaves on demand."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What goes wrong with the next ``times`` requests of this method whose path matches.

    ``status``: it is answered with that, and nothing is done. ``lost``: it is done, and the connection ends without an answer.
    ``hold``: it waits, "before" or "after" it was done, until `release`; ``reached`` tells that it is there.
    """

    method: str
    path: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    hold: str = ""
    times: int = 1
    skip: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        self.released.set()


class Faults:
    """Those that are still to come."""

    def __init__(self) -> None:
        self._coming: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._coming.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            for fault in self._coming:
                fault.release()
            self._coming.clear()

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._coming:
                if fault.method not in (method, "*") or not re.fullmatch(fault.path, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if fault.times == 0:
                    self._coming.remove(fault)
                return fault
        return None
