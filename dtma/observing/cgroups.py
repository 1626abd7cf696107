"""Which control groups a container is in, and how v1 and v2 tell its figures."""

from __future__ import annotations

import os
from pathlib import Path

from dtma.observing.gauges import Figures, Files, Gauges, field, limit

PROC = Path("/proc")


def open_gauges(container: str, pid: int, proc: Path = PROC) -> Gauges | None:
    """The gauges of a running container, ``pid`` being its first process as the engine numbers it; None if they cannot be read from here.

    That is so where the engine is on another host, or DTMA in a container that sees other process ids or control groups.
    """
    try:
        paths = _paths(proc, pid, container)
        mounts = _mounts(proc)
        network = os.open(proc / str(pid) / "net" / "dev", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    gauges: Gauges
    if {"memory", "cpuacct"} <= paths.keys() & mounts.keys():
        gauges = V1({name: mounts[name] / path for name, path in paths.items() if name in mounts}, network, proc)
    elif "" in paths and "" in mounts:
        gauges = V2(mounts[""] / paths[""], network)
    else:
        os.close(network)
        return None
    try:
        gauges.figures()
        if _paths(proc, pid, container) == paths:  # else the process ended, and its number may be another's
            return gauges
    except (OSError, ValueError):
        pass  # a figure that must be there is not
    gauges.close()
    return None


def _paths(proc: Path, pid: int, container: str) -> dict[str, str]:
    """Per controller of v1, and for v2 under an empty name, the path of a process's group; empty if it is not of this container.

    Docker's groups bear the container's id, whichever its cgroup driver. A process id alone could by now be somebody else's.
    """
    paths = {}
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if container in path:
            paths.update({name: path.lstrip("/") for name in controllers.split(",")})
    return paths


def _mounts(proc: Path) -> dict[str, Path]:
    """Where the hierarchies are mounted: per controller of v1, and that of v2 under an empty name."""
    mounts: dict[str, Path] = {}
    for line in (proc / "self" / "mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split()
        if kind == "cgroup2":
            mounts[""] = Path(point)
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.split(","), Path(point)))
    return mounts


class V2(Gauges):
    """One directory. Figures of a controller that is switched off are not told, and without memory or pids there are no gauges at all."""

    def __init__(self, group: Path, network: int) -> None:
        files = Files()
        for name in ("cpu.stat", "memory.current", "memory.max", "memory.stat", "memory.events", "memory.peak", "pids.current", "io.stat"):
            files.add(name, group / name)
        # Since Linux 6.12 writing to it begins the peak anew for this descriptor alone.
        self.renews_peak = files.add("renewed", group / "memory.peak", write=True)
        super().__init__(files, network)

    def figures(self) -> Figures:
        files = self._files
        cpu = files.read("cpu.stat")
        used, cache = self.memory()
        network = self.network()
        blocks = self._blocks() if "io.stat" in files else None
        return Figures(
            cpu_seconds=field(cpu, b"usage_usec") / 1e6,
            throttled_seconds=field(cpu, b"throttled_usec") / 1e6 if b"throttled_usec" in cpu else None,
            memory_bytes=used - cache,
            memory_limit_bytes=limit(files.read("memory.max")),
            memory_peak_bytes=files.number("memory.peak") if "memory.peak" in files else None,
            out_of_memory_kills=field(files.read("memory.events"), b"oom_kill"),
            pids=files.number("pids.current"),
            network_received_bytes=network[0] if network else None,
            network_sent_bytes=network[1] if network else None,
            block_read_bytes=blocks[0] if blocks else None,
            block_written_bytes=blocks[1] if blocks else None,
        )

    def cpu_seconds(self) -> float:
        return field(self._files.read("cpu.stat"), b"usage_usec") / 1e6

    def memory(self) -> tuple[int, int]:
        return self._files.number("memory.current"), field(self._files.read("memory.stat"), b"inactive_file")

    def renew_peak(self) -> None:
        self._files.write("renewed", b"0")

    def renewed_peak(self) -> int | None:
        if self.renews_peak:
            return self._files.number("renewed")
        return self._files.number("memory.peak") if "memory.peak" in self._files else None

    def _blocks(self) -> tuple[int, int]:
        words = self._files.read("io.stat", long=True).split()
        return (
            sum(int(word[7:]) for word in words if word.startswith(b"rbytes=")),
            sum(int(word[7:]) for word in words if word.startswith(b"wbytes=")),
        )


