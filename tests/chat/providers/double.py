"""A provider of models as a real HTTP server: it answers in the words of OpenAI, Anthropic and Google, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

KEY = "sk-canary-4711-secret"
MODELS = ["model-large", "model-small"]


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What is answered: JSON unless ``raw`` is given, which may be sent in pieces, each after so many seconds' waiting for `release`."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hangs: bool = False
    hangs_after: bytes | None = None
    endless: bytes = b""


class ProviderDouble:
    """``key`` is what it takes (empty: anybody may ask), ``models`` what it has. ``instead`` makes other answers than the right one."""

    def __init__(self) -> None:
        self.key = KEY
        self.models = list(MODELS)
        self.lists_openly = False
        self.instead: Callable[[Asked], Answer | None] = lambda asked: None
        self.asked: list[Asked] = []
        self.release = threading.Event()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                double.serve(self)

            def do_POST(self) -> None:
                double.serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def root(self) -> str:
        return f"http://{self.host}"

    @property
    def url(self) -> str:
        """As OpenAI-compatible ones have it."""
        return f"{self.root}/v1"

    def start(self) -> ProviderDouble:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        asked = Asked(handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        self.asked.append(asked)
        _send(handler, self.instead(asked) or self._right(asked), self.release)

    def _right(self, asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if not path.startswith(("/v1/", "/v1beta/")):
            return Answer(404, {"error": "no such page"})
        listing = asked.method == "GET" and path.endswith("/models")
        if self.key and not (listing and self.lists_openly) and self.key not in " ".join(asked.headers.values()):
            return Answer(401, {"error": {"message": "Incorrect API key provided."}})
        if path == "/v1beta/models":
            entries = [{"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]} for name in self.models]
            return Answer(content={"models": [*entries, {"name": "models/pictures", "supportedGenerationMethods": ["predict"]}]})
        if listing:
            return Answer(content={"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        model = (asked.body or {}).get("model") or path.rpartition("/")[2].partition(":")[0]
        if model not in self.models:
            return Answer(404, {"error": {"message": f"The model {model} does not exist."}})
        return Answer(content=_reply(path, model))


def _reply(path: str, model: str) -> dict[str, Any]:
    if path.startswith("/v1beta/"):
        part = {"content": {"role": "model", "parts": [{"text": "yes"}]}, "finishReason": "STOP"}
        return {"candidates": [part], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}, "modelVersion": model}
    if path == "/v1/messages":
        usage = {"input_tokens": 3, "output_tokens": 1}
        content = [{"type": "text", "text": "yes"}]
        return {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "end_turn",
            "usage": usage,
        }
    choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}


def _send(handler: BaseHTTPRequestHandler, answer: Answer, release: threading.Event) -> None:
    handler.close_connection = True
    if answer.hangs:
        release.wait(20)
        return
    content = json.dumps(answer.content).encode() if answer.raw is None else answer.raw
    handler.send_response(answer.status)
    length = {} if answer.endless or answer.hangs_after is not None else {"Content-Length": str(len(content))}
    for name, value in ({"Content-Type": "application/json"} | length | answer.headers | {"Connection": "close"}).items():
        handler.send_header(name, value)
    handler.end_headers()
    try:
        handler.wfile.write(content)
        if answer.hangs_after is not None:
            handler.wfile.write(answer.hangs_after)
            handler.wfile.flush()
            release.wait(20)
        while answer.endless:
            handler.wfile.write(answer.endless)
    except OSError:  # who asked has gone
        pass
