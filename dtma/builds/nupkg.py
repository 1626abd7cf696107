"""Reading a tool package of NuGet: a zip whose ``tools/FRAMEWORK/RUNTIME/DotnetToolSettings.xml`` names the command.

A package may hold its tool for several frameworks, or only say which other package has it for which runtime (.NET 10 and later).
"""

from __future__ import annotations

import re
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

SETTINGS = re.compile(r"(tools/([^/]+)/([^/]+)/)DotnetToolSettings\.xml")
MAX_SETTINGS_BYTES = 64 * 1024
MAX_UNPACKED_BYTES = 1024**3
_FRAMEWORK = re.compile(r"net(?:coreapp)?(\d+)\.(\d+)")
_ENTRY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MANAGED = (".dll", ".exe")

type Version = tuple[int, int]


class NotATool(Exception):
    """The package has no command that could be run here; the message says why."""


@dataclass(frozen=True)
class Tool:
    """The command of a package: the file ``entry`` in ``folder`` of the zip. One that ``needs_runtime`` is run by ``dotnet``."""

    folder: str
    entry: str
    needs_runtime: bool


@dataclass(frozen=True)
class Elsewhere:
    """The package of this name, at the same version, has the tool for this machine."""

    name: str


def tool_in(archive: zipfile.ZipFile, runtimes: tuple[str, ...], installed: Version | None) -> Tool | Elsewhere:
    """The tool to run here; raises ``NotATool``.

    ``runtimes`` are the identifiers that fit this machine, the best first; ``installed`` is the .NET version that will run it, where known.
    """
    found = [match for name in archive.namelist() if (match := SETTINGS.fullmatch(name)) and match.group(3) in (*runtimes, "any")]
    if not found:
        raise NotATool("it is not a .NET tool for this machine: it has no fitting DotnetToolSettings.xml")
    chosen = min(found, key=lambda match: _preference(match.group(2), match.group(3), runtimes, installed))
    settings = _settings(archive, chosen.group(0))
    packages = {element.get("RuntimeIdentifier"): element.get("Id") for element in settings.iter("RuntimeIdentifierPackage")}
    if packages:
        other = next((packages[runtime] for runtime in (*runtimes, "any") if packages.get(runtime)), None)
        if other is None:
            raise NotATool(f"it is not made for this machine, only for {', '.join(sorted(filter(None, packages)))}")
        return Elsewhere(other)
    command = settings.find("./Commands/Command")
    entry = "" if command is None else command.get("EntryPoint", "")
    folder = chosen.group(1)
    if not _ENTRY.fullmatch(entry) or f"{folder}{entry}" not in archive.namelist():
        raise NotATool("its DotnetToolSettings.xml names no file of it as its command")
    return Tool(folder, entry, entry.endswith(_MANAGED))


def unpack(archive: zipfile.ZipFile, tool: Tool, target: Path) -> None:
    """Put the tool's files into ``target/package`` and its command at ``target/run``; raises ``NotATool``."""
    members = [member for member in archive.infolist() if member.filename.startswith(tool.folder) and not member.is_dir()]
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise NotATool(f"it is larger than {MAX_UNPACKED_BYTES // 1024**2} MB when it is unpacked")
    package = target / "package"
    for member in members:
        inside = PurePosixPath(member.filename.removeprefix(tool.folder))
        if inside.is_absolute() or ".." in inside.parts:
            raise NotATool(f"it has a file outside of itself: {member.filename}")
        path = package / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("wb") as file:
            while block := source.read(1024 * 1024):
                file.write(block)
        path.chmod(0o644)
    run = target / "run"
    if tool.needs_runtime:
        run.write_text(f'#!/bin/sh\nexec dotnet {shlex.quote(f"/opt/mcp/package/{tool.entry}")} "$@"\n')
        run.chmod(0o755)
    else:
        (package / tool.entry).chmod(0o755)
        run.symlink_to(PurePosixPath("package", tool.entry))


def _preference(framework: str, runtime: str, runtimes: tuple[str, ...], installed: Version | None) -> tuple[int, int, int, int]:
    """Sorts the best first: made for this machine, not too new for what is installed, and of those the newest."""
    place = runtimes.index(runtime) if runtime in runtimes else len(runtimes)
    match = _FRAMEWORK.fullmatch(framework)
    major, minor = (int(match.group(1)), int(match.group(2))) if match else (0, 0)
    if installed is None:
        return place, 0, major, minor  # the oldest, which runs on most
    return place, int((major, minor) > installed), -major, -minor


def _settings(archive: zipfile.ZipFile, name: str) -> ET.Element:
    if archive.getinfo(name).file_size > MAX_SETTINGS_BYTES:
        raise NotATool("its DotnetToolSettings.xml is too large")
    content = archive.read(name)
    if b"<!" in content.replace(b"<!--", b""):
        raise NotATool("its DotnetToolSettings.xml declares entities of its own")
    try:
        root = ET.fromstring(content)  # noqa: S314 - without entities of its own it is as harmless as it is small
    except ET.ParseError as error:
        raise NotATool("its DotnetToolSettings.xml cannot be read") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
