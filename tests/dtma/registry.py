"""A registry of images on the loopback: Debian's own, over plain HTTP, which engines accept there."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.dtma.agent import free_port, until

PROGRAM = "docker-registry"


class Registry:
    """``address`` is what image references begin with."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self._folder = folder

    def blob(self, digest: str) -> Path:
        """The file that holds a blob."""
        algorithm, _, value = digest.partition(":")
        return self._folder / "docker" / "registry" / "v2" / "blobs" / algorithm / value[:2] / value / "data"

    def repository(self) -> str:
        """A name that no other test has."""
        return f"{self.address}/t{uuid.uuid4().hex[:12]}"


@contextmanager
def running_registry(folder: Path, inside: Sequence[str] = ()) -> Iterator[Registry]:
    """A registry with its data in a folder, for as long as the block lasts. ``inside`` begins commands that see another loopback."""
    address = f"127.0.0.1:{free_port()}"
    config = folder / "config.yml"
    storage = folder / "storage"
    settings = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": address},
    }
    config.write_text(json.dumps(settings))  # which is YAML too
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*inside, PROGRAM, "serve", str(config)], stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        asking = [*inside, sys.executable, "-c", f"import urllib.request; urllib.request.urlopen('http://{address}/v2/', timeout=2)"]
        return subprocess.run(asking, capture_output=True).returncode == 0

    try:
        until(answers, 20)
        yield Registry(address, storage)
    finally:
        process.terminate()
        process.wait(10)
