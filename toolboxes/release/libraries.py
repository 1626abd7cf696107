"""The shared libraries that programs load, the C library and the loader included, found the way the loader itself finds them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolboxes.release.interpreter import CannotRelease

_FOUND = re.compile(r"^\s+(?:(?P<name>\S+) => )?(?P<path>/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_MISSING = re.compile(r"^\s+(\S+) => not found$", re.MULTILINE)
_LOADED_LATER = "libgcc_s.so.1"
"""The C library opens it by itself when a thread ends; no file names it."""


@dataclass(frozen=True)
class Libraries:
    """The loader, and the libraries by the name that is asked for."""

    loader: Path
    by_name: dict[str, Path]


def is_elf(path: Path) -> bool:
    """Whether it is a program or a library (ELF)."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries_of(programs: Iterable[Path], carried: set[Path]) -> Libraries:
    """What these files load. Those that are ``carried`` along with a package, which knows where, are left out. Raises `CannotRelease`."""
    said = _ldd(list(programs))
    if missing := _MISSING.search(said):
        raise CannotRelease(f"A release of DTMA cannot be made here: the library {missing[1]} is missing.")
    loader: Path | None = None
    found: dict[str, Path] = {}
    for each in _FOUND.finditer(said):
        path = Path(each["path"])
        if each["name"] is None:
            loader = path
        elif path.resolve() not in carried:
            found.setdefault(each["name"], path)
    if loader is None or "libc.so.6" not in found:
        raise CannotRelease("A release of DTMA can only be made where Python runs on the GNU C library.")
    later = found["libc.so.6"].parent / _LOADED_LATER
    if later.exists():
        found.setdefault(_LOADED_LATER, later)
    found.pop(loader.name, None)
    return Libraries(loader, found)


def _ldd(programs: list[Path]) -> str:
    ldd = shutil.which("ldd")
    if ldd is None:
        raise CannotRelease("A release of DTMA cannot be made here: the program ldd, which is part of the C library, is missing.")
    said = subprocess.run([ldd, *programs], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    if not _FOUND.search(said.stdout):
        raise CannotRelease(f"A release of DTMA cannot be made here: ldd says {said.stderr.strip() or said.stdout.strip()}")
    return said.stdout
