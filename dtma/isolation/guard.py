"""What stands between the servers of this toolbox and every network: a firewall, and per server a proxy and a name server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from dataclasses import dataclass

from dtma.isolation.firewall import Firewall, Unguarded
from dtma.isolation.names import Names
from dtma.isolation.nameserver import NameServer
from dtma.isolation.policy import Policy
from dtma.isolation.proxy import Proxy
from dtma.isolation.rules import Guarded, bridge_name
from dtma.isolation.tally import Remark, Tally
from dtma.isolation.upstream import Upstream
from dtma_wire import EgressReport, ServerSpec

logger = logging.getLogger(__name__)

PORTS = range(15_000, 15_400, 2)
"""Of proxies; the name server has the next one. Below those that the kernel gives out, so that while no DTMA runs nobody has them."""
OPEN_FILES = 65_536
RENEW_SECONDS = 60.0
"""How often the rules are written again, in case somebody has emptied the host's firewall."""


@dataclass
class _Post:
    """What is at work for one server."""

    fingerprint: str
    guarded: Guarded
    proxy: Proxy
    nameserver: NameServer

    def close(self) -> None:
        self.proxy.close()
        self.nameserver.close()


class Guard:
    """Guards servers that have a network. The order is: network, guard, container; and back."""

    def __init__(self, toolbox: str, resolver: str | None) -> None:
        # Every connection that is carried takes two descriptors; by default a process may have 1,024.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, OPEN_FILES)), hard))
        self._toolbox = toolbox
        self._upstream = Upstream(resolver)
        self._posts: dict[str, _Post] = {}
        self._tallies: dict[str, tuple[str, Tally]] = {}
        self._firewall = Firewall(toolbox, lambda: [post.guarded for post in self._posts.values()])

    async def protect(self, server_id: str, spec: ServerSpec, gateway: str, remark: Remark) -> None:
        """Return when the server's bridge, whose address is ``gateway``, lets nothing through but what its spec allows.

        Raises ``Unguarded``; then nothing may run on that network.
        """
        fingerprint = spec.fingerprint
        post = self._posts.get(server_id)
        if post is None or (post.fingerprint, post.guarded.gateway) != (fingerprint, gateway):
            await self._relieve(server_id)
            post = self._posts[server_id] = await self._station(server_id, spec, gateway, self._tally(server_id, fingerprint, remark))
        try:
            await self._firewall.apply()
        except Unguarded:
            await self._relieve(server_id)
            raise

    async def release(self, server_id: str) -> None:
        """The server and its network are gone."""
        self._tallies.pop(server_id, None)
        if await self._relieve(server_id):
            await self._firewall.apply()

    def report(self, server_id: str, spec: ServerSpec) -> EgressReport:
        """What was let through and refused since the spec was last changed or, if later, this DTMA started."""
        fingerprint, tally = self._tallies.get(server_id, ("", None))
        if tally is None or fingerprint != spec.fingerprint:
            return EgressReport(allowed=0, denied=0, denials=())
        return tally.report()

    async def renew(self) -> None:
        """Write the rules again: whoever restarts the engine or the host's own firewall may have emptied them."""
        if self._posts:
            try:
                await self._firewall.apply()
            except Unguarded as problem:
                logger.error("the firewall's rules could not be written again: %s", problem)

    async def keep(self) -> None:
        """Renew the rules for as long as DTMA runs."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def close(self) -> None:
        """DTMA ends. The rules stay, and nothing listens any more: what was let through so far is cut off."""
        for server_id in list(self._posts):
            await self._relieve(server_id)

    def _tally(self, server_id: str, fingerprint: str, remark: Remark) -> Tally:
        known, tally = self._tallies.get(server_id, ("", None))
        if tally is None or known != fingerprint:
            tally = Tally(remark)
            self._tallies[server_id] = (fingerprint, tally)
        return tally

    async def _station(self, server_id: str, spec: ServerSpec, gateway: str, tally: Tally) -> _Post:
        policy = Policy(spec)
        names = Names(policy, self._upstream, tally)
        port, listener, datagrams, streams = _listen(gateway)
        guarded = Guarded(bridge_name(self._toolbox, server_id), gateway, spec.egress, port, port + 1)
        post = _Post(spec.fingerprint, guarded, Proxy(policy, names, tally), NameServer(policy, names, tally))
        post.proxy.open(listener)
        await post.nameserver.open(datagrams, streams)
        return post

    async def _relieve(self, server_id: str) -> bool:
        post = self._posts.pop(server_id, None)
        if post is not None:
            post.close()
            await asyncio.sleep(0)  # the tasks close their sockets when they are cancelled
        return post is not None


def _listen(gateway: str) -> tuple[int, socket.socket, socket.socket, socket.socket]:
    """A port, and listening on it and the next one: the proxy's, the name server's for datagrams and for streams."""
    for port in PORTS:
        with contextlib.ExitStack() as stack:
            try:
                sockets = [_bound(stack, gateway, *where) for where in _places(port)]
            except OSError as error:
                problem = error
                continue
            stack.pop_all()
            return port, sockets[0], sockets[1], sockets[2]
    raise Unguarded(
        f"DTMA cannot listen on the server's network ({problem.strerror}, {gateway}). "
        "It must run on the same host, and in the same network namespace, as the Docker engine."
    )


def _places(port: int) -> tuple[tuple[int, int], ...]:
    return (socket.SOCK_STREAM, port), (socket.SOCK_DGRAM, port + 1), (socket.SOCK_STREAM, port + 1)


def _bound(stack: contextlib.ExitStack, gateway: str, kind: int, port: int) -> socket.socket:
    sock = stack.enter_context(socket.socket(socket.AF_INET, kind))
    sock.setblocking(False)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((gateway, port))
    if kind == socket.SOCK_STREAM:
        sock.listen(128)
    return sock
