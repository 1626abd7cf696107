"""Asking the host's own resolver (RFC 1035, section 4.2; RFC 7766 for TCP)."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from dtma.isolation.dns import Answer, Malformed, Question, parse_answer, parse_question, question

ATTEMPT_SECONDS = 2.5
ROUNDS = 2
MOST_BYTES = 65_535
RESOLV_CONF = Path("/etc/resolv.conf")
_FALLBACK = ("127.0.0.1", 53)
"""What the C library asks too where no resolver is configured."""


class Unresolved(Exception):
    """No resolver answered."""


class Upstream:
    """Asks the resolvers of ``/etc/resolv.conf`` in order, or the one that the configuration names as ADDRESS:PORT."""

    def __init__(self, configured: str | None) -> None:
        self._configured: tuple[str, int] | None = None
        if configured is not None:
            address, _, port = configured.rpartition(":")
            self._configured = (address, int(port))

    async def ask(self, name: str, kind: int) -> tuple[bytes, Answer]:
        """The answer as it came, and what it says. Raises ``Unresolved``, and ``Malformed`` for a name that nobody can have."""
        # The number and the port that the kernel chooses are what a forger would have to guess.
        message = question(secrets.randbelow(1 << 16), name, kind)
        asked = parse_question(message)
        for server in self._servers() * ROUNDS:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    raw, answer = await _over_udp(server, message, asked)
                    if answer.truncated:
                        raw = await _over_tcp(server, message)
                        answer = parse_answer(raw, asked)
                    return raw, answer
            except (OSError, EOFError, Malformed):  # a timeout is an OSError too
                continue
        raise Unresolved

    def _servers(self) -> list[tuple[str, int]]:
        if self._configured is not None:
            return [self._configured]
        try:
            lines = [line.split() for line in RESOLV_CONF.read_text().splitlines()]
        except OSError:
            return [_FALLBACK]
        return [(line[1], 53) for line in lines if line[:1] == ["nameserver"] and len(line) > 1][:3] or [_FALLBACK]


class _Replies(asyncio.DatagramProtocol):
    """The first reply that belongs to a question; others are passed over, they may be forged."""

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self.reply: asyncio.Future[tuple[bytes, Answer]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            answer = parse_answer(data, self._asked)
        except Malformed:
            return
        if not self.reply.done():
            self.reply.set_result((data, answer))

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _over_udp(server: tuple[str, int], message: bytes, asked: Question) -> tuple[bytes, Answer]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Replies(asked), remote_addr=server)
    try:
        transport.sendto(message)
        return await protocol.reply
    finally:
        transport.close()


async def _over_tcp(server: tuple[str, int], message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(message).to_bytes(2) + message)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()
