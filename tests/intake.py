"""The intake's application, driven without TLS: what a toolbox sends, and under which certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.utils import timezone
from starlette.types import ASGIApp, Message, Scope

from agentopia.intake import application
from dtma_wire import Heartbeat, HeartbeatAnswer
from toolboxes.intake.peer import EXTENSION, Peer
from toolboxes.models import Certificate, Toolbox

HEARTBEAT = "/dtma/v1/heartbeat"


@dataclass(frozen=True)
class Answer:
    """What the intake answered."""

    status: int
    body: bytes

    @property
    def wanted(self) -> HeartbeatAnswer:
        """As a heartbeat's answer, which it must be."""
        assert self.status == 200, self.body
        return HeartbeatAnswer.model_validate_json(self.body)


def enrolled(toolbox: Toolbox, serial: str = "") -> Toolbox:
    """Give a toolbox an address at which nothing listens, and a certificate."""
    now = timezone.now()
    toolbox.url, toolbox.enrolled_at = "https://127.0.0.1:9", now
    toolbox.save(update_fields=("url", "enrolled_at"))
    serial = serial or f"{toolbox.pk.int:X}"
    Certificate.objects.create(toolbox=toolbox, serial=serial, not_before=now - timedelta(days=1), not_after=now + timedelta(days=6))
    return toolbox


def peer_of(toolbox: Toolbox) -> Peer:
    """The holder of the toolbox's newest certificate."""
    certificate = toolbox.certificates.order_by("-pk").first()
    return Peer(str(toolbox.pk), certificate.serial if certificate else "0")


async def apost(body: bytes, peer: Peer | None, path: str = HEARTBEAT, intake: ASGIApp = application) -> Answer:
    """One request."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "extensions": {} if peer is None else {EXTENSION: {"peer": peer}},
    }
    sent: list[Message] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await intake(scope, receive, send)
    start, *rest = sent
    return Answer(start["status"], b"".join(message.get("body", b"") for message in rest))


def post(toolbox: Toolbox, body: bytes | Heartbeat) -> Answer:
    """What this toolbox sends, as a heartbeat or as whatever it says instead."""
    content = body.model_dump_json().encode() if isinstance(body, Heartbeat) else body
    return async_to_sync(apost)(content, peer_of(toolbox))
