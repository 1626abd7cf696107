"""The Python that this control plane runs on, as files: never the virtual environment, but what that stands on."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What a host agent never imports: tests, windows, editors, other packages' places, and modules that would bring libraries along.
_UNUSED = {
    "__pycache__", "_pyrepl", "curses", "dbm", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
    "sqlite3", "test", "tests", "tkinter", "turtledemo", "venv",
}  # fmt: skip
_UNUSED_FILES = ("_ctypes_test", "_curses", "_dbm", "_gdbm", "_sqlite3", "_test", "_tkinter", "_xx", "readline", "turtle", "xx")
_PLACES = "import json, site; print(json.dumps(site.getsitepackages(['.'])))"


class CannotRelease(Exception):
    """This control plane cannot make a release of DTMA; the message is a sentence for a person."""


@dataclass(frozen=True)
class Interpreter:
    """``home`` is the folder below which its library lies; ``packages`` is the place of installed packages, relative to such a folder."""

    executable: Path
    home: Path
    packages: str

    @property
    def library(self) -> Path:
        """The standard library."""
        return Path(sysconfig.get_path("stdlib"))

    def library_files(self) -> Iterator[Path]:
        """The files of the standard library that are worth carrying."""
        return _walk(self.library)


@cache
def interpreter() -> Interpreter:
    """The one that runs this. Raises `CannotRelease` on a system that is not Linux."""
    if not sys.platform.startswith("linux"):
        raise CannotRelease("Toolboxes on other machines get DTMA from a control plane that runs on Linux; this one does not.")
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    # Distributions differ in where an interpreter looks for packages, and one in a virtual environment looks elsewhere again.
    said = subprocess.run([executable, "-I", "-c", _PLACES], capture_output=True, text=True, check=True, cwd="/")
    return Interpreter(executable, Path(sys.base_prefix), json.loads(said.stdout)[-1])


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _UNUSED and not path.name.startswith("config-"):
                yield from _walk(path)
        elif path.suffix in (".py", ".so") and not path.name.startswith(_UNUSED_FILES):
            yield path
