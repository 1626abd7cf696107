"""The packages that DTMA imports and what they need in turn, as they are installed here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from toolboxes.release.interpreter import CannotRelease

ROOTS = ("aiodocker", "aiohttp", "cryptography", "httptools", "pydantic", "pynacl", "starlette", "uvicorn", "uvloop", "yarl")
"""What DTMA's modules import. A test imports them all out of the release."""
_SOURCES = (".c", ".h", ".pxd", ".pxi", ".pyi", ".pyx", ".pyc", ".rst")
_ABOUT_HERE = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What says how a package came to this machine."""


def closure() -> list[Distribution]:
    """The roots and everything that they require on this system, by name. Raises `CannotRelease`."""
    found: dict[str, Distribution] = {}
    waiting = list(ROOTS)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            raise CannotRelease(f"DTMA needs the package {name}, which is not installed here.") from None
        required = (Requirement(line) for line in found[name].requires or ())
        waiting += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return [found[name] for name in sorted(found)]


def files_of(package: Distribution) -> Iterator[tuple[str, Path]]:
    """Where each of a package's files lies among packages, and here."""
    if not package.files:
        raise CannotRelease(f"The package {package.name} does not say which files it has. Install it with pip or uv.")
    for file in package.files:
        if _is_carried(file.parts, file.suffix, file.name):
            yield str(file), Path(str(package.locate_file(file))).resolve()


def _is_carried(parts: tuple[str, ...], suffix: str, name: str) -> bool:
    if parts[0] == ".." or {"tests", "test", "__pycache__"} & set(parts) or name in _ABOUT_HERE:
        return False
    return suffix not in _SOURCES or "licenses" in parts
