"""A double of an MCP registry's HTTP API (v0.1), as a real HTTP server: written from the public API reference. It misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

OFFICIAL = "io.modelcontextprotocol.registry/official"
Answer = tuple[int, dict[str, str], bytes]


def document(name: str = "org.example/weather", version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    """A ``server.json`` with one package of npm."""
    package = {"registryType": "npm", "identifier": "@example/weather", "version": "1.2.3", "transport": {"type": "stdio"}}
    return {"name": name, "description": "Tells the weather.", "version": version, "packages": [package], **changes}


def listed(server: Any, status: str = "active", *, newest: bool | None = True, updated: str = "2026-01-02T03:04:05Z") -> dict[str, Any]:
    """As a registry lists it."""
    official: dict[str, Any] = {"status": status, "publishedAt": "2026-01-02T03:04:05Z", "updatedAt": updated}
    return {"server": server, "_meta": {OFFICIAL: official | ({} if newest is None else {"isLatest": newest})}}


class RegistryDouble:
    """The server, in threads of this process. ``servers`` is what it lists, ``asked`` the queries it was sent.

    ``faults`` are taken from its front, one for each request: a function that makes the answer from the right one, or None to give that.
    """

    def __init__(self) -> None:
        self.servers: list[Any] = []
        self.faults: list[Callable[[Answer], Answer] | None] = []
        self.always: Callable[[Answer], Answer] | None = None
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.hold = threading.Event()
        self.only_version: str | None = None
        self.hold.set()
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = double.answer(self.path)
                double.hold.wait(20)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def host(self) -> str:
        """As it stands in an address."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> RegistryDouble:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str) -> Answer:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.paths.append(parts.path)
        self.asked.append(query)
        if not parts.path.endswith("/servers") or (self.only_version and f"/{self.only_version}/" not in parts.path):
            return 404, {}, b'{"error": "not found"}'
        right = 200, {"Content-Type": "application/json"}, json.dumps(self._page(query)).encode()
        fault = self.faults.pop(0) if self.faults else self.always
        return right if fault is None else fault(right)

    def _page(self, query: dict[str, str]) -> Any:
        told = query.get("cursor", "")
        limit, first = int(query.get("limit", "30")), int(told) if told.isdecimal() else 0
        found = self.servers
        if "updated_since" in query:
            found = [one for one in found if one["_meta"][OFFICIAL]["updatedAt"] >= query["updated_since"]]
        page = found[first : first + limit]
        more = {"nextCursor": str(first + limit)} if first + limit < len(found) else {}
        return {"servers": page, "metadata": {"count": len(page), **more}}


def status(code: int, **headers: str) -> Callable[[Answer], Answer]:
    """Answer with this status."""
    return lambda right: (code, {name.replace("_", "-"): value for name, value in headers.items()}, b"no")


def body(content: bytes | str | Any) -> Callable[[Answer], Answer]:
    """Answer with this, as JSON unless it is text."""
    text = content if isinstance(content, (bytes, str)) else json.dumps(content)
    return lambda right: (200, {}, text if isinstance(text, bytes) else text.encode())


def truncated(right: Answer) -> Answer:
    """Half of the right answer."""
    return right[0], right[1], right[2][: len(right[2]) // 2]


def broken_off(right: Answer) -> Answer:
    """Half of it, though all was announced."""
    return right[0], {**right[1], "Content-Length": str(len(right[2]))}, right[2][: len(right[2]) // 2]


def hung_up(right: Answer) -> Answer:
    """Nothing."""
    return 0, {}, b""
