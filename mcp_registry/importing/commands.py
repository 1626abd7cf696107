"""The command with which a desktop client starts a server, as a package: npx, uvx, pipx, dnx and ``docker run``.

What stands on somebody's own disk, or is fetched from elsewhere than a package registry, is refused with a sentence that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mcp_registry.importing.runtime_arguments import REFUSED, SET_HERE, Refused
from mcp_registry.manifest import is_exact

_EXTRAS = re.compile(r"^([A-Za-z0-9._-]+)\[([A-Za-z0-9,._-]+)\](.*)$")
_FLAGS = {
    "--rm",
    "--init",
    "--interactive",
    "--tty",
    "--detach",
    "--privileged",
    "--publish-all",
    "-P",
    "--read-only",
    "--quiet",
    "--no-healthcheck",
}
_UV_FLAGS = {"-q", "--quiet", "--refresh", "--no-cache", "-n", "--isolated", "--native-tls", "--system-certs", "--"}
_SHORT = re.compile(r"-[itdq]+")
LOCAL = (
    "It starts a program of your own machine (`{command}`). Only packages of npm, PyPI and NuGet and container images can run on a toolbox."
)


@dataclass(frozen=True)
class Started:
    """A package, and how it is started: ``version`` is empty where it has to be looked up, ``rest`` are the package's own arguments."""

    kind: str
    identifier: str
    version: str = ""
    rest: tuple[str, ...] = ()
    runtime_arguments: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())


def started_by(command: str, arguments: Sequence[str]) -> Started:
    """What a command starts; raises `Refused`."""
    words = [str(word) for word in arguments]
    if not words and " " in command.strip() and not command.startswith(("/", "~", ".")):
        command, *words = command.split()
    name = _program(command)
    if name == "cmd" and len(words) >= 2 and words[0].lower() == "/c":  # how it has to be said on Windows
        return started_by(words[1], words[2:])
    if name == "env" and words:
        while words and "=" in words[0]:
            words.pop(0)
        return started_by(words[0], words[1:]) if words else _local(command)
    kind = _PROGRAMS.get(name)
    if kind is None:
        _local(command)
        raise AssertionError
    return kind(name, words)


def _local(command: str) -> Started:
    raise Refused(LOCAL.format(command=command[:80]))


def _program(command: str) -> str:
    last = PureWindowsPath(command).name if "\\" in command else PurePosixPath(command).name
    return re.sub(r"\.(exe|cmd|bat|ps1)$", "", last.strip().lower())


def _npm(name: str, words: list[str]) -> Started:
    queue = list(words)
    subcommands = {"npm": ("exec", "x"), "pnpm": ("dlx", "exec"), "yarn": ("dlx",), "bun": ("x",)}.get(name)
    if subcommands is not None and (not queue or queue.pop(0) not in subcommands):
        raise Refused(f"`{name} {' '.join(words[:2])[:80]}` runs what lies on your own machine. A package of npm is needed.")
    package = ""
    while queue and queue[0].startswith("-"):
        option = queue.pop(0)
        if option in ("-y", "--yes", "-q", "--quiet", "--prefer-offline", "--prefer-online", "--"):
            continue
        named, equals, value = option.partition("=")
        if named not in ("-p", "--package"):
            raise Refused(f"`{name} {named[:60]}` is nothing that a toolbox does when it installs a package.")
        package = value if equals else (queue.pop(0) if queue else "")
    if not package:
        package = queue.pop(0) if queue else ""
    elif queue:
        command = queue.pop(0)
        if command not in (_npm_spec(package)[0], _npm_spec(package)[0].rsplit("/", 1)[-1]):
            raise Refused(f"It starts the command {command[:60]} of {package[:60]}: a toolbox starts a package's own command only.")
    identifier, version = _npm_spec(package)
    return _pinned("npm", identifier, version, queue[1:] if queue[:1] == ["--"] else queue)


def _npm_spec(text: str) -> tuple[str, str]:
    name, at, version = text.rpartition("@")
    return (name, version) if at and name else (text, "")


def _uv(name: str, words: list[str]) -> Started:
    queue = _uv_words(name, list(words))
    asked: list[dict[str, Any]] = []
    notes: list[str] = []
    spec = ""
    while queue and queue[0].startswith("-"):
        option, equals, inline = queue.pop(0).partition("=")
        if option in _UV_FLAGS:
            continue
        if option not in ("--from", "--spec", "--with", "--python", "-p"):
            raise Refused(f"`{name} {option[:60]}` is nothing that a toolbox does when it installs a package.")
        value = inline if equals else (queue.pop(0) if queue else "")
        if option in ("--from", "--spec"):
            spec = value
        elif option == "--with":
            asked += [{"type": "named", "name": "--with", "value": one} for one in value.split(",")]
        else:
            notes.append(f"It asks for Python {value[:20]}: toolboxes have one Python, which is used.")
    return _from_pypi(spec, queue, asked, notes)


def _uv_words(name: str, words: list[str]) -> list[str]:
    """Without the words that say that a package is to be run."""
    if name == "uv" and words[:2] != ["tool", "run"]:
        told = " ".join(words[:2])[:80]
        raise Refused(f"`uv {told}` runs a project of your own machine. A package of PyPI is needed, as in `uvx NAME`.")
    if name == "pipx" and words[:1] != ["run"]:
        raise Refused("Of pipx, only `pipx run NAME` can be taken over.")
    return words[{"uv": 2, "pipx": 1}.get(name, 0) :]


