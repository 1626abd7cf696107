"""The open event streams of clients: GET in the handshake era, ``subscriptions/listen`` in the stateless one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

MOST_OF_A_USER = 200


class TooMany(Exception):
    """The user has as many of them open as there may be."""


class Listener:
    """One of them. ``over`` is set when it shall end, ``changed`` when its session has."""

    def __init__(self, session_id: str, user_id: int) -> None:
        self.id = secrets.token_hex(8)
        self.session_id = session_id
        self.user_id = user_id
        self.over = asyncio.Event()
        self.changed = asyncio.Event()

    def end(self) -> None:
        self.over.set()
        self.changed.set()


class Listeners:
    """All of this process."""

    def __init__(self) -> None:
        self._open: set[Listener] = set()

    @contextmanager
    def open(self, session_id: str, user_id: int) -> Iterator[Listener]:
        """A new one; raises `TooMany`."""
        if sum(listener.user_id == user_id for listener in self._open) >= MOST_OF_A_USER:
            raise TooMany
        listener = Listener(session_id, user_id)
        self._open.add(listener)
        try:
            yield listener
        finally:
            self._open.discard(listener)

    def end(self, session_id: str) -> None:
        """The session is over."""
        for listener in self._of(session_id):
            listener.end()

    def end_all(self) -> None:
        """This process ends."""
        for listener in tuple(self._open):
            listener.end()

    def replaced(self, session_id: str, by: str) -> None:
        """A session has one event stream; the newest replaces one that may have been left half dead."""
        for listener in self._of(session_id):
            if listener.id != by:
                listener.end()

    def look(self, session_id: str) -> None:
        """Something of the session has changed."""
        for listener in self._of(session_id):
            listener.changed.set()

    def _of(self, session_id: str) -> list[Listener]:
        return [listener for listener in self._open if session_id and listener.session_id == session_id]
