"""HTTP to one DTMA: authorisation, limits, and the translation of every failure into the tree of ``exceptions``."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp

from dtma_client.exceptions import DtmaTimeout, DtmaUnreachable, error_from

CONNECT_SECONDS = 5.0
QUICK_SECONDS = 15.0
"""For answers that DTMA gives at once."""
LIFECYCLE_SECONDS = 900.0
"""For start, restart and the like, which answer when it has happened; an image may have to be built first."""
SILENCE_SECONDS = 20.0
"""A stream that is silent for longer is broken: DTMA sends a ping every five seconds."""
LARGE_BODY_BYTES = 512 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Endpoint:
    """Where a DTMA listens, e.g. ``http://127.0.0.1:9400``, and the bearer token that it accepts."""

    url: str
    token: str = field(repr=False)


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large body is written piece by piece, so that it does not hold up the event loop."""
    return body if body is None or len(body) <= LARGE_BODY_BYTES else io.BytesIO(body)


@contextmanager
def failures(endpoint: Endpoint) -> Iterator[None]:
    """Turn what aiohttp and asyncio raise into ``DtmaUnreachable`` and ``DtmaTimeout``."""
    try:
        yield
    except TimeoutError as error:
        raise DtmaTimeout(f"The toolbox at {endpoint.url} did not answer in time.") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise DtmaUnreachable(f"The toolbox at {endpoint.url} cannot be reached: {error}") from error
    except aiohttp.ClientError as error:
        raise DtmaUnreachable(f"The toolbox at {endpoint.url} broke off its answer: {error}") from error


class Transport:
    """Requests to one endpoint over a session that somebody else owns."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session
        self._base = endpoint.url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {endpoint.token}"}

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
                headers={**self._authorization, **(headers or {})},
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
