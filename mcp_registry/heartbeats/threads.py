"""The threads that speak with the database for heartbeats, apart from each other: what is slow does not hold up what is quick."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from channels.db import DatabaseSyncToAsync

ONE_BY_ONE = 4
_batches = ThreadPoolExecutor(1, "heartbeats")
_singles = ThreadPoolExecutor(ONE_BY_ONE, "heartbeat")


def in_batch_thread[**P, R](work: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same to await: done in the one thread of batches."""
    return DatabaseSyncToAsync(work, thread_sensitive=False, executor=_batches)


def in_own_thread[**P, R](work: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same to await: done in one of the threads of heartbeats that are taken by themselves."""
    return DatabaseSyncToAsync(work, thread_sensitive=False, executor=_singles)
