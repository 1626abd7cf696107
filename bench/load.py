"""A load client for Streamable HTTP that costs next to nothing itself: one connection per session, one request at a time.

Speaks HTTP with ``httptools`` on a bare asyncio protocol, so that it leaves both cores to what is measured.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

VERSION = "2025-11-25"
LIMIT_SECONDS = 60


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._body: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}

    @property
    def closed(self) -> bool:
        """Whether the server hung up: many do after a few seconds without a request."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; returns the answer's status and body."""
        assert self._transport is not None
        assert self._answer is None
        self._parser = httptools.HttpResponseParser(self)
        self._body, self.headers = [], {}
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's TLS transports do not inherit from it

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up before it had answered"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), b"".join(self._body)))


class Session:
    """One MCP session of the handshake era."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        self._path = parts.path
        self._tls = tls
        self._headers = {
            "Host": f"{self._host}:{self._port}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            **(headers or {}),
        }
        self._head = b""
        self._connection = Connection()
        self._last = 0

    async def open(self) -> None:
        """Connect and shake hands."""
        self._lay_out()
        client = {"name": "load", "version": "1"}
        await self.request("initialize", {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client})
        session = self._connection.headers.get(b"mcp-session-id")
        if session is not None:
            self._headers["Mcp-Session-Id"] = session.decode()
            self._lay_out()
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """One request; returns its result and raises ``RuntimeError`` for anything else."""
        self._last += 1
        body = await self._post({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        for piece in body.splitlines() if body.startswith((b"data", b"event", b"id", b":")) else [body]:
            content = piece.removeprefix(b"data:").strip()
            if content.startswith(b"{") and (message := json.loads(content)).get("id") == self._last:
                if "result" in message:
                    return dict(message["result"])
                raise RuntimeError(f"{method}: {message}")
        raise RuntimeError(f"{method} was not answered: {body[:200]!r}")

    async def echo(self, text: str) -> str:
        """Call the tool of ``bench/servers``; returns what it says."""
        result = await self.request("tools/call", {"name": "echo", "arguments": {"message": text}})
        return str(result["content"][0]["text"])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _lay_out(self) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        self._head = f"POST {self._path} HTTP/1.1\r\n{lines}".encode()

    async def _post(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message, separators=(",", ":")).encode()
        if self._connection.closed:
            _, self._connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port, ssl=self._tls)
        async with asyncio.timeout(LIMIT_SECONDS):
            status, answer = await self._connection.ask(self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        if status >= 300:
            raise RuntimeError(f"{message['method']}: HTTP {status} {answer[:200]!r}")
        return answer


class Crowd:
    """Sessions that call at once, each one call after the other."""

    def __init__(self, url: str, clients: int, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._sessions = [Session(url, headers, tls) for _ in range(clients)]

    async def open(self) -> None:
        """All of them, one after the other."""
        for session in self._sessions:
            await session.open()

    async def calls_per_second(self, seconds: float) -> tuple[float, int]:
        """Call for so long; returns calls per second and how many calls there were."""
        began = time.perf_counter()
        done = sum(await asyncio.gather(*(self._call(session, began + seconds) for session in self._sessions)))
        return done / (time.perf_counter() - began), done

    def close(self) -> None:
        """Hang up."""
        for session in self._sessions:
            session.close()

    @staticmethod
    async def _call(session: Session, until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            said = await session.echo(f"call {done}")
            assert said == f"Echo: call {done}", said
            done += 1
        return done
