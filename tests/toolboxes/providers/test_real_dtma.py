"""The whole way with real programs: worker, beat and intake make a droplet of the double's, which becomes a toolbox by its user data."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.digitalocean.server import DigitalOceanDouble
from tests.dtma.agent import ROOT, free_port, until
from tests.fleet.control import ControlPlane
from tests.toolboxes.providers.conftest import newest, steps
from toolboxes.models import Toolbox
from toolboxes.services.jobs import remove_toolbox

pytestmark = pytest.mark.django_db(transaction=True)
COMMAND = re.compile(r"curl -fsSL \S+/install/(?P<token>\S+) \| sudo sh -s -- --ca-fingerprint (?P<fingerprint>\S+);")
REDIS_NUMBER = 6  # a queue that the fleet's tests do not use


class Droplet:
    """What cloud-init would do: DTMA enrols with what the user data says, and with nothing else, and runs."""

    def __init__(self, home: Path, control: ControlPlane) -> None:
        self.home, self.control, self.port = home, control, free_port()
        self.dtma: subprocess.Popen[bytes] | None = None
        self.problem = ""

    def boot(self, droplet: dict[str, Any]) -> None:
        found = COMMAND.search(droplet["user_data"])
        if found is None:
            self.problem = "no install command in the user data"
            return
        self.home.mkdir()
        (self.home / "config.json").write_text(json.dumps({"host": "127.0.0.1", "port": self.port, "prepare_bases": False}))
        enrol = [
            sys.executable, "-m", "dtma.identity", "enrol", "--home", str(self.home), "--control", self.control.intake_url,
            "--token", found["token"], "--ca-fingerprint", found["fingerprint"], "--address", "127.0.0.1",
        ]  # fmt: skip
        enrolled = subprocess.run(enrol, cwd=ROOT, capture_output=True, text=True)
        if enrolled.returncode != 0:
            self.problem = enrolled.stderr
            return
        with (self.home / "output").open("ab") as output:
            self.dtma = subprocess.Popen([sys.executable, "-m", "dtma", "--home", str(self.home)], cwd=ROOT, stdout=output, stderr=output)

    def end(self) -> None:
        if self.dtma is not None:
            self.dtma.send_signal(signal.SIGTERM)
            self.dtma.wait(30)


@pytest.fixture
def control(tmp_path: Path, double: DigitalOceanDouble) -> Iterator[ControlPlane]:
    control = ControlPlane(tmp_path, "127.0.0.1", REDIS_NUMBER)
    control.start("intake", "worker", "beat", DIGITALOCEAN_API_URL=double.url, CONTROL_PLANE_ADDRESSES='["198.51.100.4/32"]')
    yield control
    control.stop("beat", "worker", "intake")


@pytest.fixture
def droplet(tmp_path: Path, control: ControlPlane, double: DigitalOceanDouble) -> Iterator[Droplet]:
    droplet = Droplet(tmp_path / "dtma", control)
    double.cloud.boot_seconds = 0.2
    double.cloud.on_boot = droplet.boot
    yield droplet
    droplet.end()


def test_an_order_becomes_a_toolbox_that_reports_and_ends(
    order: Callable[..., Toolbox], droplet: Droplet, double: DigitalOceanDouble, control: ControlPlane
) -> None:
    toolbox = order()

    def over() -> bool:
        assert droplet.problem == ""
        job = newest(toolbox)
        assert job.status != "failed", job.detail
        return not job.is_active

    until(over, 90)
    toolbox.refresh_from_db()
    assert set(steps(newest(toolbox)).values()) == {"done"}
    assert (toolbox.url, toolbox.is_silent()) == (f"https://127.0.0.1:{droplet.port}", False)
    assert double.cloud.ever_created == 1

    remove_toolbox(owner=toolbox.owner, toolbox_id=toolbox.pk)
    until(over, 60)
    toolbox.refresh_from_db()
    assert toolbox.deleted_at is not None
    assert (double.cloud.droplets, double.cloud.firewalls) == ({}, {})
    assert not toolbox.certificates.filter(revoked_at=None).exists()
