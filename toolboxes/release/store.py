"""The releases that were made here, in ``AGENTOPIA_HOME/release``: each content once, whichever process wants it first."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings
from pydantic import BaseModel, ConfigDict, ValidationError

from toolboxes.release.bundle import pack
from toolboxes.release.contents import contents, digest_of, dtma_version

KEPT = 3
"""Former releases stay for those who are downloading one."""
_UNFINISHED = ".unfinished-"


class Release(BaseModel):
    """What machines are told of a release. ``path`` is where the intake serves it, ``bytes`` how long it is packed."""

    model_config = ConfigDict(frozen=True)

    version: str
    arch: str
    sha256: str
    bytes: int
    path: str

    @property
    def file(self) -> Path:
        """The archive."""
        return archive_of(self.sha256)


def folder() -> Path:
    """Where releases are kept."""
    return Path(settings.HOME) / "release"


def archive_of(sha256: str) -> Path:
    """Where the archive of this hash is, if it is there."""
    return folder() / f"{sha256}.tar.gz"


def current_release() -> Release:
    """The release of the code that this process runs, made where it is missing, which takes some seconds. Raises `CannotRelease`."""
    content = _content()
    release = _known(content)
    if release is not None:
        return release
    with _locked():
        return _known(content) or _make()


@cache
def _content() -> str:
    """Which content this process would release: its code stays the same for as long as it runs."""
    return digest_of(contents())


def _known(content: str) -> Release | None:
    try:
        release = Release.model_validate_json((folder() / f"{content}.json").read_bytes())
        return release if release.file.stat().st_size == release.bytes else None
    except (FileNotFoundError, ValidationError):
        return None


@contextmanager
def _locked() -> Iterator[None]:
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make() -> Release:
    for left_behind in folder().glob(f"{_UNFINISHED}*"):  # by a process that was killed: whoever holds the lock is alone
        shutil.rmtree(left_behind)
    entries = contents()  # once more: they may have changed under a running process, and the note must say what is in the archive
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder()) as place:
        release = _named(pack(entries, Path(place)))
        note = Path(place) / "release.json"
        note.write_text(release.model_dump_json(indent=1))
        note.replace(folder() / f"{digest_of(entries)}.json")
    _content.cache_clear()
    _forget_former()
    return release


def _named(archive: Path) -> Release:
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = archive.stat().st_size
    archive.chmod(0o644)
    archive.replace(archive_of(sha256))
    return Release(version=dtma_version(), arch=platform.machine(), sha256=sha256, bytes=size, path=f"/dtma/v1/release/{sha256}.tar.gz")


def _forget_former() -> None:
    archives = sorted(folder().glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for former in archives[KEPT:]:
        former.unlink()
    for note in folder().glob("*.json"):
        if _known(note.stem) is None:
            note.unlink()
    os.sync()
