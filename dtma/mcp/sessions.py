"""The MCP sessions of one server's clients (handshake era)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dtma.mcp.connection import Exchange
from dtma.mcp.streams import STANDALONE, CallStream, Kept
from mcp_protocol.messages import Message

MAX_SESSIONS = 1000
MAX_WAITING = 1000
IDLE_SECONDS = 30 * 60.0


class Listener:
    """The open event stream of a session, or of a subscription; of too many messages that nobody fetches, the oldest are dropped."""

    def __init__(self) -> None:
        self.ended = False
        self._waiting: deque[Message] = deque(maxlen=MAX_WAITING)
        self._arrived = asyncio.Event()

    def put(self, message: Message) -> None:
        """Take a notification."""
        self._waiting.append(message)
        self._arrived.set()

    def end(self) -> None:
        """What is waiting is still delivered, then the stream ends."""
        self.ended = True
        self._arrived.set()

    def rest(self) -> list[Message]:
        """What waits, in order."""
        return list(self._waiting)

    async def next(self, within: float) -> Message | None:
        """The next notification; None after ``within`` seconds of silence, or at the end."""
        if not self._waiting and not self.ended:
            self._arrived.clear()
            try:
                async with asyncio.timeout(within):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft() if self._waiting else None


class Session:
    """One client's session (a ``Client``)."""

    def __init__(self, version: str, capabilities: Message, info: Message) -> None:
        self.id = secrets.token_urlsafe(24)
        self.version = version
        self.capabilities = capabilities
        self.info = info
        self.used_at = time.monotonic()
        self.ended = False
        self.kept = Kept()
        self.streams: dict[int, CallStream] = {}
        """Answers under way that a client may come back for."""
        self.questions: dict[Any, Exchange] = {}
        """What the server wants to know of this client: the ids of open requests, and the calls in which they were made."""
        self._last_stream = STANDALONE
        self._open = 0
        self._listened = False
        self._listener: Listener | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing of it is open."""
        return self._open == 0 and self._listener is None and not self.streams

    def idle_since(self, moment: float) -> bool:
        """Whether nobody used it after that moment on the monotonic clock."""
        return self.idle and self.used_at < moment

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A request of this session is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self.used_at = time.monotonic()

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """The session's event stream; there is one, and the newest replaces one that may have been left half dead."""
        if self._listener is not None:
            self._listener.end()
        self._listened = True
        listener = self._listener = Listener()
        try:
            yield listener
        finally:
            if self._listener is listener:
                self._listener = None
            self.used_at = time.monotonic()

    def stream(self, exchange: Exchange, first: Message | None) -> CallStream:
        """A new event stream for a call. ``first`` is a message that came already."""
        self._last_stream += 1
        stream = CallStream(self._last_stream, self.kept, exchange, first, self._asked)
        self.streams[stream.number] = stream
        return stream

    def put(self, message: Message) -> None:
        """A notification that belongs to no call. It is kept for a client that listened before, and may come back."""
        if self._listener is not None:
            self._listener.put(message)
        elif self._listened:
            self.kept.keep(STANDALONE, message)

    def end(self) -> None:
        """End the event stream."""
        self.ended = True
        if self._listener is not None:
            self._listener.end()

    def forget_questions(self, exchange: Exchange) -> None:
        """A call is over, and nobody waits for answers to what was asked in it."""
        if self.questions:
            self.questions = {name: of for name, of in self.questions.items() if of is not exchange}

    def _asked(self, question: Message, exchange: Exchange) -> None:
        self.questions[question["id"]] = exchange


class Sessions:
    """All sessions of a server. When there are too many, the one that was idle for longest ends. ``on_end`` hears of each that ended."""

    def __init__(self, on_end: Callable[[Session], None] | None = None) -> None:
        self._sessions: dict[str, Session] = {}
        self._on_end = on_end

    def begin(self, version: str, capabilities: Message, info: Message) -> Session:
        """A new session."""
        self.end_idle()
        if len(self._sessions) >= MAX_SESSIONS:
            idle = [session for session in self._sessions.values() if session.idle]
            self.end(min(idle or self._sessions.values(), key=lambda session: session.used_at))
        session = Session(version, capabilities, info)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """The session of this id, now used."""
        session = self._sessions.get(session_id)
        if session is not None and session.idle_since(time.monotonic() - IDLE_SECONDS):
            self.end(session)
            return None
        if session is not None:
            session.used_at = time.monotonic()
        return session

    def end(self, session: Session) -> None:
        """End one."""
        if self._sessions.pop(session.id, None) is None:
            return
        session.end()
        if self._on_end is not None:
            self._on_end(session)

    def end_idle(self) -> None:
        """End those that nobody used for long. Looked for when a new one begins: only many of them are any trouble."""
        latest = time.monotonic() - IDLE_SECONDS
        for session in [session for session in self._sessions.values() if session.idle_since(latest)]:
            self.end(session)

    def end_all(self) -> None:
        """The server is gone."""
        for session in list(self._sessions.values()):
            self.end(session)

    def broadcast(self, message: Message) -> None:
        """A notification that belongs to no call."""
        for session in self._sessions.values():
            session.put(message)
