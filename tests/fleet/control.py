"""A control plane of real processes on the tests' own database, listening where hosts reach it; tests write to the same database."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import redis
from django.db import connection

from deploy.local.home import open_home
from deploy.local.processes import Program
from deploy.local.run import application_programs
from tests.dtma.agent import ROOT, free_port, until

PROGRAMS = ("intake", "web", "worker", "beat")
HEARTBEAT_SECONDS = 1.0


class ControlPlane:
    """Intake, web, worker and beat, as `make run` starts them, each of which a test may end. ``address`` is where hosts reach it."""

    def __init__(self, folder: Path, address: str, number: int) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.intake = (address, free_port())
        self.intake_url = f"https://{self.intake[0]}:{self.intake[1]}"
        programs = application_programs(open_home(folder), port)
        self._programs = {program.name: program for program in programs if program.name in PROGRAMS}
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "DATABASE_URL": _with_path(os.environ["DATABASE_URL"], str(connection.settings_dict["NAME"])),
            "REDIS_URL": _with_path(os.environ["REDIS_URL"], str(1 + number % 15)),  # a queue of its own
            "PORT": str(port),
            "INTAKE_HOST": self.intake[0],
            "INTAKE_PORT": str(self.intake[1]),
            "INTAKE_URL": self.intake_url,
            "HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
        }
        with redis.Redis.from_url(self._environment["REDIS_URL"]) as queue:
            queue.flushdb()

    def start(self, *names: str, **environment: str) -> None:
        """Start some of them (all, if none is named) with further settings, and wait until they answer."""
        for name in names or PROGRAMS:
            with (self._folder / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    self._program(name).command,
                    cwd=ROOT,
                    env={**self._environment, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        for name in names or PROGRAMS:
            until(partial(self._answers, name), 60)

    def stop(self, *names: str) -> None:
        self._end(names or PROGRAMS, signal.SIGTERM)

    def kill(self, *names: str) -> None:
        self._end(names or PROGRAMS, signal.SIGKILL)

    @contextlib.contextmanager
    def intake_with(self, **environment: str) -> Iterator[None]:
        """The intake is started anew with other settings, and with those of before at the end."""
        self.stop("intake")
        self.start("intake", **environment)
        try:
            yield
        finally:
            self.stop("intake")
            self.start("intake")

    def logs(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _end(self, names: tuple[str, ...], number: signal.Signals) -> None:
        ending = [self._running.pop(name) for name in names if name in self._running]
        for process in ending:
            process.send_signal(number)
        for process in ending:
            process.wait(30)

    def _program(self, name: str) -> Program:
        return self._programs[name]

    def _answers(self, name: str) -> bool:
        assert self._running[name].poll() is None, self.logs(name)[-3000:]
        if name == "intake":
            with socket.socket() as sock:
                return sock.connect_ex(self.intake) == 0
        if name == "web":
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
                    return bool(answer.status == 200)
            except (URLError, ConnectionError):
                return False
        return True  # what a worker does not take on yet waits for it


def _with_path(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=f"/{path}").geturl()
