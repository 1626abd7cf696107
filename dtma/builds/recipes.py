"""What is built from what: pure functions from a package to the Dockerfile, its arguments and the name of the image."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from dtma.engine import Image
from dtma.labels import LABEL_BASE, LABEL_SOURCE
from dtma_wire import NpmPackage, NugetPackage, PypiPackage

IMAGES = Path(__file__).resolve().parents[2] / "images"
NUGET = IMAGES / "dotnet" / "nuget" / "Dockerfile"
SERVERS = "agentopia/server"
BASES = "agentopia/base-"
OURS = re.compile(r"agentopia/(server|base-[a-z-]+):([0-9a-f]{32})")
"""The names of images that DTMA builds: what it is for, and the hash of what decides its content."""

type Package = NpmPackage | PypiPackage | NugetPackage


@dataclass(frozen=True)
class Recipe:
    """One build. ``context`` is the folder that the Dockerfile may copy from; ``what`` names the image to a person."""

    tag: str
    context: Path
    file: Path
    what: str
    arguments: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kitchen:
    """Which bases a package is built on: ``base`` carries the server, ``fetch`` has the program that installs the package."""

    file: Path
    base: str
    fetch: str | None = None


def kitchen_of(package: NpmPackage | PypiPackage) -> Kitchen:
    """The bases and the Dockerfile for a package."""
    family = {"npm": "node", "pypi": "python"}[package.kind]
    if package.runtime == "dotnet":
        return Kitchen(IMAGES / "dotnet" / "server" / f"{package.kind}.Dockerfile", base="dotnet", fetch=family)
    return Kitchen(IMAGES / family / "server" / "Dockerfile", base=family)


def server_recipe(package: NpmPackage | PypiPackage, kitchen: Kitchen, base: Image, fetch: Image | None) -> Recipe:
    """A server on its base."""
    context = kitchen.file.parent
    content = digest(base.id.encode(), *_contents(context), package.model_dump_json().encode())
    arguments = {"BASE": base.reference, "NAME": package.name, "VERSION": package.version}
    if fetch is not None:
        arguments["FETCH"] = fetch.reference
    if isinstance(package, PypiPackage) and package.runtime == "python":
        arguments["REQUIRES"] = " ".join(package.requires)
    what = f"{package.name} {package.version}"
    return Recipe(f"{SERVERS}:{content}", context, kitchen.file, what, arguments, server_labels(package, base))


def base_recipe(family: str, below: Image) -> Recipe:
    """The base image of ``node``, ``python`` or ``dotnet`` servers on Debian."""
    folder = IMAGES / family
    content = digest(below.id.encode(), *_contents(folder))
    return Recipe(f"{BASES}{family}:{content}", folder, folder / "Dockerfile", f"the base image for {family}", {})


def runtime_recipe(runtime: Image, ours: Image) -> Recipe:
    """The base image of servers that need the .NET runtime, on the runtime image that this toolbox was given."""
    file = IMAGES / "dotnet" / "runtime" / "Dockerfile"
    content = digest(runtime.id.encode(), ours.id.encode(), file.read_bytes())
    arguments = {"RUNTIME": runtime.reference, "OURS": ours.reference}
    labels = {LABEL_BASE: runtime.id}
    return Recipe(f"{BASES}dotnet-runtime:{content}", file.parent, file, "the base image for the .NET runtime", arguments, labels)


def nuget_recipe(package: NugetPackage, base: Image, context: Path) -> Recipe:
    """A tool of NuGet that was unpacked into ``context`` already."""
    file = NUGET
    content = nuget_content(package, base)
    what = f"{package.name} {package.version}"
    return Recipe(f"{SERVERS}:{content}", context, file, what, {"BASE": base.reference}, server_labels(package, base))


def nuget_content(package: NugetPackage, base: Image) -> str:
    """The hash of what decides such an image's content."""
    return digest(base.id.encode(), NUGET.read_bytes(), package.model_dump_json().encode())


def server_labels(package: Package, base: Image) -> dict[str, str]:
    """What a server's image says of itself. Those of its base that would be wrong are replaced; nobody here knows its licence."""
    return {
        LABEL_SOURCE: json.dumps(package.model_dump(mode="json"), sort_keys=True),
        LABEL_BASE: base.id,
        "org.opencontainers.image.title": package.name,
        "org.opencontainers.image.version": package.version,
        "org.opencontainers.image.licenses": "NOASSERTION",
        "org.opencontainers.image.base.name": base.reference,
    }


def digest(*parts: bytes) -> str:
    """A hash (32 hex digits) over parts, none of which can pass for another's end."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:32]


def _contents(folder: Path) -> list[bytes]:
    """Names and contents of the files in a folder, without those below it."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [part for path in files for part in (path.name.encode(), path.read_bytes())]
