"""Whom a client talks to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lean_http.errors import HttpError

CONNECT_SECONDS = 5.0


def _as_it_is(error: HttpError) -> Exception:
    return error


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An address and how it is spoken to. ``authority`` is the Host header; ``tls`` the context, and ``name`` what the certificate must be
    made out to.
    """

    host: str
    port: int
    authority: str
    idle_seconds: float
    """A connection that was idle for longer is not used again: less than what the peer keeps one for."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    name: str | None = None
    connect_seconds: float = CONNECT_SECONDS
    lenient: bool = False
    """Whether lines may end with LF alone, and sizes of chunks with spaces, as hand-written servers do."""
    admit: Callable[[asyncio.Transport], Awaitable[None]] | None = None
    """Asked for every new connection before anything is sent over it; what it raises ends the connection."""
    told: Callable[[HttpError], Exception] = _as_it_is
    """What is raised for an error."""
