"""From where a request comes and for whom it is, before anything of it is believed; and how large it may be.

``Host`` is checked against DNS rebinding (421), ``Origin`` against pages of somebody else's (403), as the MCP specification asks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from gateway.refusals import Refused

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable

LARGEST_BODY = 8 * 1024 * 1024
LARGEST_HEADERS = 32 * 1024
MOST_HEADERS = 100


def check(scope: dict[str, Any]) -> None:
    """Raises `Refused` where the request is not for this server (421), comes from a foreign page (403) or is too large (413, 431)."""
    check_size(scope)
    check_host(scope)
    check_origin(scope)


def check_size(scope: dict[str, Any]) -> None:
    """Raises `Refused` (413, 431) where headers are too large or the body says that it is."""
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
        raise Refused(431, "The headers of this request are too large.", code="headers_too_large")
    length = _header(scope, b"content-length")
    if length is not None and (not (length.isascii() and length.isdigit()) or int(length) > LARGEST_BODY):
        raise _too_large()


def check_host(scope: dict[str, Any]) -> None:
    """Raises `Refused` (421) unless the one ``Host`` is among ALLOWED_HOSTS."""
    host = _header(scope, b"host")
    if host is None or not _is_ours(host, tuple(settings.ALLOWED_HOSTS)):
        raise Refused(421, "This server does not answer to that host name. Its operator names them in ALLOWED_HOSTS.", code="wrong_host")


def check_origin(scope: dict[str, Any]) -> None:
    """Raises `Refused` (403) where a web page asks that is neither of this server nor trusted; programs send no ``Origin``."""
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    if not origins:
        return
    origin = origins[0].decode("latin-1").lower()
    ours = {origin_of.lower() for origin_of in (base_of(scope), *settings.CSRF_TRUSTED_ORIGINS)}
    host = _header(scope, b"host")  # checked already; a proxy may have taken TLS off, so the scheme says nothing
    if len(origins) > 1 or not (origin in ours or (host and origin in (f"http://{host.lower()}", f"https://{host.lower()}"))):
        raise Refused(403, "Web pages of other servers may not ask here.", code="wrong_origin")


def base_of(scope: dict[str, Any]) -> str:
    """The address of this server without a path, as who asks knows it: PUBLIC_URL, else what the (checked) ``Host`` says."""
    if settings.ENVIRONMENT.public_url:
        parts = urlsplit(settings.ENVIRONMENT.public_url)
        return f"{parts.scheme}://{parts.netloc}"
    host = _header(scope, b"host") or ""
    return f"{scope.get('scheme', 'http')}://{host}" if _is_ours(host, tuple(settings.ALLOWED_HOSTS)) else str(settings.PUBLIC_URL)


async def body_of(scope: dict[str, Any], receive: ASGIReceiveCallable) -> bytes | None:
    """The whole body; None where the client has gone before its end. Raises `Refused` (413) as soon as it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _header(scope: dict[str, Any], wanted: bytes) -> str | None:
    """A header's value where it is there once; None otherwise."""
    found = [value for name, value in scope["headers"] if name == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else None


@lru_cache(maxsize=256)
def _is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _too_large() -> Refused:
    return Refused(413, f"The body of a request may have {LARGEST_BODY // 2**20} MB.", code="too_large")
