"""PostgreSQL from the event loop of the runs: in threads of its own, so that one run does not wait for another's question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

_threads = ThreadPoolExecutor(8, "runs")


async def in_database[**P, R](work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do this in one of the threads; what it raises is raised here."""

    def do() -> R:
        close_old_connections()
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.wrap_future(_threads.submit(do))
