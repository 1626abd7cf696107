"""The control plane that machines install from: its web server and its intake, as processes, where machines reach them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes import Program
from tests.fleet.control import ControlPlane
from toolboxes.models import Toolbox
from toolboxes.services.enrolment import new_token


class Shop(ControlPlane):
    """A control plane that also offers releases of DTMA that nobody has written yet."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder, address, 1)
        self._address = address
        self.url = self.url.replace("127.0.0.1", address)
        self._environment |= {"PUBLIC_URL": self.url, "ALLOWED_HOSTS": json.dumps([address])}
        self._home = folder
        self._releases = folder / "release"

    def open(self) -> None:
        """Start what machines ask; releases are kept apart from those of other tests."""
        self.start("web")
        self.start("intake", AGENTOPIA_HOME=str(self._home))

    def _program(self, name: str) -> Program:
        program = super()._program(name)
        command = [self._address if part == "127.0.0.1" else part for part in program.command]
        return Program(name, command)

    def command(self, toolbox: Toolbox) -> str:
        """The install command of this toolbox, as root runs it. The settings of the tests must name this control plane."""
        return new_token(toolbox=toolbox).command.replace("sudo ", "")

    @contextmanager
    def offering(self, changes: dict[str, str]) -> Iterator[None]:
        """Offer the present release with some files of `app/` changed, as if its code were another, for as long as the block lasts."""
        note = self._note()
        present = note.read_text()
        before = json.loads(present)
        content = _changed(self._releases / f"{before['sha256']}.tar.gz", changes)
        sha256 = hashlib.sha256(content).hexdigest()
        (self._releases / f"{sha256}.tar.gz").write_bytes(content)
        note.write_text(json.dumps(before | {"sha256": sha256, "bytes": len(content), "path": f"/dtma/v1/release/{sha256}.tar.gz"}))
        try:
            yield
        finally:
            note.write_text(present)

    @contextmanager
    def damaged(self) -> Iterator[None]:
        """What is downloaded meanwhile is not what was made."""
        archive = self._releases / f"{json.loads(self._note().read_text())['sha256']}.tar.gz"
        whole = archive.read_bytes()
        archive.write_bytes(whole[:-1000] + bytes(1000))
        try:
            yield
        finally:
            archive.write_bytes(whole)

    def _note(self) -> Path:
        (note,) = self._releases.glob("*.json")
        return note


def _changed(archive: Path, changes: dict[str, str]) -> bytes:
    """A copy of a release. Compiled modules do not look whether their source has changed, so those of changed ones are left out."""
    packed = io.BytesIO()
    stale = tuple(f"{Path(path).parent}/__pycache__/{Path(path).stem}." for path in changes)
    with (
        tarfile.open(archive) as old,
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file,
        tarfile.open(fileobj=file, mode="w") as new,
    ):
        for member in old:
            if not member.name.startswith(stale):
                content = changes[member.name].encode() if member.name in changes else _read(old, member)
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file is not None else b""
