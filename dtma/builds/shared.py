"""Work that several want at once and that is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

type Report = Callable[[str, float | None], None]
"""Told a detail for a person, and how far the work is (0…1) where that is known."""


class _Job:
    def __init__(self) -> None:
        self.listeners: list[Report] = []
        self.last: tuple[str, float | None] | None = None
        self.task: asyncio.Task[str] | None = None

    def report(self, detail: str, fraction: float | None) -> None:
        self.last = detail, fraction
        for listener in self.listeners:
            listener(detail, fraction)


class SharedWork:
    """One task per key. It goes on as long as anybody waits for it, and is cancelled with the last one that leaves."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    async def run(self, key: str, work: Callable[[Report], Awaitable[str]], report: Report) -> str:
        """Join the work under this key or begin it; returns or raises what it does."""
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job()
            job.task = asyncio.create_task(self._do(key, job, work))
        assert job.task is not None
        job.listeners.append(report)
        if job.last is not None:
            report(*job.last)
        try:
            return await asyncio.shield(job.task)
        finally:
            job.listeners.remove(report)
            if not job.listeners and not job.task.done():
                if self._jobs.get(key) is job:
                    del self._jobs[key]
                job.task.cancel()
                await asyncio.wait({job.task})

    async def _do(self, key: str, job: _Job, work: Callable[[Report], Awaitable[str]]) -> str:
        try:
            return await work(job.report)
        finally:
            if self._jobs.get(key) is job:
                del self._jobs[key]
