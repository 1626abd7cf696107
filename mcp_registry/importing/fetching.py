"""Reading from addresses that somebody else wrote down: bounded in size and time, and never from inside a network of ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from agentopia.lib.errors import AgentopiaError, InvalidInput, Unavailable
from mcp_registry.importing.addresses import PUBLIC, Reach, Unreachable, checked_address, guarded_socket

REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
BLOCK_BYTES = 64 * 1024
# As it stands, and not packed: what unpacks to more than it may have would be found out too late.
HEADERS = {"Accept": "application/json, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "Agentopia"}
PRIVATE = "It leads to an address inside a private network, which is not asked from here."


@dataclass(frozen=True)
class Limits:
    """How much may come, and how long it may take altogether."""

    max_bytes: int = 2 * 1024 * 1024
    seconds: float = 20.0


class Refusal(Unavailable):
    """Somebody answered, but not with what was asked for; ``status`` is that of HTTP, and ``pause`` what it asks to wait, in seconds."""

    code = "address_refused"

    def __init__(self, message: str, *, status: int, pause: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.pause = pause
        self.retryable = status >= 500 or status == 429


def fetch(url: str, *, reach: Reach = PUBLIC, limits: Limits = Limits(), query: Mapping[str, str] | None = None) -> bytes:
    """The body that is at an address, or where that leads to.

    Raises `InvalidInput` for an address that is not asked and for an answer that is too large, `Refusal` for any status but 200, and
    `Unavailable` where nobody answers in time.
    """
    return asyncio.run(_within(url, reach, limits, dict(query or {})))


async def _within(url: str, reach: Reach, limits: Limits, query: dict[str, str]) -> bytes:
    host = urlsplit(url).hostname if "//" in url else url
    try:
        async with asyncio.timeout(limits.seconds):
            return await _followed(url, reach, limits, query)
    except TimeoutError:
        raise Unavailable(f"{host} did not answer within {limits.seconds:g} s.", code="address_timeout") from None
    except (aiohttp.ClientError, OSError) as error:
        raise _why(str(host), error) from None


async def _followed(url: str, reach: Reach, limits: Limits, query: dict[str, str]) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        address = checked_address(url, reach)
        async with _session(reach.allows(address)) as session, session.get(url, params=query or None, allow_redirects=False) as response:
            if response.status not in REDIRECTS:
                return await _body(response, limits)
            target = response.headers.get("Location", "")
        url, query = urljoin(url, target), {}
        if not target:
            raise Refusal(f"{address.hostname} leads to nowhere (HTTP {response.status}).", status=response.status)
    raise InvalidInput("This address leads from one to the next without an end.", code="invalid_address")


def _session(trusted: bool) -> aiohttp.ClientSession:
    """A connection of its own each time, through no proxy, to an address that is judged as it is made unless the host is ``trusted``."""
    connector = aiohttp.TCPConnector(
        ssl=ssl.create_default_context(), force_close=True, use_dns_cache=False, socket_factory=None if trusted else guarded_socket
    )
    return aiohttp.ClientSession(
        connector=connector, headers=HEADERS, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


async def _body(response: aiohttp.ClientResponse, limits: Limits) -> bytes:
    if response.status != 200:
        raise Refusal(f"{response.url.host} answered HTTP {response.status}.", status=response.status, pause=_pause(response))
    if response.headers.get("Content-Encoding", "identity") not in ("", "identity"):
        raise InvalidInput(f"{response.url.host} sends it packed, though asked not to.", code="invalid_answer")
    content = bytearray()
    async for block in response.content.iter_chunked(BLOCK_BYTES):
        content += block
        if len(content) > limits.max_bytes:
            raise InvalidInput(f"What is there is larger than {limits.max_bytes / 1024**2:g} MB.", code="too_large")
    return bytes(content)


def _pause(response: aiohttp.ClientResponse) -> float | None:
    told = response.headers.get("Retry-After", "")
    return min(float(told), 3600.0) if told.isdecimal() and len(told) < 8 else None


def _why(host: str, error: BaseException) -> AgentopiaError:
    causes: list[Any] = [error, error.__cause__, error.__context__, getattr(error, "os_error", None)]
    if any(isinstance(cause, Unreachable) for cause in causes):
        return InvalidInput(f"{host} is not asked. {PRIVATE}", code="private_address")
    if isinstance(error, aiohttp.InvalidURL):
        return InvalidInput("This is no address.", code="invalid_address")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unavailable(f"{host} broke off in the middle of its answer.", code="address_unreachable")
    return Unavailable(f"{host} cannot be reached: {str(error)[:200] or type(error).__name__}.", code="address_unreachable")
