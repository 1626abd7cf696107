"""What the package registries say of a package, asked as packages are installed: by a build on the base image, with the same settings."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, Literal

from dtma.builds.building import Workshop
from dtma.builds.recipes import IMAGES
from dtma.builds.shared import Report, SharedWork
from dtma.builds.shelf import Shelf
from dtma.engine import EngineRefused
from dtma.errors import Failure, Invalid, NotDone, UnknownPackage
from dtma_wire import PackageInfo
from dtma_wire.specs import EXACT_VERSION, NPM_NAME, PYPI_NAME

type Kind = Literal["npm", "pypi"]

FAMILIES: dict[str, tuple[str, str]] = {"npm": ("node", NPM_NAME), "pypi": ("python", PYPI_NAME)}
"""The base image to ask from, and what a name looks like."""
MAX_NAME, MAX_VERSION = 214, 64
SECONDS = 60.0
REMEMBERED_SECONDS = 300.0
REMEMBERED = 64
VERSIONS_TOLD = 20


class Lookup:
    """Questions for the same package at once are asked once, and answers are remembered for some minutes."""

    def __init__(self, shelf: Shelf, workshop: Workshop) -> None:
        self._shelf = shelf
        self._workshop = workshop
        self._work = SharedWork()
        self._told: dict[str, tuple[float, PackageInfo]] = {}

    async def look_up(self, kind: str, name: str) -> PackageInfo:
        """Raises ``Invalid`` for what cannot be a package, ``UnknownPackage``, and ``NotDone`` where nobody could be asked in time."""
        family, pattern = FAMILIES.get(kind, ("", ""))
        if not family:
            raise Invalid(f"Packages of {', '.join(FAMILIES)} can be looked up, not of {kind[:40]}.")
        if len(name) > MAX_NAME or not re.fullmatch(pattern, name):
            raise Invalid(f"“{name[:MAX_NAME]}” cannot be the name of a package of {kind}.")
        key = f"{kind} {name}"
        moment, told = self._told.get(key, (0.0, None))
        if told is not None and time.monotonic() - moment < REMEMBERED_SECONDS:
            return told
        told = _read(kind, name, await self._ask(key, family, name))
        self._told = dict(list(self._told.items())[-REMEMBERED + 1 :]) | {key: (time.monotonic(), told)}
        return told

    async def _ask(self, key: str, family: str, name: str) -> str:
        async def work(report: Report) -> str:
            base = await self._shelf.base(family, report)
            arguments = {"BASE": base.reference, "NAME": name, "ASKED": str(time.time_ns())}
            return await self._workshop.answer(IMAGES / family / "lookup", arguments, f"the question for {name}")

        try:
            async with asyncio.timeout(SECONDS):
                return await self._work.run(key, work, _ignore)
        except TimeoutError:
            raise NotDone(f"The package registry did not say within {SECONDS:g} s what it knows of {name}. Try again later.") from None
        except (Failure, EngineRefused) as problem:
            raise NotDone(f"This toolbox could not look up {name}. {problem}") from problem


def _read(kind: str, name: str, answer: str) -> PackageInfo:
    """What was answered, as little of it as anybody needs: a registry's words are not to be trusted."""
    try:
        said = json.loads(answer)
    except ValueError:
        said = {"problem": "the answer cannot be read"}
    if not isinstance(said, dict) or said.get("problem"):
        raise NotDone(f"This toolbox could not look up {name}: {_text(said.get('problem') if isinstance(said, dict) else said, 300)}")
    if said.get("missing"):
        raise UnknownPackage(kind, name)
    versions = tuple(found for found in map(str, _list(said.get("versions"))) if _is_version(found))
    version = str(said.get("version") or "")
    if not _is_version(version):
        raise NotDone(f"The package registry names no version of {name} that can be installed.")
    homepage = _text(said.get("homepage"), 500)
    return PackageInfo(
        name=_text(said.get("name"), MAX_NAME) or name,
        version=version,
        versions=versions[:VERSIONS_TOLD],
        description=_text(said.get("description"), 300),
        license=_text(_licence(said.get("license")), 100),
        homepage=homepage if homepage.startswith(("https://", "http://")) else "",
    )


def _is_version(text: str) -> bool:
    return len(text) <= MAX_VERSION and re.fullmatch(EXACT_VERSION, text) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _licence(value: Any) -> Any:
    """npm's older packages say ``{"type": "MIT"}``."""
    return value.get("type") if isinstance(value, dict) else value


def _text(value: Any, most: int) -> str:
    """One line of printable text."""
    words = value.split() if isinstance(value, str) else []
    return "".join(letter for letter in " ".join(words) if letter.isprintable())[:most]


def _ignore(detail: str, fraction: float | None) -> None:
    """Nobody watches a question."""
