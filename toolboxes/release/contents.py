"""Everything that is in a release, by its place there.

bin/python3        starts the interpreter with the loader and the libraries of the release
bin/python3.real   the interpreter
bin/agentopia-dtma the command for people
lib/               the loader, shared libraries, the standard library, packages
app/               DTMA itself, and the images that it builds
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from toolboxes.release.distributions import closure, files_of
from toolboxes.release.interpreter import Interpreter, interpreter
from toolboxes.release.libraries import is_elf, libraries_of

OURS = ("dtma", "dtma_wire", "lean_http", "mcp_protocol", "images")
_FILES = Path(__file__).parent / "files"
_VERSION = re.compile(r'^__version__ = "([0-9A-Za-z.+-]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A file: its place in the release, its content here, and whether it can be run."""

    place: str
    content: bytes | Path
    runs: bool = False

    def read(self) -> bytes:
        """The content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @property
    def is_program(self) -> bool:
        """Whether it is an interpreter's or a package's own compiled code."""
        return isinstance(self.content, Path) and is_elf(self.content)


def contents() -> list[Entry]:
    """All files, by place. Raises `CannotRelease`."""
    python = interpreter()
    entries = [Entry("bin/python3.real", python.executable, runs=True), *_library(python), *_packages(python), *_ours()]
    carried = {entry.content.resolve() for entry in entries if isinstance(entry.content, Path)}
    found = libraries_of((entry.content for entry in entries if isinstance(entry.content, Path) and is_elf(entry.content)), carried)
    entries += [Entry(f"lib/{name}", path.resolve()) for name, path in found.by_name.items()]
    entries.append(Entry(f"lib/{found.loader.name}", found.loader.resolve(), runs=True))
    entries.append(Entry("bin/python3", (_FILES / "python3.sh").read_bytes().replace(b"LOADER", found.loader.name.encode()), runs=True))
    entries.append(Entry("bin/agentopia-dtma", _FILES / "agentopia-dtma.sh", runs=True))
    return sorted(entries, key=lambda entry: entry.place)


def digest_of(entries: list[Entry]) -> str:
    """What two releases of the same content have in common (32 hexadecimal digits)."""
    total = hashlib.sha256()
    for entry in entries:
        total.update(f"{entry.place}\0{entry.runs}\0{hashlib.sha256(entry.read()).hexdigest()}\n".encode())
    return total.hexdigest()[:32]


def dtma_version() -> str:
    """``dtma.__version__``, read without importing it."""
    found = _VERSION.search((settings.BASE_DIR / "dtma" / "__init__.py").read_text())
    assert found is not None
    return found[1]


def _library(python: Interpreter) -> Iterator[Entry]:
    for path in python.library_files():
        yield Entry(str(path.relative_to(python.home)), path)


def _packages(python: Interpreter) -> Iterator[Entry]:
    for package in closure():
        for place, path in files_of(package):
            yield Entry(str(Path(python.packages) / place), path)
    # From the place of packages to `app/`, however deep that place is.
    yield Entry(str(Path(python.packages) / "agentopia.pth"), f"{'../' * len(Path(python.packages).parts)}app\n".encode())


def _ours() -> Iterator[Entry]:
    for folder in OURS:
        for path in sorted((settings.BASE_DIR / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield Entry(f"app/{path.relative_to(settings.BASE_DIR)}", path, runs=bool(path.stat().st_mode & 0o100))
