"""Sessions at servers that were begun before anybody asked for them, for the next client that begins one in the same words.

Many clients open a session for a single call, which would wait for the handshake at the server too. So after the first request of each one
more session is begun there, waits for a minute, and is ended if nobody came. It was nobody's before it is taken, and is one client's then,
with whose arrival the handshake ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agentopia.lib.errors import AgentopiaError
from agents.calling.admission import CALLABLE
from agents.relay import DtmaError
from agents.toolsets.types import OfferedServer
from gateway.introductions import Words, words_of
from gateway.sessions import Leg
from mcp_protocol.messages import Message

logger = logging.getLogger(__name__)

AFTER_SECONDS = 0.05
"""Who has called once often calls again at once, and is not to wait for a handshake with the same server."""
KEPT_SECONDS = 60.0
LEAVE_SECONDS = 1.0
"""So long the end of this process waits for them."""
MOST = 64
"""In one process. A server has at most one for each way to begin."""


@dataclass(slots=True)
class _Spare:
    server: OfferedServer
    leg: Leg
    expiry: asyncio.TimerHandle


class Spares:
    """``begin`` makes a session at a server but for the end of the handshake, ``leave`` ends one. Whoever makes a server begin a container
    for each of its sessions gets none ahead.
    """

    def __init__(
        self,
        begin: Callable[[OfferedServer, Message], Awaitable[Leg]],
        leave: Callable[[OfferedServer, Leg], Awaitable[None]],
    ) -> None:
        self._begin = begin
        self._leave = leave
        self._kept: dict[Words, _Spare] = {}
        self._making: set[Words] = set()
        self._leaving: set[asyncio.Future[None]] = set()

    def take(self, server: OfferedServer, params: Message) -> Leg | None:
        """The session that waits for who begins with these parameters; nobody else gets it."""
        spare = self._kept.pop(words_of(server, params), None)
        if spare is None:
            return None
        spare.expiry.cancel()
        return spare.leg

    async def prepare(self, server: OfferedServer, params: Message) -> None:
        """Have one there for the next; where it fails, the next one begins its own and is told."""
        words = words_of(server, params)
        taken = words in self._kept or words in self._making or len(self._kept) + len(self._making) >= MOST
        if taken or server.has_own_containers or server.state not in CALLABLE:
            return
        self._making.add(words)
        try:
            await asyncio.sleep(AFTER_SECONDS)
            leg = await self._begin(server, params)
        except (DtmaError, AgentopiaError, TimeoutError) as error:
            logger.info("No session was begun ahead at “%s”: %s", server.name, error)
            return
        finally:
            self._making.discard(words)
        expiry = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._expire, words)
        self._kept[words] = _Spare(server, leg, expiry)

    def forget(self, server: OfferedServer) -> None:
        """It is not there: what was begun there counts for nothing."""
        for words in [words for words in self._kept if words[0] == server.id]:
            self._kept.pop(words).expiry.cancel()

    async def aclose(self) -> None:
        """End all that wait; those of a toolbox that does not answer now end by themselves."""
        for words in list(self._kept):
            self._expire(words)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LEAVE_SECONDS)

    def _expire(self, words: Words) -> None:
        spare = self._kept.pop(words)
        spare.expiry.cancel()
        if spare.leg.session_id:
            leaving = asyncio.ensure_future(self._leave(spare.server, spare.leg))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