class V1(Gauges):
    """A directory per controller."""

    def __init__(self, groups: dict[str, Path], network: int, proc: Path) -> None:
        files = Files()
        for controller, name in (
            ("cpuacct", "cpuacct.usage"),
            ("cpu", "cpu.stat"),
            ("memory", "memory.usage_in_bytes"),
            ("memory", "memory.limit_in_bytes"),
            ("memory", "memory.stat"),
            ("memory", "memory.oom_control"),
            ("memory", "memory.max_usage_in_bytes"),
            ("pids", "pids.current"),
        ):
            if controller in groups:
                files.add(name, groups[controller] / name)
        self.renews_peak = "memory" in groups and files.add("renewed", groups["memory"] / "memory.max_usage_in_bytes", write=True)
        if "blkio" in groups:
            blocks = "blkio.throttle.io_service_bytes"
            files.add(blocks, groups["blkio"] / f"{blocks}_recursive") or files.add(blocks, groups["blkio"] / blocks)
        super().__init__(files, network)
        self._proc = proc
        self._processes = groups["memory"] / "cgroup.procs"
        self._highest = 0
        self._blocks_before = (0, 0)

    def figures(self) -> Figures:
        files = self._files
        used, cache = self.memory()
        network = self.network()
        blocks = self._blocks()
        self._highest = max(self._highest, files.number("memory.max_usage_in_bytes"))
        return Figures(
            cpu_seconds=self.cpu_seconds(),
            throttled_seconds=files.field("cpu.stat", b"throttled_time") / 1e9 if "cpu.stat" in files else None,
            memory_bytes=used - cache,
            memory_limit_bytes=limit(files.read("memory.limit_in_bytes")),
            memory_peak_bytes=self._highest,
            out_of_memory_kills=files.field("memory.oom_control", b"oom_kill"),
            pids=files.number("pids.current"),
            network_received_bytes=network[0] if network else None,
            network_sent_bytes=network[1] if network else None,
            block_read_bytes=blocks[0] if blocks else None,
            block_written_bytes=blocks[1] if blocks else None,
        )

    def cpu_seconds(self) -> float:
        return self._files.number("cpuacct.usage") / 1e9

    def memory(self) -> tuple[int, int]:
        return self._files.number("memory.usage_in_bytes"), self._files.field("memory.stat", b"total_inactive_file")

    def renew_peak(self) -> None:
        # There is one peak for everybody: what it was is kept for ``figures``.
        self._highest = max(self._highest, self._files.number("memory.max_usage_in_bytes"))
        self._files.write("renewed", b"0")

    def renewed_peak(self) -> int | None:
        return self._files.number("memory.max_usage_in_bytes")

    def _blocks(self) -> tuple[int, int] | None:
        """Bytes read from and written to disks. Newer kernels count them per group only where a limit is set; then its processes tell."""
        name = "blkio.throttle.io_service_bytes"
        lines = [line.split() for line in self._files.read(name).splitlines()] if name in self._files else []
        if any(len(words) == 3 and words[2] != b"0" for words in lines):
            return (
                sum(int(words[2]) for words in lines if words[1] == b"Read"),
                sum(int(words[2]) for words in lines if words[1] == b"Write"),
            )
        return self._blocks_of_processes()

    def _blocks_of_processes(self) -> tuple[int, int] | None:
        """A process's counters include those of its children that ended, so the sum over all that live loses nothing for long."""
        read = written = 0
        try:
            # Opened anew each time: v1 gives who keeps it open an old list for as long as it is read often.
            for pid in self._processes.read_bytes().split():
                try:
                    with open(f"{self._proc}/{pid.decode()}/io", "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the file
                        counters = file.read().replace(b":", b"")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                read += field(counters, b"read_bytes")
                written += field(counters, b"write_bytes")
        except OSError:
            return None
        self._blocks_before = (max(read, self._blocks_before[0]), max(written, self._blocks_before[1]))
        return self._blocks_before
