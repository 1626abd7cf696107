"""ASGI scopes as the gateway sees them, and what an ASGI application answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

HOST = (b"host", b"127.0.0.1:8000")


def scope_of(path: str = "/mcp/helper", *headers: tuple[bytes, bytes], query: bytes = b"", method: str = "POST", host: Any = HOST) -> Any:
    """A request; ``host`` None sends none."""
    every = [*([host] if host else []), *headers]
    asked = {"path": path, "query_string": query, "headers": every, "client": ("192.0.2.7", 1)}
    return {"type": "http", "method": method, "scheme": "http", **asked}


def bearer(token: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + token.encode()


@dataclass
class Answer:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def answer_of(application: Any, scope: Any, body: bytes = b"") -> Answer:
    """Ask an ASGI application."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))
