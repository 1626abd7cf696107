"""The runner's way to connect: to addresses that may be reached, and to the very ones that were judged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2

from chat.providers.reaching import Reaching


class Judging(httpcore2.AsyncNetworkBackend):
    """Connections for the pool of an HTTP client; ``plain`` is without TLS. Raises `httpcore2.ConnectError` for what may not be reached."""

    def __init__(self, reaching: Reaching, *, plain: bool) -> None:
        self._reaching = reaching
        self._plain = plain
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (as the library calls it)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._admitted(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"The name {host} was not found in time.") from None
        except OSError:
            raise httpcore2.ConnectError(f"There is no host {host}.") from None
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def _admitted(self, host: str, port: int) -> list[str]:
        """Its addresses that may be connected to, in the system's order."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        judged = {str(info[4][0]): self._reaching.refusal(host, port, str(info[4][0]), plain=self._plain) for info in found}
        admitted = [address for address, why in judged.items() if not why]
        if not admitted:
            raise httpcore2.ConnectError(f"{host} is not asked. {next(iter(judged.values()), '')}")
        return admitted

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
