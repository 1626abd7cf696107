"""The transparent TCP proxy of one server's network: every connection that the firewall does not let through ends here.

A connection is let through where the user named its address, or where its address is pinned for a name that is allowed with its port.
On port 443 it must be TLS, and the name in its ClientHello decides: it must be allowed, and the connection goes to an address of that
very name. On other ports the connection is made at once, since in many protocols the server speaks first; if what the client then
says first is a ClientHello that names a server, that must be one of the names pinned for the address.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from ipaddress import IPv4Address

from dtma.isolation import hello
from dtma.isolation.addresses import is_of_this_host
from dtma.isolation.dns import Malformed
from dtma.isolation.names import Names
from dtma.isolation.policy import Policy
from dtma.isolation.relay import relay
from dtma.isolation.tally import Tally
from dtma.isolation.upstream import Unresolved
from dtma_wire import Egress

logger = logging.getLogger(__name__)

TLS_PORT = 443
HELLO_SECONDS = 10.0
CONNECT_SECONDS = 10.0
MOST_CONNECTIONS = 256
_ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST of linux/netfilter_ipv4.h
_RESET = struct.pack("ii", 1, 0)  # struct linger: a refusal is a reset, not an end


class Denied(Exception):
    """A connection that is not let through, and what to call its destination."""

    def __init__(self, host: str, because: str) -> None:
        super().__init__(because)
        self.host = host
        self.because = because


class Proxy:
    """Accepts what the firewall redirects to one listening socket."""

    def __init__(self, policy: Policy, names: Names, tally: Tally) -> None:
        self._policy = policy
        self._names = names
        self._tally = tally
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def open(self, listener: socket.socket) -> None:
        """Accept from now on; the socket is closed in the end."""
        self._accepting = asyncio.create_task(self._accept(listener))

    def close(self) -> None:
        """End all connections."""
        for task in (self._accepting, *self._connections):
            if task is not None:
                task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    # Not start_server: the original destination is asked of the socket itself, which uvloop's transports do not show.
                    client, _ = await loop.sock_accept(listener)
                except OSError as error:
                    logger.warning("a connection of a server could not be accepted: %s", error.strerror)
                    await asyncio.sleep(0.1)
                    continue
                task = asyncio.create_task(self._serve(client))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

    async def _serve(self, client: socket.socket) -> None:
        try:
            address, port = _original_destination(client)
        except OSError:  # it came to the listener itself, or the client is gone again
            client.close()
            return
        try:
            if len(self._connections) > MOST_CONNECTIONS:
                raise Denied(str(address), f"more than {MOST_CONNECTIONS} connections at once")
            await self._carry(client, address, port)
        except Denied as denied:
            self._tally.deny(denied.host, port, denied.because)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:  # of either side; a timeout is one too
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            client.close()

    async def _carry(self, client: socket.socket, address: IPv4Address, port: int) -> None:
        if self._policy.egress is not Egress.ALLOWLIST:
            because = "egress is none" if self._policy.egress is Egress.NONE else "it is a private address"
            raise Denied(self._called(address), because)
        names: set[str] | None = None
        first = b""
        if not self._policy.names_address(address, port):
            if port == TLS_PORT:
                first, address = await self._by_server_name(client, address)
            else:
                names = await self._by_address(address, port)
        if is_of_this_host(address):  # it may have come to the host since it was resolved
            raise Denied(self._called(address), "it is an address of the host itself")
        with await _connected(address, port) as upstream:
            self._tally.allow()
            await relay(client, upstream, _first_words(client, first, names))

    async def _by_address(self, address: IPv4Address, port: int) -> set[str]:
        names = await self._names.allowed_at(address, port)
        if not names:
            raise Denied(self._called(address), "it is not among the allowed destinations")
        for name in names:
            self._names.pin(address, name)
        return names

    async def _by_server_name(self, client: socket.socket, address: IPv4Address) -> tuple[bytes, IPv4Address]:
        """What the client said so far, and the address that the connection goes to."""
        async with asyncio.timeout(HELLO_SECONDS):
            start, found = await _read_hello(client)
        if found is None or found.name is None:
            raise Denied(self._called(address), "it is no TLS that names its server")
        if not self._policy.allows(found.name, TLS_PORT):
            raise Denied(found.name, "it is not among the allowed destinations")
        if found.name not in self._names.pinned(address):
            try:
                addresses = (await self._names.find(found.name)).addresses
            except (Unresolved, Malformed):
                addresses = ()
            if not addresses:
                raise Denied(found.name, "its name leads nowhere")
            address = address if address in addresses else addresses[0]
        self._names.pin(address, found.name)
        return start, address

    def _called(self, address: IPv4Address) -> str:
        """The name that led to an address, where there is exactly one; else the address."""
        names = self._names.pinned(address)
        return names.pop() if len(names) == 1 else str(address)


async def _read_hello(client: socket.socket, start: bytes = b"") -> tuple[bytes, hello.Hello | None]:
    """The first bytes of a connection, and the ClientHello that they are; None where they are none or the client ends before."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            found = hello.parse(start)
        except hello.NotTls:
            return start, None
        if found is not None:
            return start, found
        more = await loop.sock_recv(client, 16 * 1024)
        if not more:
            return start, None
        start += more


async def _first_words(client: socket.socket, said: bytes, names: set[str] | None) -> bytes:
    """What a client says first. Raises ``Denied`` where that names a server that is not among ``names``; None allows all."""
    if names is None:
        return said
    start, found = await _read_hello(client)
    if found is None and hello.begins_like_tls(start):
        raise Denied(", ".join(sorted(names)), "its TLS cannot be understood")
    if found is not None and found.name is not None and found.name not in names:
        raise Denied(found.name, "the address that was reached is another name's")
    return start


async def _connected(address: IPv4Address, port: int) -> socket.socket:
    """A connection to the outside. Raises ``OSError``."""
    upstream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    upstream.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(upstream, (str(address), port))
    except BaseException:
        upstream.close()
        raise
    return upstream


def _original_destination(client: socket.socket) -> tuple[IPv4Address, int]:
    """Where a redirected connection wanted to go. Raises ``OSError`` where it was not redirected."""
    raw = client.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
    port, address = struct.unpack_from(">2xH4s", raw)
    return IPv4Address(address), port
