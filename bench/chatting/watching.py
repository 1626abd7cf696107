"""One run, looked at as a page looks at it (a WebSocket that brings HTML) and as a program does (Server-Sent Events)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.measured import Api
from bench.tasking.asking import events

STAMP = re.compile(r"\d{3,}\.\d{6}")
LAST_WORDS_SECONDS = 10.0


@dataclass
class Late:
    """How late each moment was where it arrived, in ms, by its text. One that comes again, as in a text that is sent anew, counts once."""

    tokens: dict[str, float] = field(default_factory=dict)
    tool: dict[str, float] = field(default_factory=dict)


def note(into: dict[str, float], text: str, at: float) -> None:
    """The moments in a text that arrived at `at`."""
    for stamp in STAMP.findall(text):
        into.setdefault(stamp, (at - float(stamp)) * 1000)


class Page:
    """What a page's socket has brought: every moment with its delay."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._news = asyncio.Event()
        self.shown: dict[str, float] = {}

    async def read(self) -> None:
        """Until the socket is closed."""
        async for message in self._socket:
            note(self.shown, str(message.data), time.monotonic())
            self._news.set()

    async def has(self, stamps: Iterable[str]) -> bool:
        """Whether it has shown all of these, or does within some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while not set(stamps) <= set(self.shown):
                    self._news.clear()
                    await self._news.wait()
        return set(stamps) <= set(self.shown)


@dataclass
class Seen:
    """What became of one run. ``beats`` are in its answer; ``whole``: the page has shown all of them."""

    page: Late
    program: Late
    status: str
    beats: int
    whole: bool


async def watched(api: Api, browser: aiohttp.ClientSession, agent: str, text: str, limit_seconds: float) -> Seen:
    """Ask, with the page open, and follow both to the end. Raises TimeoutError."""
    conversation = (await api.ask("POST", "conversations/", {"agent": agent}))["id"]
    headers = {"Origin": api.stack.url}
    async with asyncio.timeout(limit_seconds), browser.ws_connect(f"/ws/chat/{conversation}/", headers=headers, max_msg_size=0) as socket:
        page = Page(socket)
        reading = asyncio.create_task(page.read())
        try:
            run = await api.ask("POST", f"conversations/{conversation}/messages/", {"text": text})
            program, status = await _followed(api, run["id"])
            whole = await page.has(program.tokens)
        finally:
            reading.cancel()
    shown = Late(*({stamp: page.shown[stamp] for stamp in known if stamp in page.shown} for known in (program.tokens, program.tool)))
    answer = (await api.ask("GET", f"runs/{run['id']}/"))["answer"]
    return Seen(shown, program, status, len(STAMP.findall(answer)), whole)


async def _followed(api: Api, run: str) -> tuple[Late, str]:
    late = Late()
    ended: dict[str, float] = {}
    status = ""
    async with aclosing(events(api, run)) as told:
        async for event in told:
            _take(event, late, ended)
            if event["kind"] == "run.ended":
                status = event["data"]["status"]
    steps = (await api.ask("GET", f"runs/{run}/"))["steps"]
    for step in steps:  # the result tells when it was sent; `tool.ended` told that it had come
        if step["id"] in ended:
            note(late.tool, str(step["result"]), ended[step["id"]])
    return late, status


def _take(event: dict[str, Any], late: Late, ended: dict[str, float]) -> None:
    data, now = event["data"], time.monotonic()
    if event["kind"] == "text.delta":
        note(late.tokens, data["text"], now)
    elif event["kind"] == "tool.progress":
        note(late.tool, data.get("message") or "", now)
    elif event["kind"] == "tool.ended":
        ended[data["step"]] = now
