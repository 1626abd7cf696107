"""What the control plane hears, and when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dtma_client import DtmaClient
from dtma_wire import WIRE_VERSION, Heartbeat, HeartbeatAnswer, Phase, ServerState
from tests.dtma.agent import Agent, eventually, free_port, ready, spec_of, until


class ControlPlane:
    """Takes heartbeats, or refuses them."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 200
        self.interval = 30.0
        self.resend = False
        self.heard: list[Heartbeat] = []
        self.authorizations: set[str | None] = set()

    async def take(self, request: web.Request) -> web.Response:
        self.authorizations.add(request.headers.get("Authorization"))
        if self.status == 200:
            self.heard.append(Heartbeat.model_validate_json(await request.read()))
        answer = HeartbeatAnswer(interval_seconds=self.interval, resend=self.resend)
        self.resend = False
        return web.Response(status=self.status, text=answer.model_dump_json())

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/beat", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls).start()
        try:
            yield
        finally:
            await runner.cleanup()

    def states(self, server_id: str) -> list[ServerState]:
        return [state for beat in self.heard for state in beat.servers if state.id == server_id]

    def phases(self, server_id: str) -> list[Phase]:
        return [state.phase for state in self.states(server_id)]


async def test_changes_are_told_at_once_and_tools_once(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    async with control.listening():
        agent = make_agent(heartbeat_url=f"http://127.0.0.1:{control.port}/beat", heartbeat_token="beat token", heartbeat_seconds=60)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            state = await ready(client, server_id, spec_of(image, "workshop"))

            # The next regular heartbeat is half a minute away: only a change can bring one.
            async def told(phase: Phase) -> bool:
                return control.phases(server_id)[-1:] == [phase]

            await eventually(lambda: told(Phase.RUNNING), 3)
            first = control.states(server_id)[-1]
            assert (first.tools, first.tools_hash) == (state.tools, state.tools_hash)
            await client.stop(server_id)
            await eventually(lambda: told(Phase.STOPPED), 3)
            later = control.states(server_id)[-1]
            assert (later.tools, later.tools_hash) == (None, state.tools_hash)
            await client.delete(server_id)

            async def gone() -> bool:
                return server_id not in {*control.heard[-1].unchanged, *(one.id for one in control.heard[-1].servers)}

            await eventually(gone, 3)
    assert control.authorizations == {"Bearer beat token"}
    assert [beat.sequence for beat in control.heard] == sorted({beat.sequence for beat in control.heard})
    assert {(beat.epoch, beat.wire_version) for beat in control.heard} == {(1, WIRE_VERSION)}
    assert control.heard[-1].info.engine_version
    assert all(beat.revision >= max((one.revision for one in beat.servers), default=0) for beat in control.heard)


async def test_a_control_plane_that_is_away_is_told_everything_later(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.status = 500
    async with control.listening():
        agent = make_agent(heartbeat_url=f"http://127.0.0.1:{control.port}/beat", heartbeat_seconds=0.2)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "workshop"))
            await asyncio.to_thread(until, lambda: "does not take heartbeats: it answered HTTP 500" in agent.output)
            control.status = 200

            async def told() -> bool:
                return bool(control.heard)

            await eventually(told, 15)
            assert control.phases(server_id) == [Phase.RUNNING]
            assert control.heard[0].servers[0].tools is not None
    assert agent.output.count("does not take heartbeats") == 1


async def test_only_changes_are_told_and_everything_when_asked_for(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.interval = 1.0
    quiet, busy = f"{server_id}q", f"{server_id}b"

    async def quiet_is_known() -> bool:
        return quiet in control.heard[-1].unchanged and busy in control.heard[-1].unchanged

    async with control.listening():
        agent = make_agent(heartbeat_url=f"http://127.0.0.1:{control.port}/beat")
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, quiet, spec_of(image, "workshop"))
            await ready(client, busy, spec_of(image, "workshop"))
            await eventually(quiet_is_known)
            calm = len(control.heard)
            await client.stop(busy)

            async def told() -> bool:
                return control.phases(busy)[-1:] == [Phase.STOPPED]

            await eventually(told)
            later = control.heard[calm:]
            assert all(quiet in beat.unchanged and not any(state.id == quiet for state in beat.servers) for beat in later)
            assert all(beat.since == before.sequence for before, beat in zip(control.heard, control.heard[1:], strict=False))
            control.resend = True

            async def complete() -> bool:
                return control.heard[-1].since == 0 and {quiet, busy} <= {state.id for state in control.heard[-1].servers}

            await eventually(complete)
            assert control.states(quiet)[-1].tools is not None
            await eventually(quiet_is_known)


async def test_what_was_not_acknowledged_is_told_again(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    async with control.listening():
        agent = make_agent(heartbeat_url=f"http://127.0.0.1:{control.port}/beat")
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "workshop"))

            async def running() -> bool:
                return control.phases(server_id)[-1:] == [Phase.RUNNING]

            await eventually(running)
            control.status = 500
            await client.stop(server_id)
            await asyncio.to_thread(until, lambda: "does not take heartbeats: it answered HTTP 500" in agent.output)
            control.status = 200

            async def stopped() -> bool:
                return control.phases(server_id)[-1:] == [Phase.STOPPED]

            await eventually(stopped, 15)


def certificate_for_this_host(folder: Path) -> Path:
    """A certificate that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "control plane")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "control-plane.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_a_control_plane_behind_tls_is_believed_only_with_a_certificate_that_the_system_trusts(
    make_agent: Callable[..., Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = ControlPlane()
    certificate = certificate_for_this_host(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with control.listening(tls):
        stranger = make_agent(heartbeat_url=f"https://127.0.0.1:{control.port}/beat")
        await asyncio.to_thread(stranger.start)
        await asyncio.to_thread(until, lambda: "certificate verify failed" in stranger.output)
        assert control.heard == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        believer = make_agent(heartbeat_url=f"https://127.0.0.1:{control.port}/beat")
        await asyncio.to_thread(believer.start)

        async def heard() -> bool:
            return bool(control.heard)

        await eventually(heard)
