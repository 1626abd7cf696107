"""Requests that are under way in this process, and what ends them early: their client leaves, cancels them, or ends its session."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway.answers import Answer
from gateway.resuming import Stream
from mcp_protocol.messages import UNAVAILABLE, encode, failure

_numbers = itertools.count(1)

KEPT_BYTES = 16 * 1024 * 1024
"""Of streams that are over."""
LOOK_AFTER = 0.25
"""Most calls are over by then. Only then there is a stream, and somebody watches for the client to leave: both cost more than a call."""


class Work:
    """One of them."""

    def __init__(self, session_id: str, request_id: Any, answer: Answer) -> None:
        self.session_id = session_id
        self.request_id = request_id
        # In the stateless era clients may use one id for several requests, and cancel none by it.
        self.name = _name(session_id, request_id) if session_id else f"#{next(_numbers)}"
        self.answer = answer
        self.cancelled = False
        """Whether its client does not want it any more."""
        self.left = False
        """Whether its client has gone."""
        self.task = asyncio.current_task()

    def cancel(self) -> None:
        """Its client said so."""
        self.cancelled = True
        self._stop()

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self.left = True
        self._stop()

    def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Works:
    """All of them."""

    def __init__(self) -> None:
        self._open: dict[str, Work] = {}
        self._streams: dict[str, Stream] = {}
        self._over: deque[Stream] = deque()
        self._kept_bytes = 0
        self._errands: set[asyncio.Task[None]] = set()

    def begin(self, session_id: str, request_id: Any, answer: Answer) -> Work:
        """A request that the present task is about to carry out."""
        return Work(session_id, request_id, answer)

    async def run(self, work: Work, receive: Any, doing: Coroutine[None, None, None]) -> None:
        """Do it, in the present task, until it is done or nobody wants it."""
        self._open[work.name] = work
        watching: list[asyncio.Task[None]] = []
        timer = asyncio.get_running_loop().call_later(LOOK_AFTER, lambda: watching.append(asyncio.create_task(self._watch(work, receive))))
        try:
            await doing
        except asyncio.CancelledError:
            if not (work.cancelled or work.left):
                raise
            if work.task is not None:
                work.task.uncancel()
            await self._told(work)
        finally:
            timer.cancel()
            for task in watching:
                task.cancel()
            if self._open.get(work.name) is work:
                del self._open[work.name]
            if work.answer.stream is not None:
                self._finished(work.answer.stream)

    def cancel(self, session_id: str, request_id: Any) -> bool:
        """Cancel a request by its client's wish; whether it is one of this process."""
        return self.cancel_named(_name(session_id, request_id))

    def cancel_named(self, name: str) -> bool:
        work = self._open.get(name)
        if work is not None:
            work.cancel()
        return work is not None

    def end_session(self, session_id: str) -> None:
        """Nothing of a session that is over goes on."""
        for work in [work for work in self._open.values() if work.session_id == session_id and session_id]:
            work.leave()

    def streams(self, stream: Stream) -> Stream:
        """Its answer is a stream that its client may come back for."""
        self._streams[stream.name] = stream
        return stream

    def resumed(self, name: str) -> None:
        """The client of this stream is back, in whatever process."""
        if (stream := self._streams.get(name)) is not None:
            stream.resumed()
            _ = self.errand(stream.hand_over())

    def left(self, name: str) -> None:
        """It has gone again."""
        if (stream := self._streams.get(name)) is not None and not stream.ended:
            stream.left()

    def _finished(self, stream: Stream) -> None:
        """Its client may have gone before the end, unnoticed: it is kept for a moment, as far as there is room."""
        stream.ended = True
        stream.resumed()
        self._over.append(stream)
        self._kept_bytes += stream.size
        while self._over and (self._kept_bytes > KEPT_BYTES or self._over[0].is_old):
            oldest = self._over.popleft()
            self._kept_bytes -= oldest.size
            self._streams.pop(oldest.name, None)

    def errand(self, doing: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do something that the request which asks for it does not wait for."""
        task = asyncio.create_task(doing)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def _watch(self, work: Work, receive: Callable[[], Awaitable[Any]]) -> None:
        await work.answer.late()
        while (await receive())["type"] != "http.disconnect":
            pass
        stream = work.answer.stream
        if stream is None or not work.answer.streaming:
            work.leave()
            return
        await stream.detach()

    async def _told(self, work: Work) -> None:
        """How the answer of a request ends that nobody wants."""
        answer = work.answer
        if answer.stream is not None:
            await answer.stream.end()
        if work.left or answer.ended:
            return
        if answer.streaming:
            await answer.end()
        else:
            await answer.json(200, encode(failure(work.request_id, UNAVAILABLE, "The request was cancelled.")))


def _name(session_id: str, request_id: Any) -> str:
    return f"{session_id} {encode(request_id).decode()}"