def _from_pypi(spec: str, words: list[str], asked: list[dict[str, Any]], notes: list[str]) -> Started:
    """``words`` begin with the command, which names the package too unless ``spec`` does."""
    command = words[0] if words else ""
    identifier, version, extras = _python_spec(spec or command)
    if extras:
        asked.append({"type": "named", "name": "--with", "value": f"{identifier}[{extras}]"})
    if spec and _canonical(command) != _canonical(identifier):
        notes.append(
            f"It starts {command[:60]} of {identifier}; a toolbox starts the command that is named like the package, or its only one."
        )
    found = _pinned("pypi", identifier, version, words[1:])
    return Started(found.kind, found.identifier, found.version, found.rest, tuple(asked), (*found.notes, *notes))


def _python_spec(text: str) -> tuple[str, str, str]:
    """(name, version, extras) of ``name[extra]==1.2``, ``name@1.2`` and the like."""
    extras = ""
    if "://" in text:
        return text, "", ""
    if found := _EXTRAS.match(text):
        text, extras = found[1] + found[3], found[2]
    name, version = re.split(r"==|@", text, maxsplit=1) if re.search(r"==|@", text) else (text, "")
    if ranged := re.match(r"^([A-Za-z0-9._-]+)\s*([<>=!~].*)$", name):
        name, version = ranged[1], ranged[2]
    return name.strip(), version.strip(), extras


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _nuget(name: str, words: list[str]) -> Started:
    queue = list(words)
    if name == "dotnet":
        if queue[:2] == ["tool", "exec"]:
            queue = queue[2:]
        else:
            raise Refused(
                f"`dotnet {' '.join(words[:2])[:80]}` runs a project of your own machine. A tool package of NuGet is needed: `dnx NAME`."
            )
    package = version = ""
    while queue:
        word = queue.pop(0)
        if word == "--":
            break
        if word == "--version" and queue:
            version = queue.pop(0)
        elif word in ("-y", "--yes", "--prerelease") or (not package and not word.startswith("-")):
            package = package or ("" if word.startswith("-") else word)
        elif word.startswith("-") and not package:
            raise Refused(f"`{name} {word.partition('=')[0][:60]}` is nothing that a toolbox does when it installs a package.")
        else:
            queue.insert(0, word)
            break
    identifier, _, inline = package.partition("@")
    return _pinned("nuget", identifier, inline or version, queue)


def _docker(name: str, words: list[str]) -> Started:
    queue = list(words)
    if queue[:1] == ["container"]:
        queue.pop(0)
    if queue[:1] != ["run"]:
        raise Refused(f"Of {name}, only `{name} run IMAGE` can be taken over.")
    queue.pop(0)
    options: list[str] = []
    while queue and queue[0].startswith("-"):
        option = queue.pop(0)
        options.append(option)
        alone = option in SET_HERE or option in _FLAGS or _SHORT.fullmatch(option) is not None or "=" in option
        if not alone and queue:
            options.append(queue.pop(0))
        elif not alone and option not in REFUSED:
            raise Refused(f"`{option[:60]}` lacks its value.")
    image = queue.pop(0) if queue else ""
    asked = tuple({"type": "positional", "value": word} for word in options)
    return Started("oci", image, "", tuple(queue), asked)


def _python(name: str, words: list[str]) -> Started:
    if words[:1] == ["-m"] and len(words) > 1:
        raise Refused(
            f"`{name} -m {words[1][:60]}` starts what is installed on your own machine. Name its package of PyPI, as in `uvx NAME`."
        )
    return _local(f"{name} {' '.join(words[:1])}")


def _pinned(kind: str, identifier: str, version: str, rest: Sequence[str]) -> Started:
    """A tag such as “latest” and a range are no version: it is looked up which one they mean now."""
    if re.match(r"^(git\+|github:|gitlab:|https?:|file:|\.|/|~)|.*\.(tgz|whl|zip|tar\.gz)$", identifier) or version.startswith(
        ("git+", "http")
    ):
        raise Refused(f"“{identifier[:100]}” does not come from a package registry: a toolbox installs from those alone.")
    if not identifier:
        raise Refused("It does not say which package it starts.")
    if is_exact(kind, version):
        return Started(kind, identifier, version, tuple(rest))
    notes = () if version in ("", "latest") else (f"“{version[:40]}” is no exact version: the newest one is taken.",)
    return Started(kind, identifier, "", tuple(rest), (), notes)


_PROGRAMS: dict[str, Callable[[str, list[str]], Started]] = {
    **dict.fromkeys(("npx", "npm", "pnpm", "pnpx", "yarn", "bunx", "bun"), _npm),
    **dict.fromkeys(("uvx", "uv", "pipx"), _uv),
    **dict.fromkeys(("dnx", "dotnet"), _nuget),
    **dict.fromkeys(("docker", "podman", "nerdctl"), _docker),
    **dict.fromkeys(("python", "python3", "py"), _python),
}
