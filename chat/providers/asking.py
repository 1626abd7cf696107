"""A question to a provider from the web process: bounded in size, without redirects, and without the key in what it raises.

The runner talks to providers through their libraries (`models`); these are too large for the web process, which only asks for lists.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from agentopia.lib.errors import AgentopiaError, InvalidInput, Unavailable
from chat.providers.base import Kind, Question
from chat.providers.reaching import Reaching

MAX_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 64 * 1024
# As it stands, and not packed: what unpacks to more than it may have would be found out too late.
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Agentopia"}


@dataclass(frozen=True)
class Target:
    """Where questions go, in which words, and with which key."""

    kind: Kind
    base_url: str
    api_key: str
    reaching: Reaching

    def __repr__(self) -> str:
        return f"Target({self.kind.key!r}, {self.base_url!r})"

    @property
    def host(self) -> str:
        """As a person reads it."""
        return urlsplit(self.base_url).netloc


@dataclass(frozen=True)
class Answer:
    """What came: the status of HTTP, where a redirect leads to, and the body, read as JSON (None where it is none)."""

    status: int
    location: str
    content: Any


class NoAnswer(Unavailable):
    """Nobody answered in time, or not to the end."""

    code = "provider_unreachable"


class _Refused(OSError):
    """An address that may not be connected to; its text says why."""


async def ask(target: Target, question: Question, *, with_key: bool = True) -> Answer:
    """One question; the caller bounds its time. Raises `InvalidInput` for an address that is not asked, `NoAnswer` where nobody answers."""
    url = target.reaching.checked(target.base_url) + question.path
    headers = {**HEADERS, **target.kind.headers(target.api_key if with_key else "")}
    method = "GET" if question.body is None else "POST"
    try:
        async with (
            _session(target) as session,
            session.request(
                method, url, params=dict(question.query), json=question.body, headers=headers, allow_redirects=False
            ) as response,
        ):
            return Answer(response.status, response.headers.get("Location", ""), _json(await _body(response)))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _why(target.host, error) from None


def _session(target: Target) -> aiohttp.ClientSession:
    """A connection of its own each time, through no proxy."""
    connector = aiohttp.TCPConnector(
        ssl=ssl.create_default_context(), force_close=True, use_dns_cache=False, socket_factory=_judging(target)
    )
    return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())


def _judging(target: Target) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Makes sockets for addresses that may be connected to."""
    parts = urlsplit(target.base_url)

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        why = target.reaching.refusal(parts.hostname or "", parts.port, str(address[0]), plain=parts.scheme == "http")
        if why:
            raise _Refused(why)
        return socket.socket(family=family, type=kind, proto=protocol)

    return make


async def _body(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for block in response.content.iter_chunked(BLOCK_BYTES):
        content += block
        if len(content) > MAX_BYTES:
            raise InvalidInput(f"{response.url.host} answers with more than {MAX_BYTES // 1024**2} MB.", code="answer_too_large")
    return bytes(content)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _why(host: str, error: BaseException) -> AgentopiaError:
    """In words of ours: those of libraries may quote what was sent."""
    causes: list[Any] = [error, error.__cause__, error.__context__, getattr(error, "os_error", None)]
    if refused := next((cause for cause in causes if isinstance(cause, _Refused)), None):
        return InvalidInput(f"{host} is not asked. {refused}", code="private_address", fields={"base_url": str(refused)})
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoAnswer(f"There is no host {host}. Look at the address.", code="no_such_host")
    if isinstance(error, aiohttp.ClientSSLError):
        return NoAnswer(f"{host} cannot be asked over https://: its certificate is not valid, or it speaks plain HTTP.", code="tls_failed")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NoAnswer(f"Nobody listens at {host}. Is it running, and the address right?")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return NoAnswer(f"{host} broke off in the middle of its answer.")
    return NoAnswer(f"{host} does not answer as a web server does. Look at the address.")
