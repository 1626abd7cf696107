"""The one event loop in which this process carries out its runs, in a thread of its own; Celery's threads only wait for it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from agentopia.lib.announcements import Following
from agents.calling.ledger import keeping_receipts
from agents.toolsets.following import following as following_toolsets
from chat.live import RUNS
from chat.providers.models import model_connections
from chat.running import questions
from chat.running.database import in_database
from chat.running.events import Writer
from chat.running.holding import Holder
from chat.running.performing import Cut, Performance
from chat.running.taking import take
from toolboxes.dtma import pooled_connections

logger = logging.getLogger(__name__)

END_SECONDS = 10.0


class Engine:
    """Carries out runs in the running event loop, within `working`."""

    def __init__(self) -> None:
        self._writer, self._holder = Writer(), Holder()
        self._now: dict[UUID, Performance] = {}
        self._is_leaving = False

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Within this runs are carried out; at its end those that are not done are handed back."""
        async with AsyncExitStack() as stack:
            for kept in (pooled_connections, keeping_receipts, following_toolsets, model_connections, questions.listening):
                await stack.enter_async_context(kept())
            await stack.enter_async_context(self._writer.writing())
            await stack.enter_async_context(self._holder.holding())
            stops = Following(RUNS, lambda word: self._holder.look_at(UUID(word)), lambda: None)
            await stack.enter_async_context(stops.listening())
            try:
                yield
            finally:
                await self.leave()

    async def perform(self, run_id: UUID) -> None:
        """Carry out a run, if it is due, until it ends, waits for a person, or is another worker's."""
        if self._is_leaving or run_id in self._now:
            return
        try:
            taken = await in_database(take, run_id)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The run %s is not taken up, since the database does not answer: %s", run_id, error)
            return
        if taken is None:
            return
        events = self._writer.opened(taken.run, taken.seq)
        self._now[run_id] = performance = Performance(taken, events, self._holder)
        try:
            await performance.perform()
        finally:
            self._writer.closed(events)
            performance.left.set()
            if self._now.get(run_id) is performance:
                del self._now[run_id]

    async def leave(self) -> None:
        """Take up no more, and let go of what is not done: another process goes on with it."""
        self._is_leaving = True
        for performance in list(self._now.values()):
            performance.cut_off(Cut.LEAVING)
        open_ = [performance.left.wait() for performance in self._now.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(*open_)


class EngineThread:
    """An engine in a thread of its own."""

    def __init__(self) -> None:
        self._started, self._over = threading.Event(), asyncio.Event()
        self._engine = Engine()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), name="runs", daemon=True)
        self._thread.start()
        self._started.wait()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._engine.working():
            self._started.set()
            await self._over.wait()

    def perform(self, run_id: UUID) -> None:
        """Carry out a run; returns when the work on it leaves off."""
        future: Future[None] = asyncio.run_coroutine_threadsafe(self._engine.perform(run_id), self._loop)
        future.result()

    def close(self) -> None:
        """Hand back what is not done, and end."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(2 * END_SECONDS)


_lock = threading.Lock()
_engine: EngineThread | None = None
_is_over = False


def prepared() -> EngineThread | None:
    """This process's engine, made when it is first needed; none once it was closed."""
    global _engine  # noqa: PLW0603 (one for the process)
    with _lock:
        if _engine is None and not _is_over:
            _engine = EngineThread()
        return None if _is_over else _engine


def perform(run_id: UUID) -> None:
    """Carry out a run in this process's engine."""
    if (engine := prepared()) is not None:
        engine.perform(run_id)


def close() -> None:
    """The process ends."""
    global _is_over
    with _lock:
        _is_over, ending = True, _engine
    if ending is not None:
        ending.close()
