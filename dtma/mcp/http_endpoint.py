"""The Streamable HTTP endpoint of a server that speaks it too.

A client whose era the server speaks talks to the server itself. Any other one, and a session that has a container of its own, gets the
endpoint that all servers have.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dtma.mcp.asgi import Refused, check_origin, read_whole, respond
from dtma.mcp.connection import Era
from dtma.mcp.http_passthrough import PassThrough
from dtma.mcp.http_server import HttpServer
from mcp_protocol.versions import STATELESS_VERSIONS

_FIRST_STATELESS = min(STATELESS_VERSIONS).encode()


class HttpEndpoint:
    """An ASGI application for one server's ``/mcp``."""

    def __init__(self, server: HttpServer, translated: ASGIApp, *, per_session: bool = False) -> None:
        self._server = server
        self._translated = translated
        self._per_session = per_session
        self._direct = PassThrough(server.upstream, server.meter, server.tools_changed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        era = era_of_client(headers)
        if (self._per_session and era is Era.HANDSHAKE) or not await self._server.speaks(era):
            await self._translated(scope, receive, send)
            return
        try:
            if b"origin" in headers:  # programs send none
                check_origin(Headers(scope=scope))
            body = await read_whole(receive)
        except Refused as refused:
            await respond(send, refused.status, *refused.headers, body=refused.body)
            return
        if body is not None:
            await self._direct(scope, body, receive, send)


def era_of_client(headers: dict[bytes, bytes]) -> Era:
    """The era of a request: those of the stateless era name their version, and so do those of later ones."""
    return Era.STATELESS if headers.get(b"mcp-protocol-version", b"") >= _FIRST_STATELESS else Era.HANDSHAKE
