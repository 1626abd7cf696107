"""Laying a release out and packing it. The same content gives the same bytes."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sysconfig
import tarfile
from pathlib import Path

from toolboxes.release.contents import Entry
from toolboxes.release.interpreter import CannotRelease, interpreter

_MADE_AT = 1_577_836_800
"""2020-01-01: the time of every file in every release."""
_LEVEL = 6


def pack(entries: list[Entry], folder: Path) -> Path:
    """The archive (tar.gz) of these files, made in an empty folder. Raises `CannotRelease`."""
    tree = folder / "tree"
    for entry in entries:
        path = tree / entry.place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.read())
        path.chmod(0o755 if entry.runs else 0o644)
    _lighten([tree / entry.place for entry in entries if entry.is_program])
    _forget_places([tree / entry.place for entry in entries if entry.is_program])
    _compile(tree)
    archive = folder / "release.tar.gz"
    _write(tree, archive)
    return archive


def _lighten(programs: list[Path]) -> None:
    """Leave out what only a debugger reads: of an interpreter that was built on its machine, most of it."""
    strip = shutil.which("strip")
    if strip is not None:
        # What cannot be stripped, such as a file that is marked so, stays as it is.
        subprocess.run([strip, "--strip-unneeded", *programs], capture_output=True)


def _forget_places(programs: list[Path]) -> None:
    """An interpreter names the folder that its libraries were built for. On another machine that may be anybody's."""
    place = sysconfig.get_config_var("LIBDIR")
    if not place:
        return
    named = b"\0" + place.encode() + b"\0"
    for path in programs:
        content = path.read_bytes()
        if named in content:
            path.write_bytes(content.replace(named, bytes(len(named))))


def _compile(tree: Path) -> None:
    """Every module ahead of time: DTMA starts quickly and writes nothing into its own release."""
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(tree)]
    command = [str(interpreter().executable), "-S", "-m", "compileall", *options, str(tree / "lib"), str(tree / "app")]
    # Sets are written in the order of their hashes.
    environment = {"PATH": os.defpath, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    compiled = subprocess.run(command, env=environment, cwd=tree, capture_output=True, text=True)
    if compiled.returncode != 0:
        raise CannotRelease(f"A release of DTMA could not be compiled: {compiled.stdout.strip() or compiled.stderr.strip()}")


def _write(tree: Path, archive: Path) -> None:
    with (
        archive.open("xb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(tree.rglob("*")):
            tar.add(path, str(path.relative_to(tree)), recursive=False, filter=_plain)
    with archive.open("rb") as written:
        os.fsync(written.fileno())


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = _MADE_AT, 0, 0, "root", "root"
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
