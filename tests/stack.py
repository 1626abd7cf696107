"""A whole Agentopia for end-to-end tests: `make run` on a home and a port of its own.

`stack` is one per test session; a test that breaks things starts its own with `start_stack`.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from deploy.local.home import Home
from deploy.local.processes import ROOT, ask, stop_left_behind
from deploy.local.redis import free_port

READY_SECONDS = 300
STOP_SECONDS = 90
# The stack has engines and keys of its own, and is no part of the make that runs the tests.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")


@dataclass
class Stack:
    """A running `make run`. The demo user's password is known where this start has printed it, or was told."""

    home: Path
    port: int
    demo_password: str
    make: subprocess.Popen[str]
    demo_email: str = "demo@agentopia.local"
    output: list[str] = field(default_factory=list)
    _ready: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a `manage.py` command needs to find this stack."""
        return {**launch_environment(), "AGENTOPIA_HOME": str(self.home)}

    def process(self, name: str) -> int:
        """The process id of postgres, redis, web, worker, beat or dtma; 0 while it is being started again."""
        pid: int = ask(Home(self.home).socket_folder(), "getProcessInfo", name)["pid"]
        return pid

    def kill(self, name: str) -> int:
        """Kill one of them outright and return the process id that it had."""
        pid = self.process(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def logs(self, name: str) -> str:
        """What one of them has written so far."""
        return (self.home / "log" / f"{name}.log").read_text(errors="replace")

    def manage(self, *arguments: str) -> str:
        """The standard output of a `manage.py` command."""
        command = [str(ROOT / ".venv" / "bin" / "python"), "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True).stdout

    def launcher(self) -> psutil.Process:
        """The launcher itself: the process that make has become or started."""
        return next(process for process in family(self.make.pid) if "deploy.local.run" in process.cmdline())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal as its usual sender would and return the exit code: a terminal sends them to all of its processes."""
        if number in (signal.SIGINT, signal.SIGHUP):
            os.killpg(self.make.pid, number)
        else:
            self.make.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        return self.make.wait(STOP_SECONDS)

    def read(self) -> None:
        """Take down what make prints; runs in a thread of its own until the output ends."""
        assert self.make.stdout is not None
        with self.make.stdout as lines:
            for line in lines:
                self.output.append(line.rstrip("\n"))
                if found := re.search(r"with the password (\S+) ", line):
                    self.demo_password = found[1]
                if line.startswith("Agentopia is ready at "):
                    self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        assert self._ready.wait(READY_SECONDS), f"not ready after {READY_SECONDS} s:\n" + "\n".join(self.output)
        assert f"Agentopia is ready at {self.url}" in self.output, "make run ended:\n" + "\n".join(self.output)


def launch_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def launch(home: Path, port: int | str, clone: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    """`make run`, started and not waited for."""
    return subprocess.Popen(
        ["make", "--no-print-directory", "run"],
        cwd=clone,
        env={**launch_environment(), "AGENTOPIA_HOME": str(home), "PORT": str(port), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


def start_stack(home: Path, port: int | None = None, demo_password: str = "", clone: Path = ROOT, **environment: str) -> Stack:
    """Start everything and wait for the ready line. A home that was used before needs to be told its password."""
    port = port or free_port()
    stack = Stack(home, port, demo_password, launch(home, port, clone, **environment))
    threading.Thread(target=stack.read, daemon=True).start()
    try:
        stack.wait_until_ready()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            stack.stop()
        raise
    return stack


@contextlib.contextmanager
def temporary_home(mode: int = 0o711, name: str = "home") -> Iterator[Path]:
    """An AGENTOPIA_HOME that goes away with all that was kept for it; PostgreSQL's own user may enter it unless `mode` says no.

    pytest's own temporary folders are private, and their names are too long for sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix="agentopia-"))
    folder.chmod(mode)
    home = folder / name
    try:
        yield home
    finally:
        stop_left_behind(Home(home))  # of a test that failed: its launcher ends with its processes
        shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One Agentopia for all end-to-end tests that leave it as they found it."""
    with temporary_home() as home:
        running = start_stack(home)
        yield running
        running.stop()
