"""Sessions in which servers may ask their client something: apart from the others, and one for each who is asked."""

from __future__ import annotations

import asyncio

from dtma_client.mcp import McpSession
from dtma_client.transport import Transport

IDLE_SECONDS = 300.0
"""A session that nobody uses for so long is ended: its server may have a container of its own for it."""


class AnsweringSessions:
    """Those of one client of DTMA."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sessions: dict[tuple[str, str], tuple[McpSession, float]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def of(self, path: str, key: str) -> McpSession:
        """The session at this path for whoever has the key."""
        session, _ = self._sessions.get((path, key), (None, 0.0))
        if session is None:
            session = McpSession(self._transport, path, answering=True)
        self._sessions[path, key] = session, asyncio.get_running_loop().time()
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep())
        return session

    async def aclose(self) -> None:
        """End all of them."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        sessions = [session for session, _ in self._sessions.values()]
        self._sessions.clear()
        await asyncio.gather(*(session.aclose() for session in sessions))

    async def _sweep(self) -> None:
        while self._sessions:
            await asyncio.sleep(IDLE_SECONDS / 4)
            now = asyncio.get_running_loop().time()
            for name, (session, used_at) in list(self._sessions.items()):
                if not session.is_idle:
                    self._sessions[name] = session, now
                elif now - used_at >= IDLE_SECONDS:
                    del self._sessions[name]
                    await session.aclose()
