"""What the processes of a stack use: memory and processor time, with all their children."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

from tests.stack import Stack

PROGRAMS = ("intake", "postgres", "web", "worker", "beat")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Of one program: proportional memory (what several share counts once), and processor seconds so far."""

    memory_mb: float
    cpu_seconds: float


def usage(stack: Stack) -> dict[str, Usage]:
    """Of each program, now."""
    return {name: _of(stack.process(name)) for name in PROGRAMS}


def _of(pid: int) -> Usage:
    memory = cpu = 0.0
    leader = psutil.Process(pid)
    for process in (leader, *leader.children(recursive=True)):
        try:
            memory += process.memory_full_info().pss / 2**20
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        # Of children that have ended, only their parent's count is left.
        cpu += times.user + times.system + (times.children_user + times.children_system if process.pid == pid else 0)
    return Usage(memory, cpu)
