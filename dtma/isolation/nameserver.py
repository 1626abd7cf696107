"""The DNS server of one server's network: it answers what the server may know and refuses the rest at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import cast

from dtma.isolation import dns
from dtma.isolation.names import Names
from dtma.isolation.policy import Policy
from dtma.isolation.tally import Tally
from dtma.isolation.upstream import Unresolved

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64
LARGEST_DATAGRAM = 1232
"""Of an answer over UDP: what passes everywhere without fragments."""
TCP_SECONDS = 10.0
_PASSED_ON = frozenset({dns.CNAME, dns.MX, dns.TXT, dns.SRV})
"""Kinds of records that hold no address and that programs need (SRV and TXT: MongoDB). Whatever they name must be allowed itself."""
_UNCOUNTED = frozenset({dns.AAAA, dns.PTR})
"""A program that wants a name asks for A and AAAA: that is one refusal. PTR asks for the name of an address."""


class NameServer:
    """Answers over UDP and TCP."""

    def __init__(self, policy: Policy, names: Names, tally: Tally) -> None:
        self._policy = policy
        self._names = names
        self._tally = tally
        self._at_once = 0
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def open(self, datagrams: socket.socket, streams: socket.socket) -> None:
        """Answer on these sockets, which it closes in the end."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        self._server = await asyncio.start_server(self._on_stream, sock=streams)

    def close(self) -> None:
        """Answer no more."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for task in self._work:
            task.cancel()

    def on_datagram(self, transport: asyncio.DatagramTransport, message: bytes, sender: tuple[str, int]) -> None:
        """Answer one, later."""

        async def work() -> None:
            reply = await self.answer(message, LARGEST_DATAGRAM)
            if reply and not transport.is_closing():
                transport.sendto(reply, sender)

        task = asyncio.create_task(work())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def answer(self, message: bytes, most_bytes: int) -> bytes:
        """The reply to one query; empty where it deserves none."""
        try:
            asked = dns.parse_question(message)
        except dns.Malformed:
            return b""
        if not self._policy.knows(asked.name):
            if asked.kind not in _UNCOUNTED:
                self._tally.deny(asked.name, 0, "its name may not be looked up")
            return dns.reply(asked, dns.NAME_ERROR)
        if self._at_once >= MOST_AT_ONCE:
            return dns.reply(asked, dns.SERVER_FAILURE)
        self._at_once += 1
        try:
            return await self._resolve(asked, most_bytes)
        except (Unresolved, dns.Malformed):
            return dns.reply(asked, dns.SERVER_FAILURE)
        finally:
            self._at_once -= 1

    async def _resolve(self, asked: dns.Question, most_bytes: int) -> bytes:
        if asked.kind == dns.A:
            found = await self._names.find(asked.name)
            return dns.reply(asked, found.code, found.addresses, found.ttl)
        if asked.kind in _PASSED_ON:
            raw = await self._names.raw(asked.name, asked.kind)
            if len(raw) <= most_bytes:
                return asked.id.to_bytes(2) + raw[2:]
            return dns.truncated(asked)
        return dns.reply(asked)  # no such record: IPv6 ends at the container, and other kinds may carry addresses past the pins

    async def _on_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):  # a timeout is an OSError too
            async with asyncio.timeout(TCP_SECONDS):
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                reply = await self.answer(message, 65_535)
                if reply:
                    writer.write(len(reply).to_bytes(2) + reply)
                    await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._server.on_datagram(self._transport, data, addr)
