"""A container's figures straight from the kernel, out of its control groups and its network namespace.

Files are opened once and then read with ``pread``, about 1 µs each, so that neither the engine nor the event loop notices. What is in
them is said in the kernel's ``Documentation/admin-guide``: ``cgroup-v1/`` and ``cgroup-v2.rst``. Every method raises ``OSError`` once the
container is gone.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

_PIECE = 8 * 1024
"""More than any of these files has, but for one that lists what a container may have thousands of."""
_LONG_PIECE = 64 * 1024
_HOST_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True, slots=True)
class Figures:
    """Counters grow from the start of the container. What this kernel does not tell is None."""

    cpu_seconds: float
    throttled_seconds: float | None
    memory_bytes: int
    """Without file cache that can be given back at once."""
    memory_limit_bytes: int
    memory_peak_bytes: int | None
    """With file cache: the kernel keeps no other."""
    out_of_memory_kills: int
    pids: int
    network_received_bytes: int | None
    network_sent_bytes: int | None
    block_read_bytes: int | None
    block_written_bytes: int | None


class Gauges(ABC):
    """One container's open files. They keep its network namespace alive until they are closed."""

    renews_peak: bool
    """Whether ``renew_peak`` works here."""

    def __init__(self, files: Files, network: int | None) -> None:
        self._files = files
        self._network = network

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        self._files.close()
        if self._network is not None:
            os.close(self._network)
            self._network = None

    @abstractmethod
    def figures(self) -> Figures:
        """Everything, now."""

    @abstractmethod
    def cpu_seconds(self) -> float:
        """CPU time used since the container started."""

    @abstractmethod
    def memory(self) -> tuple[int, int]:
        """Bytes in use, and how many of them are file cache that can be given back at once."""

    @abstractmethod
    def renew_peak(self) -> None:
        """Let ``renewed_peak`` begin anew with what is in use now."""

    @abstractmethod
    def renewed_peak(self) -> int | None:
        """The most bytes in use, file cache included, since it was renewed; since the start where it never was. None if it is not told."""

    def network(self) -> tuple[int, int] | None:
        """Bytes received and sent over all interfaces but the loopback."""
        if self._network is None:
            return None
        received = sent = 0
        for line in os.pread(self._network, _PIECE, 0).splitlines()[2:]:
            name, _, counters = line.partition(b":")
            if name.strip() != b"lo":
                columns = counters.split(None, 9)
                received += int(columns[0])
                sent += int(columns[8])
        return received, sent


class Files:
    """Open files by name."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def add(self, name: str, path: Path, *, write: bool = False) -> bool:
        """Open one; False if there is none that can be opened so."""
        try:
            if write and not path.stat().st_mode & 0o200:  # the kernel refuses root too where there is nothing to write
                return False
            self._open[name] = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
        except OSError:
            return False
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def read(self, name: str, *, long: bool = False) -> bytes:
        """All of a file."""
        return os.pread(self._descriptor(name), _LONG_PIECE if long else _PIECE, 0)

    def number(self, name: str) -> int:
        """A file that is one number."""
        return int(self.read(name))

    def field(self, name: str, key: bytes) -> int:
        """A number out of a file of lines ``key value``; 0 if it has no such line."""
        return field(self.read(name), key)

    def write(self, name: str, data: bytes) -> None:
        """Write to a control file."""
        os.pwrite(self._descriptor(name), data, 0)

    def close(self) -> None:
        """Close all."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _descriptor(self, name: str) -> int:
        try:
            return self._open[name]
        except KeyError:
            raise FileNotFoundError(f"{name} is not open") from None


def field(content: bytes, key: bytes) -> int:
    """A number out of lines ``key value``; 0 if there is no such line."""
    content = b"\n" + content
    start = content.find(b"\n" + key + b" ")
    return 0 if start < 0 else int(content[start + len(key) + 2 :].split(b"\n", 1)[0])


def limit(content: bytes) -> int:
    """A limit in bytes; that of the host where there is none (v2 says ``max``, v1 a number beyond all memory)."""
    text = content.strip()
    return _HOST_MEMORY if text == b"max" else min(int(text), _HOST_MEMORY)
