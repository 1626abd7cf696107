"""HTTP to one DTMA over mutual TLS: who it is, limits, and the translation of every failure into the tree of ``exceptions``."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from dtma_client.exceptions import DtmaRefused, DtmaTimeout, DtmaUnreachable, error_from

CONNECT_SECONDS = 5.0
QUICK_SECONDS = 15.0
"""For answers that DTMA gives at once."""
LIFECYCLE_SECONDS = 900.0
"""For start, restart and the like, which answer when it has happened; an image may have to be built first."""
LOOKUP_SECONDS = 75.0
"""For questions that DTMA passes on; it answers within 60 s, if only that nobody told it."""
SILENCE_SECONDS = 20.0
"""A stream that is silent for longer is broken: DTMA sends a ping every five seconds."""
LARGE_BODY_BYTES = 512 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
CERTIFICATE_EXPIRED = 10
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, for which ``ssl`` has no name."""


type Admit = Callable[[str], Awaitable[bool]]
"""Told the serial number (hexadecimal, in capitals) of the certificate that was shown: whether that still counts."""


@dataclass(frozen=True)
class Endpoint:
    """Where a DTMA listens, e.g. ``https://192.0.2.7:7443``, and how it is known.

    ``tls`` holds the authority that is trusted and the certificate that is shown, ``name`` is what DTMA's certificate must be made out
    to, wherever it listens; ``admit``, where given, is asked for every new connection before anything is sent over it.
    """

    url: str
    name: str
    tls: ssl.SSLContext = field(repr=False)
    admit: Admit | None = field(default=None, repr=False, compare=False)


class AbruptConnector(aiohttp.TCPConnector):
    """Ends what cannot be used again, such as a stream that was left early, at once: TLS would say goodbye and wait for the answer, which
    may come after the event loop has ended.
    """

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if should_close or protocol.should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


class AdmittingConnector(AbruptConnector):
    """Hangs up on a peer whose certificate does not count any more, although the authority signed it."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(limit=0, keepalive_timeout=60, ssl=endpoint.tls)
        self._endpoint = endpoint

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's own method)
    ) -> ResponseHandler:
        connection = await super()._create_connection(req, traces, timeout)
        if self._endpoint.admit is not None:
            assert connection.transport is not None
            certificate = connection.transport.get_extra_info("peercert") or {}
            if not await self._endpoint.admit(str(certificate.get("serialNumber", "")).lstrip("0")):
                connection.close()
                raise DtmaRefused(f"The certificate that {self._endpoint.url} shows was revoked.", code="certificate_revoked")
        return connection


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is written piece by piece, so that it does not hold up the event loop."""
    return body if body is None or len(body) <= LARGE_BODY_BYTES else io.BytesIO(body)


@contextmanager
def failures(endpoint: Endpoint) -> Iterator[None]:
    """Turn what aiohttp and asyncio raise into ``DtmaUnreachable`` and ``DtmaTimeout``."""
    try:
        yield
    except aiohttp.ClientSSLError as error:
        if _has_expired(error):  # it renews it as soon as it can
            raise DtmaUnreachable(f"The certificate of the toolbox at {endpoint.url} has expired. It has to renew it first.") from error
        raise DtmaRefused(
            f"What answers at {endpoint.url} is not this toolbox, or does not take this control plane for its own: {error}",
            code="identity_mismatch",
        ) from error
    except TimeoutError as error:
        raise DtmaTimeout(f"The toolbox at {endpoint.url} did not answer in time.") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise DtmaUnreachable(f"The toolbox at {endpoint.url} cannot be reached: {error}") from error
    except aiohttp.ClientError as error:
        raise DtmaUnreachable(f"The toolbox at {endpoint.url} broke off its answer: {error}") from error


def _has_expired(error: aiohttp.ClientSSLError) -> bool:
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else None
    return isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code == CERTIFICATE_EXPIRED


class Transport:
    """Requests to one endpoint over a session that somebody else owns."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session
        self._base = endpoint.url.rstrip("/")

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        seconds: float | None = QUICK_SECONDS,
        silence: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, whatever its status. ``seconds`` limits all of it, ``silence`` the wait for each piece."""
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, sock_read=silence)
        with failures(self.endpoint):
            async with self._session.request(
                method,
                self._base + path,
                data=_payload(body),
                headers=headers,
                server_hostname=self.endpoint.name,
                params=params,
                timeout=limit,
                allow_redirects=False,
            ) as response:
                yield response

    async def fetch(self, method: str, path: str, *, params: dict[str, str] | None = None, seconds: float = QUICK_SECONDS) -> bytes:
        """The whole body of a 2xx answer; raises the matching ``DtmaError`` for any other."""
        async with self.open(method, path, params=params, seconds=seconds) as response:
            body = await response.read()
            if response.status >= 300:
                raise error_from(response.status, body)
            return body

    async def lines(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> AsyncGenerator[list[bytes]]:
        """The lines of an NDJSON answer, in the batches in which they arrive; ends with the stream."""
        async with self.open(method, path, body=body, headers=headers, params=params, seconds=None, silence=SILENCE_SECONDS) as response:
            if response.status >= 300:
                raise error_from(response.status, await response.read())
            rest = b""
            async for chunk in response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                if whole:
                    yield [line for line in whole if line]
                if len(rest) > MAX_LINE_BYTES:
                    raise DtmaUnreachable(f"The toolbox at {self.endpoint.url} sent a line that is too long.")
            if rest:
                raise DtmaUnreachable(f"The toolbox at {self.endpoint.url} broke off in the middle of a line.")
