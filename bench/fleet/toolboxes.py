"""The load: simulated toolboxes, each with its own certificate and one connection that stays open.

    python -m bench.fleet.toolboxes FOLDER --seconds N [--changes SHARE] [--no-usage]

Prints a JSON object in a line when all are connected, one for each change on a watched toolbox as it is sent, and the figures at the end.
Reads a line from its standard input before it begins to send.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import resource
import ssl
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench.load import Connection
from dtma_wire import CONTROL_PLANE_NAME, WIRE_VERSION

EPOCH = 1
INTERVAL_SECONDS = 15.0
USAGE_SECONDS = 60.0
WATCHED_EVERY_SECONDS = 5.0
LIMIT_SECONDS = 10.0
INFO = {
    "dtma_version": "0.1.0", "wire_version": WIRE_VERSION, "mcp_versions": ["2025-11-25"], "hostname": "box", "cpus": 4,
    "memory_bytes": 2**33, "disk_free_bytes": 2**35, "disk_bytes": 2**36, "arch": "x86_64", "system": "Debian GNU/Linux 13",
    "kernel": "6.12", "engine_version": "28.0", "engine_problem": "", "isolation": ["cap_drop", "seccomp", "egress"],
}  # fmt: skip


@dataclass
class Figures:
    """What happened."""

    milliseconds: list[float] = field(default_factory=list)
    sent: int = 0
    changes: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    connected_again: int = 0

    def refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1


class Toolbox:
    """One of them: what it has on it, and what was acknowledged of that."""

    def __init__(self, row: dict[str, Any], head: bytes, *, tells_usage: bool) -> None:
        self.id: str = row["id"]
        self._servers: list[str] = row["servers"]
        self._head = head
        self._sequence = self._acknowledged = 1
        self._revision = EPOCH << 32
        self._changed: dict[str, dict[str, Any]] = {}
        self._one_by_one = asyncio.Lock()
        self._usage_due = time.monotonic() + (USAGE_SECONDS * random.random() if tells_usage else math.inf)
        self._usage: tuple[int, list[dict[str, Any]]] | None = None
        """What is told of servers and not acknowledged: the first heartbeat that carried it, and that."""
        self.usage_told = 0
        self.connection = Connection()

    @property
    def acknowledged(self) -> int:
        return self._acknowledged

    def change(self, server: str, reason: str) -> None:
        """A server looks different from now on; it is told with the next heartbeat."""
        self._revision += 1
        phase = "unhealthy" if reason else "running"
        state = {"id": server, "generation": 1, "revision": self._revision, "phase": phase, "reason": reason, "tools_hash": "a" * 64}
        self._changed[server] = state

    async def beat(self, figures: Figures) -> None:
        """One heartbeat, once the one before has been answered; what is not acknowledged is said again by the next."""
        async with self._one_by_one:
            await self._beat(figures)

    async def _beat(self, figures: Figures) -> None:
        self._sequence += 1
        sequence, told = self._sequence, dict(self._changed)
        if self._usage is None and time.monotonic() >= self._usage_due:
            self._usage_due += USAGE_SECONDS
            self._usage = (sequence, [_usage_of(server) for server in self._servers])
        body = self._body(told)
        figures.sent += 1
        figures.changes += bool(told)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                status, answer = await self.connection.ask(self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        except (OSError, TimeoutError) as error:
            figures.refuse(type(error).__name__)
            self.connection.close()  # a late answer must not be taken for that of the next
            return
        figures.milliseconds.append((time.perf_counter() - began) * 1000)
        if status != 200 or json.loads(answer)["resend"]:
            figures.refuse(f"HTTP {status}" if status != 200 else "resend")
            return
        self._acknowledged = sequence
        self.usage_told += self._usage is not None
        self._usage = None
        self._changed = {server: state for server, state in self._changed.items() if told.get(server) is not state}

    def _body(self, told: dict[str, dict[str, Any]]) -> bytes:
        chance = random.random()
        heartbeat = {
            "wire_version": WIRE_VERSION,
            "epoch": EPOCH,
            "sequence": self._sequence,
            "revision": self._revision,
            "sent_at": datetime.now(UTC).isoformat(),
            "info": {**INFO, "disk_free_bytes": int(2**35 * chance)},
            "servers": list(told.values()),
            "unchanged": [server for server in self._servers if server not in told],
            "since": self._acknowledged,
            "load": {"cpu_percent": 100 * chance, "load": 4 * chance, "memory_used_bytes": int(2**33 * chance), "disk_used_bytes": 2**35},
        }
        if self._usage is not None:
            heartbeat["usage_first"], heartbeat["usage"] = self._usage
        return json.dumps(heartbeat, separators=(",", ":")).encode()


def _usage_of(server: str) -> dict[str, Any]:
    chance = random.random()
    return {
        "id": server, "seconds": USAGE_SECONDS, "cpu_percent": 100 * chance, "memory_bytes": int(2**28 * chance),
        "memory_limit_bytes": 2**29, "received_bytes": int(2**20 * chance), "sent_bytes": int(2**18 * chance), "out_of_memory_kills": 0,
    }  # fmt: skip


class Fleet:
    """All of them."""

    def __init__(self, folder: Path, share: float, *, tells_usage: bool) -> None:
        described = json.loads((folder / "fleet.json").read_text())
        target = urlsplit(described["intake"])
        assert target.hostname is not None
        self._address = (target.hostname, target.port or 443)
        head = f"POST /dtma/v1/heartbeat HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: application/json\r\n".encode()
        self._folder = folder
        self._share = share
        self._rows = described["toolboxes"]
        self.toolboxes = [Toolbox(row, head, tells_usage=tells_usage) for row in self._rows]
        self._watched = described["watched"]
        self._turn = 0
        self.figures = Figures()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(folder / "ca.pem")
        self._connecting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """All of them."""
        for number in range(len(self.toolboxes)):
            await self._connect(number)

    async def _connect(self, number: int) -> None:
        """One after the other: the one context shows each the certificate that it was last given."""
        async with self._connecting:
            self._context.load_cert_chain(self._folder / f"{number}.pem")
            toolbox, loop = self.toolboxes[number], asyncio.get_running_loop()
            _, toolbox.connection = await loop.create_connection(
                Connection, *self._address, ssl=self._context, server_hostname=CONTROL_PLANE_NAME
            )

    async def report(self, seconds: float) -> None:
        """Heartbeats for so long, spread evenly over the interval."""
        watching = asyncio.create_task(self._change_watched())
        began = time.perf_counter()
        step = INTERVAL_SECONDS / len(self.toolboxes)
        for number in range(int(seconds / step)):
            wait = began + number * step - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            self._begin(number % len(self.toolboxes))
        assert not watching.done(), watching.exception()
        watching.cancel()
        await asyncio.wait(self._tasks)

    def _begin(self, number: int) -> None:
        toolbox = self.toolboxes[number]
        if number not in self._watched and random.random() < self._share:
            server = random.choice(self._rows[number]["servers"])
            toolbox.change(server, random.choice(("", "It has not answered for 30 s.")))
        self._start(number)

    def _start(self, number: int) -> None:
        task = asyncio.create_task(self._beat(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self, number: int) -> None:
        toolbox = self.toolboxes[number]
        if toolbox.connection.closed:
            self.figures.connected_again += 1
            await self._connect(number)
        await toolbox.beat(self.figures)

    async def _change_watched(self) -> None:
        """A change on one watched toolbox after the other, reported at once, as DTMA does."""
        while True:
            await asyncio.sleep(WATCHED_EVERY_SECONDS / len(self._watched))
            number, mark = self._watched[self._turn % len(self._watched)], f"change {self._turn}"
            self._turn += 1
            toolbox = self.toolboxes[number]
            toolbox.change(self._rows[number]["servers"][0], f"It does not answer ({mark}).")
            tell({"watched": number, "mark": f"({mark})", "at": time.time()})
            self._start(number)


def tell(what: dict[str, Any]) -> None:
    """To whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def run(chosen: argparse.Namespace) -> None:
    fleet = Fleet(chosen.folder, chosen.changes, tells_usage=not chosen.no_usage)
    began = time.perf_counter()
    await fleet.connect()
    tell({"connected": len(fleet.toolboxes), "seconds": time.perf_counter() - began})
    await asyncio.to_thread(sys.stdin.readline)
    await fleet.report(chosen.warm_up)
    warm, fleet.figures = fleet.figures, Figures()
    tell({"warm": warm.sent})
    cpu = time.process_time()
    await fleet.report(chosen.seconds)
    cpu = time.process_time() - cpu
    (chosen.folder / "acknowledged.json").write_text(json.dumps({toolbox.id: toolbox.acknowledged for toolbox in fleet.toolboxes}))
    (chosen.folder / "usage.json").write_text(json.dumps({toolbox.id: toolbox.usage_told for toolbox in fleet.toolboxes}))
    tell({"done": vars(fleet.figures), "cpu_seconds": cpu})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--warm-up", type=float, default=INTERVAL_SECONDS)
    options.add_argument("--changes", type=float, default=0.02)
    options.add_argument("--no-usage", action="store_true")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(run(options.parse_args()))


if __name__ == "__main__":
    main()
