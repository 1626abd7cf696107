"""Open pages of the fleet's owners: how long after a toolbox noticed a change it is on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.stack import Stack


class Watch:
    """What was sent, and when which page showed it."""

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], float] = {}
        self.seconds: list[float] = []
        self.missed = 0
        self.reconnects = 0
        self._pages: dict[int, int] = {}
        self._seen: dict[tuple[int, str], int] = {}

    def sent(self, number: int, mark: str, at: float) -> None:
        """A watched toolbox begins to report a change."""
        self._sent[number, mark] = at

    async def watch(self, session: aiohttp.ClientSession, url: str, number: int) -> None:
        """Keep a page open and look for the marks of one toolbox."""
        self._pages[number] = self._pages.get(number, 0) + 1
        found: set[str] = set()
        while True:
            async with session.ws_connect(url, max_msg_size=0) as page:
                async for message in page:
                    self._look(number, message.data, found)
            self.reconnects += 1  # as a browser does

    def _look(self, number: int, shown: str, found: set[str]) -> None:
        now = time.time()
        for (box, mark), at in list(self._sent.items()):
            if box == number and mark not in found and mark in shown:
                found.add(mark)
                self._seen[box, mark] = self._seen.get((box, mark), 0) + 1
                self.seconds.append(now - at)

    @property
    def pages(self) -> int:
        """How many are open."""
        return sum(self._pages.values())

    def close(self, grace_seconds: float = 2.0) -> None:
        """Count what no page has shown; a change that the next followed within the time that a page takes is shown with that one."""
        end = time.time() - grace_seconds
        self.missed = sum(self._pages[box] - self._seen.get((box, mark), 0) for (box, mark), at in self._sent.items() if at < end)


@asynccontextmanager
async def open_pages(stack: Stack, fleet: dict[str, Any]) -> AsyncIterator[Watch]:
    """For each watched toolbox the page of its first server and its owner's list of all servers."""
    watch = Watch()
    tasks = []
    sessions = []
    for number in fleet["watched"]:
        toolbox = fleet["toolboxes"][number]
        session = aiohttp.ClientSession(cookies={"sessionid": fleet["sessions"][str(toolbox["owner"])]}, headers={"Origin": stack.url})
        sessions.append(session)
        paths = (f"/ws/servers/{toolbox['servers'][0]}/", "/ws/servers/")
        tasks += [asyncio.create_task(watch.watch(session, stack.url + path, number)) for path in paths]
    try:
        yield watch
        for task in tasks:
            assert not task.done(), task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in sessions:
            await session.close()
