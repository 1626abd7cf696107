"""What servers said of themselves to clients of this process, for the next one that begins a session in the same words.

A server's answer to `initialize` is the same for as long as it runs as it does: so it is given at once, and the session at the server is
begun meanwhile, which keeps what it says then for the next.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from agents.calling.admission import CALLABLE
from agents.toolsets.types import OfferedServer
from mcp_protocol.messages import Message, encode

KEPT = 256

type Words = tuple[UUID, int, bytes]
"""A server as it runs, and what it is asked with."""


class Introductions:
    """By the server as it runs now, and what it was asked with."""

    def __init__(self) -> None:
        self._kept: dict[Words, Message] = {}

    def known(self, server: OfferedServer, params: Message) -> Message | None:
        """The ``InitializeResult``, where the server has given one to these parameters and runs."""
        return self._kept.get(words_of(server, params)) if server.state in CALLABLE else None

    def keep(self, server: OfferedServer, params: Message, result: Message) -> None:
        """It gave this one."""
        self._kept.pop(words_of(server, params), None)
        if len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[words_of(server, params)] = result

    def forget(self, server: OfferedServer) -> None:
        """It is not there, or not what it was."""
        for key in [key for key in self._kept if key[0] == server.id]:
            del self._kept[key]


def words_of(server: OfferedServer, params: Message) -> Words:
    """By which those who begin alike are known."""
    return server.id, server.generation, hashlib.sha256(encode(params)).digest()
