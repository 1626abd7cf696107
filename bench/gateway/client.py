"""Sessions of the load client that call the upstream's tools, each answer checked."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from bench.load import Session


class Caller(Session):
    """One session; ``prefix`` stands before the names of tools, as the gateway gives them for an agent's whole."""

    prefix = ""

    async def echo(self, text: str) -> str:
        result = await self.request("tools/call", {"name": f"{self.prefix}echo", "arguments": {"text": text}})
        said = str(result["content"][0]["text"])
        assert said == text, f"{said!r} in place of {text!r}"
        return said

    async def big(self, text: str) -> str:
        """100 KB of text."""
        result = await self.request("tools/call", {"name": f"{self.prefix}big", "arguments": {"n_kb": 100}})
        said = str(result["content"][0]["text"])
        assert len(said) == 102_400
        return said

    async def listed(self, text: str = "") -> int:
        """How many tools there are, over all pages."""
        count = 0
        params: dict[str, str] = {}
        while True:
            result = await self.request("tools/list", params)
            count += len(result["tools"])
            if not (cursor := result.get("nextCursor")):
                return count
            params = {"cursor": cursor}


@dataclass(frozen=True)
class Way:
    """An address that is measured, and how its tools are called there."""

    name: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    prefix: str = ""

    async def opened(self) -> Caller:
        caller = Caller(self.url, self.headers)
        caller.prefix = self.prefix
        await caller.open()
        return caller


@dataclass
class Turn:
    """What came of some seconds of calls: milliseconds of each, and how long it all took."""

    taken: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return len(self.taken) / self.seconds


async def busy(callers: list[Caller], what: str, seconds: float) -> Turn:
    """All of them at once, each one call after the other; ``what`` is a method of `Caller`."""
    taken: list[float] = []
    began = time.perf_counter()

    async def calling(caller: Caller) -> None:
        number = 0
        while (before := time.perf_counter()) < began + seconds:
            number += 1
            await getattr(caller, what)(f"call {number}")
            taken.append((time.perf_counter() - before) * 1000)

    await asyncio.gather(*(calling(caller) for caller in callers))
    return Turn(taken, time.perf_counter() - began)
