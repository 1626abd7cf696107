"""A host: a place in a network, an engine, and a DTMA in it that was enrolled as any other is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.dtma.agent import ROOT, until
from tests.dtma.test_faults_clock import LIBRARIES, Clock
from tests.hosts.engine import HostEngine
from tests.hosts.network import Network
from tests.hosts.remains import forget_secrets, kill_processes

DTMA_PORT = 7443
QUICK = {"handshake_seconds": 10, "backoff_seconds": 0.1, "prepare_bases": False}
"""What tests change in the configuration that the enrolment wrote."""


class Host:
    """Everything about one host. It is switched on once its engine answers; DTMA comes with ``enrol`` and ``start_dtma``."""

    def __init__(self, network: Network, place: int, name: str) -> None:
        self.name = name
        self.namespace = network.host(place, name)
        self.address = self.namespace.address
        self.folder = network.folder / name
        self.folder.mkdir()
        self.home = self.folder / "home"
        self.engine = HostEngine(self.namespace, place, self.folder)
        self._on = False
        self._dtma: subprocess.Popen[bytes] | None = None
        self._clock: Clock | None = None

    # The machine

    def switch_on(self) -> None:
        """Begin to boot; see ``wait``. DTMA comes up with the engine, in whichever order, if there was an enrolment."""
        self._on = True
        self.namespace.plug_in()
        self.engine.start()
        if self.is_enrolled:
            self._launch_dtma()

    def switch_off(self) -> None:
        """Cut its power: everything ends at once, and what was in memory alone is gone. Nothing where it is off."""
        if not self._on:
            return
        self._on = False
        kill_processes(self.namespace.name)
        self.engine.reap()
        self._reap_dtma()
        self.engine.forget()
        forget_secrets(self.home)
        self.namespace.unplug()

    def wait(self) -> None:
        """Until it has booted."""
        self.engine.wait()
        if self._dtma is not None:
            self._wait_for_dtma()

    def reboot(self) -> None:
        """Cut its power and bring it back."""
        self.switch_off()
        self.switch_on()
        self.wait()

    def partition(self) -> None:
        """Cut it off from everybody; on itself all goes on."""
        self.namespace.partition()

    def heal(self) -> None:
        self.namespace.heal()

    def clock(self, offset: str) -> None:
        """Set the clock of DTMA and of the enrolment, such as ``+3d``: at once where it was set before, else from the next start on."""
        if self._clock is None:
            self._clock = Clock(next(Path("/usr/lib").glob(LIBRARIES)), self.folder / "clock")
        self._clock.set(offset)

    def true_clock(self) -> None:
        """From the next start on, the machine's clock counts again."""
        self._clock = None

    @property
    def _through(self) -> tuple[str, ...]:
        return (*self.namespace.through, *(self._clock.through if self._clock else ()))

    # The engine

    def kill_engine(self) -> None:
        self.engine.kill()

    def start_engine(self) -> None:
        self.engine.start()
        self.engine.wait()

    # DTMA

    @property
    def is_enrolled(self) -> bool:
        return (self.home / "config.json").exists()

    @property
    def output(self) -> str:
        """What DTMA has written to its log so far."""
        log = self.folder / "dtma.log"
        return log.read_text() if log.exists() else ""

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the host and return what came of it, whatever it was."""
        return subprocess.run([*self._through, sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)

    def enrol(self, control: str, token: str, fingerprint: str) -> subprocess.CompletedProcess[str]:
        """One attempt at an enrolment, as the install script makes it; look at its ``returncode`` and ``stderr``."""
        target = ("--home", str(self.home), "--control", control, "--token", token, "--ca-fingerprint", fingerprint)
        here = ("--host", "0.0.0.0", "--port", str(DTMA_PORT), "--address", self.address)  # noqa: S104 - as on a real server
        return self.python("-m", "dtma.identity", "enrol", *target, *here)

    def configure(self, **changes: Any) -> None:
        """Change the configuration that the next start of DTMA reads."""
        file = self.home / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "docker_url": self.engine.url, **QUICK, **changes}))

    def start_dtma(self) -> None:
        self._launch_dtma()
        self._wait_for_dtma()

    def kill_dtma(self) -> None:
        """Kill it, and it alone."""
        self._end_dtma(signal.SIGKILL)

    def stop_dtma(self) -> None:
        self._end_dtma(signal.SIGTERM)

    def forget_dtma(self) -> None:
        """As if it had never been installed; its containers stay."""
        if self._dtma is not None:
            self.kill_dtma()
        forget_secrets(self.home)
        (self.folder / "dtma.log").unlink(missing_ok=True)
        for folder, _, names in os.walk(self.home, topdown=False):
            for name in names:
                (Path(folder) / name).unlink()
            Path(folder).rmdir()

    def _launch_dtma(self) -> None:
        assert self._dtma is None
        command = [*self._through, sys.executable, "-m", "dtma", "--home", str(self.home)]
        with (self.folder / "dtma.log").open("ab") as log:
            self._dtma = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _wait_for_dtma(self) -> None:
        until(self._listens, 30)

    def _listens(self) -> bool:
        assert self._dtma is not None
        assert self._dtma.poll() is None, self.output[-3000:]
        return self.namespace.listens(DTMA_PORT)

    def _end_dtma(self, number: signal.Signals) -> None:
        assert self._dtma is not None
        self._dtma.send_signal(number)
        self._reap_dtma()

    def _reap_dtma(self) -> None:
        if self._dtma is not None:
            self._dtma.wait(30)
            self._dtma = None
