"""The model as a real server on a free port of this machine, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from bench.scripted.endpoint import MODEL, Endpoint

START_SECONDS = 20
STOP_SECONDS = 10


class Served:
    """The running model. What is set here counts from the next request on."""

    model = MODEL

    def __init__(self, endpoint: Endpoint, port: int) -> None:
        self._endpoint = endpoint
        self.port = port

    @property
    def url(self) -> str:
        """What an OpenAI-compatible provider takes as its base address."""
        return f"http://127.0.0.1:{self.port}/v1"

    def play(self, *tasks: dict[str, Any]) -> None:
        """Replace its tasks: ``{id, prompt, gold_calls, answer}`` each."""
        self._endpoint.model.load(list(tasks))

    def fail(self, faults: str) -> None:
        """What goes wrong from now on (see ``faults.py``); nothing for an empty text. Counts begin anew."""
        self._endpoint.faults = faults
        self._endpoint.model.reset()

    @property
    def log(self) -> Sequence[dict[str, Any]]:
        """One entry per request: when, for which task, what was offered, what was called, which faults occurred."""
        return tuple(self._endpoint.model.log)

    def reset(self) -> None:
        """Forget tasks, faults, counts and log."""
        self.fail("")
        self.play()


@contextlib.contextmanager
def serving(tasks: Sequence[dict[str, Any]] = (), faults: str = "") -> Iterator[Served]:
    """Start it, and end it with all that is under way."""
    endpoint = Endpoint(list(tasks), faults)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        config = uvicorn.Config(
            endpoint.app(), log_level="critical", ws="none", lifespan="off", access_log=False, timeout_graceful_shutdown=1
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="scripted model")
        thread.start()
        try:
            if not server.is_up.wait(START_SECONDS):
                raise TimeoutError("The scripted model did not start.")
            yield Served(endpoint, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()
