"""Tasks that are watched: none fails unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


def background(work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
    """Run something for as long as DTMA does; if it fails, the log says so."""
    task = asyncio.create_task(work, name=what)
    task.add_done_callback(_report)
    return task


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, whichever way."""
    task.cancel()
    await asyncio.wait({task})


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)
