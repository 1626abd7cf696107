"""The processes of one AGENTOPIA_HOME under supervisord: started, watched, brought back when they die, stopped together."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.local.errors import LaunchError
from deploy.local.home import Home
from deploy.terminal import say

ROOT = Path(__file__).resolve().parent.parent.parent
# In the environment of every process that belongs to a home, so that what an earlier start left behind is found.
MARK = "AGENTOPIA_SUPERVISED"
STOP_SECONDS = 90
GIVE_UP_AFTER_STARTS = 3


@dataclass(frozen=True)
class Program:
    """A program under supervisord. Later ones are stopped first, and those `at_once` without waiting for each other."""

    name: str
    command: list[str]
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    autostart: bool = True
    at_once: bool = False

    def section(self, priority: int, log: Path) -> str:
        """This program's part of supervisord's configuration."""
        user = f"user={self.user}\n" if self.user else ""
        return f"""
[program:{self.name}]
command={escaped(shlex.join(self.command))}
{user}priority={priority}
autostart={str(self.autostart).lower()}
autorestart=true
startsecs=1
startretries=1000
stopsignal={self.stop_signal}
stopwaitsecs={self.stop_seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={escaped(str(log / self.name))}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def escaped(text: str) -> str:
    """Text for supervisord's configuration. Raises LaunchError for what its format cannot hold."""
    if re.search(r"\s[;#]|\n", text):
        raise LaunchError("The name of a folder above Agentopia or AGENTOPIA_HOME holds ' ;', ' #' or a line break: rename it.")
    return text.replace("%", "%%")


def configuration(programs: Iterable[Program], home: Home, sockets: Path) -> str:
    """The whole of supervisord.conf."""
    head = f"""[supervisord]
nodaemon=true
silent=true
umask=077
{"user=root" if os.geteuid() == 0 else ""}
directory={escaped(str(ROOT))}
logfile={escaped(str(home.log))}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={escaped(str(sockets))}/supervisord.pid

[unix_http_server]
file={escaped(str(sockets))}/supervisord.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(program.section(10 * place, home.log) for place, program in enumerate(programs, start=1))


def ask(sockets: Path, method: str, *arguments: str | bool) -> Any:
    """Call supervisord's own API over XML-RPC. Raises OSError where it does not answer."""
    transport = SupervisorTransport(serverurl=f"unix://{sockets}/supervisord.sock")
    with ServerProxy("http://localhost", transport=transport) as server:
        return getattr(server.supervisor, method)(*arguments)


@dataclass
class Processes:
    """A running supervisord."""

    home: Home
    daemon: subprocess.Popen[bytes]
    sockets: Path
    programs: list[Program] = field(default_factory=list)
    _starts: dict[str, set[int]] = field(default_factory=dict)

    def start(self, names: Iterable[str]) -> None:
        for name in names:
            ask(self.sockets, "startProcess", name, False)

    def check(self, names: Iterable[str]) -> None:
        """Raises LaunchError where one of them ends again and again."""
        for name in names:
            try:
                info = ask(self.sockets, "getProcessInfo", name)
            except OSError as error:
                raise LaunchError(f"The process runner has ended: see {self.home.log}/supervisord.log.") from error
            if info["statename"] in ("BACKOFF", "FATAL", "EXITED"):
                starts = self._starts.setdefault(name, set())
                starts.add(info["start"])
                if len(starts) >= GIVE_UP_AFTER_STARTS or info["statename"] == "FATAL":
                    raise LaunchError(f"{name} does not start: {self.last_lines(name)}")

    def last_lines(self, name: str, count: int = 5) -> str:
        log = self.home.log / f"{name}.log"
        try:
            lines = log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n  ".join([f"the last lines of {log}:", *lines[-count:]])

    def stop_all(self) -> None:
        """Stop every program, the last one first, and supervisord itself."""
        say("Stopping")
        if self.daemon.poll() is None:
            with contextlib.suppress(OSError, Fault):  # where it answers no more, it is told by a signal
                self._stop_at_once()
            self.daemon.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.daemon.wait(STOP_SECONDS)
        stop_left_behind(self.home)
        if not self.sockets.is_relative_to(self.home.path):
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _stop_at_once(self) -> None:
        """Tell those to stop that need not wait for each other, once those after them have stopped."""
        names = [program.name for program in self.programs if program.at_once]
        if not names:
            return
        for program in reversed(self.programs):
            if program.at_once:
                break
            ask(self.sockets, "stopProcess", program.name)
        for name in names:
            ask(self.sockets, "stopProcess", name, False)


def left_behind(home: Home) -> list[psutil.Process]:
    """Processes that belong to this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home.path):
                found.append(process)
    return found


def stop_left_behind(home: Home) -> None:
    """Stop what a killed process runner could not stop itself."""
    processes = left_behind(home)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    for process in psutil.wait_procs(processes, timeout=20)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()


@contextlib.contextmanager
def supervised(home: Home, programs: list[Program], environment: Mapping[str, str]) -> Iterator[Processes]:
    """Run the programs until the block is left, however it is left. Raises LaunchError."""
    stop_left_behind(home)
    sockets = home.socket_folder()
    file = sockets / "supervisord.conf"
    file.write_text(configuration(programs, home, sockets))
    command = [sys.executable, "-m", "deploy.local.supervisord", "--configuration", str(file)]
    with (home.log / "supervisord.out").open("wb") as output:
        daemon = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment, MARK: str(home.path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which then stops all in order
        )
    processes = Processes(home, daemon, sockets, programs)
    try:
        wait_until_up(processes)
        yield processes
    finally:
        processes.stop_all()


def wait_until_up(processes: Processes) -> None:
    """Raises LaunchError where supervisord does not take orders."""

    def attempt() -> None:
        if processes.daemon.poll() is not None:
            reason = (processes.home.log / "supervisord.out").read_text(errors="replace").strip()
            raise LaunchError(f"The process runner supervisord did not start: {reason}")
        ask(processes.sockets, "getState")

    try:
        Retrying(retry=retry_if_exception_type(OSError), stop=stop_after_delay(20), wait=wait_fixed(0.05))(attempt)
    except RetryError as error:
        raise LaunchError(f"The process runner supervisord does not answer: see {processes.home.log}/supervisord.log.") from error
