"""What stands in for the control plane's listener for toolboxes: a real one over TLS, that can be made to misbehave."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dtma_wire import (
    Enrol,
    Enrolled,
    ErrorBody,
    ErrorCode,
    Heartbeat,
    HeartbeatAnswer,
    Phase,
    Renew,
    Renewed,
    ServerState,
    Wanted,
    toolbox_name,
    toolbox_named,
)
from tests.dtma.agent import eventually, free_port
from tests.dtma.authority import authority

type Mishap = Callable[[web.Request], None]


class ControlPlane:
    """Takes heartbeats, or refuses them; enrols and renews. ``mishaps`` are met by requests, by path, one each."""

    def __init__(self, toolbox: str = "t") -> None:
        self.port = free_port()
        self.status = 200
        self.interval = 30.0
        self.resend = False
        self.wanted: tuple[Wanted, ...] = ()
        self.heard: list[Heartbeat] = []
        self.peers: list[str | None] = []
        """The toolbox that each heartbeat was of, by its certificate; whether that still counts, nobody asks unless ``strict``."""
        self.strict = False
        self.toolbox = toolbox
        self.life = timedelta(days=3)
        self.token = "one-time"
        self.used_by: object = None
        self.enrolments: list[Enrol] = []
        self.certificate_for: ec.EllipticCurvePublicKey | None = None
        """If set, certificates are made out to this key, whoever asks."""
        self.renewals = 0
        self.renew_as: str | None = None
        """If set, the toolbox that renewed certificates name."""
        self.mishaps: dict[str, list[Mishap]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def states(self, server_id: str) -> list[ServerState]:
        return [state for beat in self.heard for state in beat.servers if state.id == server_id]

    def phases(self, server_id: str) -> list[Phase]:
        return [state.phase for state in self.states(server_id)]

    async def hears(self, condition: Callable[[Heartbeat], bool], seconds: float = 10) -> Heartbeat:
        """Wait for the newest heartbeat to be such."""

        async def heard() -> Heartbeat | None:
            return self.heard[-1] if self.heard and condition(self.heard[-1]) else None

        found = await eventually(heard, seconds)
        assert found is not None
        return found

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        app = web.Application(client_max_size=2**26, middlewares=[self._meet_mishaps])
        app.router.add_get("/dtma/v1/ca", self.show_authority)
        app.router.add_post("/dtma/v1/enrol", self.enrol)
        app.router.add_post("/dtma/v1/renew", self.renew)
        app.router.add_post("/dtma/v1/heartbeat", self.take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls or authority().server()).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """``POST /dtma/v1/heartbeat``"""
        peer = _peer(request)
        self.peers.append(toolbox_named(_name(peer)))
        if self.strict and ssl.cert_time_to_seconds(peer["notAfter"]) < time.time():
            return refused(403, ErrorCode.FORBIDDEN, "The certificate has expired.")
        if self.status == 200:
            self.heard.append(Heartbeat.model_validate_json(await request.read()))
        answer = HeartbeatAnswer(interval_seconds=self.interval, resend=self.resend, wanted=self.wanted)
        self.resend = False
        return web.Response(status=self.status, text=answer.model_dump_json())

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """``POST /dtma/v1/renew``"""
        toolbox = toolbox_named(_name(_peer(request)))
        if toolbox is None:
            return refused(401, ErrorCode.UNAUTHENTICATED, "Show a certificate.")
        self.renewals += 1
        wish = Renew.model_validate_json(await request.read())
        return web.Response(
            text=Renewed(
                certificate=authority().answer(wish.request, self.renew_as or toolbox, begins=datetime.now(UTC), life=self.life)
            ).model_dump_json()
        )

    async def show_authority(self, request: web.Request) -> web.StreamResponse:
        """``GET /dtma/v1/ca``"""
        return web.Response(body=authority().pem)

    async def enrol(self, request: web.Request) -> web.StreamResponse:
        """``POST /dtma/v1/enrol``"""
        wish = Enrol.model_validate_json(await request.read())
        self.enrolments.append(wish)
        key = x509.load_pem_x509_csr(wish.request.encode()).public_key()
        if wish.token.get_secret_value() != self.token or self.used_by not in (None, key):
            return refused(403, ErrorCode.FORBIDDEN, "This token was used already, or has expired.")
        self.used_by = key
        certificate = authority().answer(wish.request, self.toolbox, begins=datetime.now(UTC), life=self.life)
        if self.certificate_for is not None:
            certificate = authority().certificate([toolbox_name(self.toolbox)], self.certificate_for).decode()
        return web.Response(text=Enrolled(toolbox=self.toolbox, certificate=certificate, heartbeat_seconds=20).model_dump_json())

    @web.middleware
    async def _meet_mishaps(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        self.asked.append(request.path)
        before, after = (self.mishaps.get(f"{when} {request.path}", []) for when in ("before", "after"))
        if before:
            before.pop(0)(request)
        response: web.StreamResponse = await handler(request)
        if after:
            after.pop(0)(request)
        return response


def refused(status: int, code: ErrorCode, message: str) -> web.Response:
    return web.Response(status=status, text=ErrorBody(code=code, message=message).model_dump_json())


def cut_off(request: web.Request) -> None:
    """The connection breaks."""
    assert request.transport is not None
    request.transport.abort()
    raise asyncio.CancelledError


def _peer(request: web.Request) -> dict[str, Any]:
    assert request.transport is not None
    return request.transport.get_extra_info("peercert") or {}


def _name(certificate: dict[str, Any]) -> str:
    return next((name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"), "")
