"""The MCP sessions of one server's clients."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dtma.mcp.bridge import Message

MAX_SESSIONS = 1000
MAX_WAITING = 1000


class Listener:
    """The open event stream of a session; of too many messages that nobody fetches, the oldest are dropped."""

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
    """One client's session."""

    def __init__(self, version: str) -> None:
        self.id = secrets.token_urlsafe(24)
        self.version = version
        self.used_at = time.monotonic()
        self._open = 0
        self._listener: Listener | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing of it is open."""
        return self._open == 0 and self._listener is None

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
        listener = self._listener = Listener()
        try:
            yield listener
        finally:
            if self._listener is listener:
                self._listener = None
            self.used_at = time.monotonic()

    def put(self, message: Message) -> None:
        """A notification for everybody; without an event stream there is nobody to hear it."""
        if self._listener is not None:
            self._listener.put(message)

    def end(self) -> None:
        """End the event stream."""
        if self._listener is not None:
            self._listener.end()


class Sessions:
    """All sessions of a server. When there are too many, the one that was idle for longest ends."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def begin(self, version: str) -> Session:
        """A new session."""
        if len(self._sessions) >= MAX_SESSIONS:
            idle = [session for session in self._sessions.values() if session.idle]
            self.end(min(idle or self._sessions.values(), key=lambda session: session.used_at))
        session = Session(version)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """The session of this id, now used."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.used_at = time.monotonic()
        return session

    def end(self, session: Session) -> None:
        """End one."""
        self._sessions.pop(session.id, None)
        session.end()

    def end_all(self) -> None:
        """The server is gone."""
        for session in list(self._sessions.values()):
            self.end(session)

    def broadcast(self, message: Message) -> None:
        """A notification that belongs to no call."""
        for session in self._sessions.values():
            session.put(message)
