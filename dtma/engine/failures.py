"""The engine's failures as DTMA's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiodocker
import aiohttp

from dtma.errors import EngineUnavailable

LIMIT_SECONDS = 60.0


class EngineRefused(Exception):
    """The engine answers, and says no. ``status`` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def disk_full(self) -> bool:
        """Whether it says no because its disk is full."""
        return "no space left on device" in str(self).lower()


@contextmanager
def failures() -> Iterator[None]:
    """What is raised inside comes out as ``EngineUnavailable`` or ``EngineRefused``."""
    try:
        yield
    except aiodocker.DockerError as error:
        if error.status == 900:
            raise EngineUnavailable("it cannot be reached") from error
        raise EngineRefused(error.status, error.message.strip()) from error
    except TimeoutError as error:
        raise EngineUnavailable("it took too long") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineUnavailable(str(error) or type(error).__name__) from error


async def to_the_end[Result](coroutine: Any) -> Result:
    """Await something that must not be left half done; a cancellation is raised when it is done."""
    task: asyncio.Task[Result] = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
