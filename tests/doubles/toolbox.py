"""A toolbox that listens, under a certificate of the control plane's own authority, and does with servers what a test tells it to.

It stands for what no container can be made to do on demand: a version that is ready once and not the next time, a toolbox that is away in
just one moment. What a real DTMA does is told by tests/e2e.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dtma_wire import LogLine, Phase, Progress, ServerState, Settled, Step, StepState
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import Certificate, Toolbox

type Behaviour = Callable[[dict[str, Any]], ServerState | None]
"""Given a spec: the state that it ends in, or None to hang up instead."""


def tool(name: str, **changes: Any) -> dict[str, Any]:
    """The definition of a tool."""
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **changes}


def ready(*tools: dict[str, Any]) -> Behaviour:
    """It becomes ready, with these tools; where it is to be stopped, it is stopped."""

    def settle(spec: dict[str, Any]) -> ServerState:
        if spec["desired"] == "stopped":
            return _state(spec, Phase.STOPPED)
        return _state(spec, Phase.RUNNING, tools=tools, tools_hash=f"{hash(str(tools)) & 0xFFFFFFFF:064x}")

    return settle


def broken(reason: str) -> Behaviour:
    """It never becomes ready."""
    line = LogLine(ts=datetime.now(UTC), stream="stderr", text="its last words")
    return lambda spec: _state(spec, Phase.CRASHED, reason=reason, exit_code=1, last_log=(line,))


def away(spec: dict[str, Any]) -> None:
    """The connection breaks."""


def _state(spec: dict[str, Any], phase: Phase, **values: Any) -> ServerState:
    return ServerState(id="", generation=spec["generation"], revision=0, phase=phase, **values)


@dataclass
class ToolboxDouble:
    """``behaves`` by the version of a server's package; ``servers`` are the specs that it has, ``put`` all that it was given in turn."""

    behaves: dict[str, Behaviour] = field(default_factory=dict)
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    put: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    deletes: bool = True
    at_put: Callable[[dict[str, Any]], None] | None = None
    _revision: int = 1

    async def take(self, request: web.Request) -> web.StreamResponse:
        server_id, spec = request.match_info["id"], await request.json()
        version = spec["source"]["version"]
        self.put.append((server_id, version))
        if self.at_put is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.at_put, spec)
        state = self.behaves[version](spec)
        answer = web.StreamResponse()
        await answer.prepare(request)
        progress = Progress(step=Step.IMAGE, state=StepState.DONE, at=datetime.now(UTC))
        await answer.write(progress.model_dump_json().encode() + b"\n")
        if state is None:
            assert request.transport is not None
            request.transport.abort()
            return answer
        self.servers[server_id] = spec
        self._revision += 1
        state = state.model_copy(update={"id": server_id, "revision": self._revision})
        settled = Settled(ready=state.phase in (Phase.RUNNING, Phase.STOPPED), server=state)
        await answer.write(settled.model_dump_json().encode() + b"\n")
        return answer

    async def delete(self, request: web.Request) -> web.StreamResponse:
        server_id = request.match_info["id"]
        if not self.deletes:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        self.deleted.append((server_id, request.query["volumes"]))
        self.servers.pop(server_id, None)
        return web.json_response(ServerState(id=server_id, generation=0, revision=0, phase=Phase.ABSENT).model_dump(mode="json"))


@contextmanager
def listening(toolbox: Toolbox) -> Iterator[ToolboxDouble]:
    """Let one listen as this toolbox; its row gets the address."""
    double, loop, started, stop = ToolboxDouble(), asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    tls = _tls(toolbox)
    ports: list[int] = []

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.put("/v1/servers/{id}", double.take), web.delete("/v1/servers/{id}", double.delete)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        ports.append(runner.addresses[0][1])
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    toolbox.url = f"https://127.0.0.1:{ports[0]}"
    toolbox.save(update_fields=("url",))
    yield double
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def _tls(toolbox: Toolbox) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate_authority()
    signed = authority.sign(key.public_key(), toolbox.identity, timedelta(days=1))
    Certificate.objects.create(toolbox=toolbox, serial=signed.serial, not_before=signed.not_before, not_after=signed.not_after)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL takes a key from a file only
        file.write(plain + signed.pem.encode())
        file.flush()
        context.load_cert_chain(file.name)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
