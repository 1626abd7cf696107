"""A toolbox that listens, whose servers' tools do what a test tells them: a real server with TLS and MCP, which misbehaves on demand.

What a real DTMA and real containers do is told by test_real_tools.py.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.toolbox import _tls
from toolboxes.models import Toolbox

SECONDS = 20


class HangUp(Exception):
    """The connection breaks."""


@dataclass
class Refuse(Exception):
    """DTMA refuses the request."""

    status: int
    code: str
    message: str = "Refused."
    retryable: bool = True


@dataclass
class Fail(Exception):
    """A JSON-RPC error."""

    code: int
    message: str = "It failed."


type Tool = Callable[[dict[str, Any]], Any]
"""Takes the arguments, gives the text of the result, or the whole result, at once or awaited."""


class Gate:
    """A tool that says that it was reached, and goes on when it is let."""

    def __init__(self, text: str = "done") -> None:
        self.text, self.reached, self._open = text, threading.Event(), threading.Event()
        self.ended = threading.Event()
        self.was_cancelled = False

    def open(self) -> None:
        """Let it go on."""
        self._open.set()

    def wait_until_reached(self) -> None:
        assert self.reached.wait(SECONDS)

    async def __call__(self, arguments: dict[str, Any]) -> str:
        self.reached.set()
        try:
            while not self._open.is_set():  # noqa: ASYNC110 (it is opened in another thread)
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.ended.set()
        return self.text


class Talk:
    """A call that is answered by a stream of events: tools that take it beside their arguments can say how far they are, and ask."""

    def __init__(self, token: Any) -> None:
        self.sent: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._token, self._answers = token, {}  # type: ignore[var-annotated]

    def progress(self, progress: float, total: float, message: str) -> None:
        """How far it is."""
        params = {"progressToken": self._token, "progress": progress, "total": total, "message": message}
        self.sent.put_nowait({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the client; returns its whole JSON-RPC answer."""
        name = f"question-{len(self._answers)}"
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        self.sent.put_nowait({"jsonrpc": "2.0", "id": name, "method": method, "params": params})
        return await answer  # type: ignore[no-any-return]

    def take(self, message: dict[str, Any]) -> bool:
        """An answer of the client's, if it is one of this call's."""
        answer = self._answers.get(message.get("id"))
        if answer is None or answer.done():
            return False
        answer.set_result(message)
        return True


@dataclass
class Box:
    """``tools`` by their names, ``calls`` are all that were made, in their order, and ``cancelled`` the ids of those that were given up."""

    tools: dict[str, Tool] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cancelled: list[Any] = field(default_factory=list)
    talking: dict[str, Callable[[dict[str, Any], Talk], Awaitable[Any]]] = field(default_factory=dict)
    _open: dict[Any, asyncio.Task[Any]] = field(default_factory=dict)
    _talks: list[Talk] = field(default_factory=list)

    def made(self, name: str) -> int:
        """How often it was called."""
        return sum(called == name for called, _ in self.calls)

    async def post(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        method, params = message.get("method"), message.get("params") or {}
        if "method" not in message:
            assert any(talk.take(message) for talk in self._talks)
            return web.Response(status=202)
        if "id" not in message:
            if method == "notifications/cancelled":
                self.cancelled.append(params.get("requestId"))
                if (task := self._open.get(params.get("requestId"))) is not None:
                    task.cancel()
            return web.Response(status=202)
        if method == "initialize":
            result: dict[str, Any] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "box", "version": "1"},
            }
            return self._answer(message, result)
        return await self._call(request, message, params)

    async def _call(self, request: web.Request, message: dict[str, Any], params: dict[str, Any]) -> web.StreamResponse:
        name, arguments = params["name"], params.get("arguments") or {}
        self.calls.append((name, arguments))
        if name in self.talking:
            return await self._talk(request, message, name, arguments)
        task = self._open[message["id"]] = asyncio.ensure_future(self._done(name, arguments))
        try:
            outcome = await task
        except HangUp:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        except Refuse as refused:
            body = {"code": refused.code, "message": refused.message, "retryable": refused.retryable}
            return web.json_response(body, status=refused.status)
        except Fail as failed:
            error = {"code": failed.code, "message": failed.message}
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})
        except asyncio.CancelledError:
            return web.json_response(
                {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "The request was cancelled."}}
            )
        result = outcome if isinstance(outcome, dict) else {"content": [{"type": "text", "text": str(outcome)}]}
        return self._answer(message, result)

    async def _talk(self, request: web.Request, message: dict[str, Any], name: str, arguments: dict[str, Any]) -> web.StreamResponse:
        talk = Talk((message["params"].get("_meta") or {}).get("progressToken"))
        self._talks.append(talk)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Mcp-Session-Id": "one"})
        await answer.prepare(request)

        async def work() -> None:
            text = await self.talking[name](arguments, talk)
            result = {"content": [{"type": "text", "text": str(text)}]}
            talk.sent.put_nowait({"jsonrpc": "2.0", "id": message["id"], "result": result})
            talk.sent.put_nowait(None)

        task = self._open[message["id"]] = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: talk.sent.put_nowait(None))
        while (event := await talk.sent.get()) is not None:
            await answer.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        return answer

    async def _done(self, name: str, arguments: dict[str, Any]) -> Any:
        outcome = self.tools[name](arguments)
        return await outcome if isinstance(outcome, Awaitable) else outcome

    def _answer(self, message: dict[str, Any], result: dict[str, Any]) -> web.Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return web.Response(text=body, content_type="application/json", headers={"Mcp-Session-Id": "one"})


@contextmanager
def listening(toolbox: Toolbox) -> Iterator[Box]:
    """Let one listen as this toolbox; its row gets the address."""
    box, started, stop = Box(), threading.Event(), asyncio.Event()
    tls, ports, loops = _tls(toolbox), [], []

    async def ended(request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.post("/v1/servers/{id}/mcp", box.post), web.delete("/v1/servers/{id}/mcp", ended)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        ports.append(runner.addresses[0][1])
        loops.append(asyncio.get_running_loop())
        started.set()
        await stop.wait()
        await runner.cleanup()
        await asyncio.sleep(0)  # the connections close

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(SECONDS)
    toolbox.url = f"https://127.0.0.1:{ports[0]}"
    toolbox.save(update_fields=("url",))
    try:
        yield box
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
