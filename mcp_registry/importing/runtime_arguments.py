"""What a ``server.json`` asks of the program that starts its package (``runtimeArguments``), translated into our own terms.

An allow-list: what is not named here is refused, and nothing of it ever reaches a container engine as it stands. Programs that are started
through npx, uvx or dnx have hardly anything to say there; ``docker run`` does: volumes, variables, limits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from dtma_wire.specs import ABSOLUTE_PATH, REQUIREMENT, VARIABLE

_HOST_PATH = re.compile(r"^(/|\.|~|\\|\$|%|[A-Za-z]:[\\/])|[{}]|.*[\\/]")
_SIZE = re.compile(r"([0-9]+)([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1 / 1024**2, "b": 1 / 1024**2, "k": 1 / 1024, "m": 1.0, "g": 1024.0}
_SHORT_FLAGS = re.compile(r"-[itdq]+")
SET_HERE = {"--rm", "--init", "--interactive", "--tty", "--detach", "--read-only", "--quiet"}
SET_HERE_WITH_VALUE = {
    *("--user", "-u", "--name", "--pull", "--restart", "--platform", "--label", "-l", "--log-driver", "--log-opt", "--tmpfs"),
    *("--pids-limit", "--stop-timeout", "--cap-drop", "--hostname", "-h"),
}
"""What every container of ours has anyway, or has of its own; a document's wish changes nothing."""
REFUSED = {
    "--privileged": "asks for all rights on the machine",
    "--cap-add": "asks for further rights on the machine",
    "--device": "asks for a device of the machine",
    "--security-opt": "changes how the container is shut in",
    "--pid": "shares the machine's processes",
    "--ipc": "shares the machine's memory",
    "--userns": "shares the machine's users",
    "--uts": "shares the machine's name",
    "--volumes-from": "takes the volumes of other containers",
    "--publish": "opens a port of the machine; the toolbox reaches the server without one",
    "-p": "opens a port of the machine; the toolbox reaches the server without one",
    "--publish-all": "opens ports of the machine; the toolbox reaches the server without one",
    "-P": "opens ports of the machine; the toolbox reaches the server without one",
    "--entrypoint": "starts another program than the image is for",
    "--env-file": "reads a file of the machine",
    "--add-host": "changes where names lead to",
    "--dns": "changes who is asked for names",
    "--gpus": "asks for the machine's graphics processors",
}


class Refused(ValueError):
    """Part of a document that cannot be used here; the message is a sentence."""


@dataclass
class Asked:
    """What the arguments come to: volumes and variables as a profile and a package have them, and limits where any are named."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    variables: list[dict[str, Any]] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Word:
    """One word of a command line, and the argument of the document that it comes from. Without a value, it is the user's to give."""

    text: str | None
    source: Mapping[str, Any]


def translated(kind: str, identifier: str, arguments: Any) -> Asked:
    """Translate the ``runtimeArguments`` of a package (`npm`, `pypi`, `nuget`, `oci`) of this name; raises `Refused`."""
    if not isinstance(arguments, list):
        raise Refused("Its runtimeArguments are no list.")
    words = list(_words(arguments))
    asked = Asked()
    if kind == "oci":
        _docker(words, identifier, asked)
    else:
        _installer(kind, words, identifier, asked)
    return asked


def _words(arguments: Iterable[Any]) -> Iterator[Word]:
    for argument in arguments:
        if not isinstance(argument, Mapping):
            raise Refused("Its runtimeArguments hold something else than arguments.")
        value = argument.get("value", argument.get("default"))
        text = None if value is None else str(value)
        if argument.get("type") == "named":
            name, equals, inline = str(argument.get("name", "")).partition("=")
            yield Word(name, argument)
            if equals:
                yield Word(inline, argument)
            if text is not None or argument.get("valueHint") or argument.get("isRequired"):
                yield Word(text, argument)
        elif text is not None and text.startswith("--") and "=" in text:
            name, _, inline = text.partition("=")
            yield Word(name, argument)
            yield Word(inline, argument)
        else:
            yield Word(text, argument)


def _docker(words: list[Word], identifier: str, asked: Asked) -> None:
    options: dict[str, Callable[[Word, Asked], None]] = {
        **dict.fromkeys(("-v", "--volume"), volume_of),
        "--mount": _mount,
        **dict.fromkeys(("-e", "--env"), _variable),
        **dict.fromkeys(("--network", "--net"), _network),
        **dict.fromkeys(("-m", "--memory"), _memory),
        "--cpus": _cpus,
    }
    queue = iter(words)
    for word in queue:
        name = word.text
        if name in (None, "", "docker", "podman", "run", identifier) or name in SET_HERE or _SHORT_FLAGS.fullmatch(name or ""):
            continue
        assert name is not None
        if name in REFUSED:
            raise Refused(f"`{name}` {REFUSED[name]}, which a toolbox allows no server.")
        if name not in options and name not in SET_HERE_WITH_VALUE:
            raise Refused(f"`{name[:60]}` is nothing that a toolbox knows how to do for a server.")
        value = next(queue, None)
        if value is None:
            raise Refused(f"`{name}` lacks its value.")
        if name in options:
            options[name](value, asked)


def _installer(kind: str, words: list[Word], identifier: str, asked: Asked) -> None:
    queue = iter(words)
    for word in queue:
        name = word.text or ""
        if name in ("", "-y", "--yes", "--quiet", "-q", identifier, "tool", "run", "exec", "x"):
            continue
        if kind == "pypi" and name in ("--from", "--with"):
            _with(name, next(queue, None), identifier, asked)
        elif kind == "pypi" and name in ("--python", "-p"):
            value = next(queue, None)
            asked.notes.append(f"It asks for Python {value.text if value else ''}: toolboxes have one Python, which is used.")
        else:
            raise Refused(f"`{name[:60]}` is nothing that a toolbox does when it installs a package.")


def _with(option: str, value: Word | None, identifier: str, asked: Asked) -> None:
    """``--from`` may name the package itself, ``--with`` further ones."""
    text = (value.text if value else None) or ""
    if option == "--from":
        if re.split(r"[\[=<>@~!]", text)[0] != identifier:
            raise Refused(f"`--from {text[:100]}` names another package than {identifier}.")
    elif re.fullmatch(REQUIREMENT, text):
        asked.requires.append(text)
    else:
        raise Refused(f"`--with {text[:100]}` is no requirement that can be installed.")


def volume_of(word: Word, asked: Asked) -> None:
    """Note the volume that ``name:/path:ro`` asks for; raises `Refused`."""
    text = word.text or "{…}"
    source, colon, rest = text.partition(":")
    if re.match(r"^[A-Za-z]:[\\/]", text):
        raise Refused(_bind(text))
    if not colon:
        source, rest = ("", text) if text.startswith("/") else (text, "")
    target, _, options = rest.partition(":")
    if (source and _HOST_PATH.match(source)) or "{" in text or not target:
        raise Refused(_bind(text))
    unknown = set(filter(None, options.split(","))) - {"ro", "rw", "z", "Z"}
    if unknown:
        raise Refused(f"A volume cannot be mounted with the options {', '.join(sorted(unknown))} on a toolbox.")
    _add_volume(source, target, read_only="ro" in options.split(","), asked=asked)


def _mount(word: Word, asked: Asked) -> None:
    text = word.text or "{…}"
    parts = dict((part.strip().partition("=")[::2]) for part in text.split(","))
    kind = parts.pop("type", "volume")
    if kind == "tmpfs":
        return
    source = next((parts.pop(name) for name in ("source", "src") if name in parts), "")
    target = next((parts.pop(name) for name in ("target", "destination", "dst") if name in parts), "")
    read_only = any(parts.pop(name, "false") in ("", "true", "1") for name in ("readonly", "ro"))
    if kind != "volume" or _HOST_PATH.match(source) or "{" in text:
        raise Refused(_bind(text))
    if parts or not target:
        raise Refused(f"`--mount {text[:100]}` is no plain volume, which is all that a toolbox mounts.")
    _add_volume(source, target, read_only=read_only, asked=asked)


def _bind(text: str) -> str:
    return (
        f"`{text[:100]}` mounts files of the machine on which it runs. A toolbox has none of yours, and shows a server nothing of its own: "
        "a named volume, as in `data:/data`, can be kept there."
    )


def _add_volume(source: str, target: str, *, read_only: bool, asked: Asked) -> None:
    path = target.rstrip("/")
    if not re.fullmatch(ABSOLUTE_PATH, path) or ".." in PurePosixPath(path).parts or len(path) > 255:
        raise Refused(f"`{target[:100]}` is no folder of a container in which a volume can lie.")
    if path.startswith(("/proc", "/sys", "/dev", "/run/secrets")):
        raise Refused(f"`{path[:100]}` belongs to the system: no volume can lie there.")
    if any(volume["path"] == path for volume in asked.volumes):
        return
    name = volume_name(source or path)
    taken = {volume["name"] for volume in asked.volumes}
    number = next(number for number in range(1, 100) if (name if number == 1 else f"{name}-{number}") not in taken)
    volume: dict[str, Any] = {"name": name if number == 1 else f"{name}-{number}", "path": path}
    asked.volumes.append(volume | ({"read_only": True} if read_only else {}))


def volume_name(text: str) -> str:
    """A name that a volume may have, made from any text."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:40] or "data"


def _variable(word: Word, asked: Asked) -> None:
    name, equals, value = (word.text or "").partition("=")
    if not re.fullmatch(VARIABLE, name):
        raise Refused(f"`-e {name[:60]}` names no environment variable.")
    details = {key: word.source[key] for key in ("description", "isRequired", "isSecret", "format", "choices") if key in word.source}
    if not equals:  # its value is taken from where docker runs: the user has to give it
        asked.variables.append({"name": name, **details})
    else:
        variables = {"variables": word.source["variables"]} if isinstance(word.source.get("variables"), Mapping) else {}
        asked.variables.append({"name": name, **details, "value": value, **variables})


def _network(word: Word, asked: Asked) -> None:
    if word.text == "none":
        asked.limits["egress"] = "none"
    elif word.text not in ("bridge", "default"):
        raise Refused(
            f"`--network {(word.text or '')[:60]}` joins a network of the machine. A server on a toolbox has a network of its own."
        )


def _memory(word: Word, asked: Asked) -> None:
    found = _SIZE.fullmatch(word.text or "")
    if found is None:
        raise Refused(f"`--memory {(word.text or '')[:60]}` is no amount of memory.")
    asked.limits["memory_mb"] = max(32, round(int(found[1][:12]) * _UNITS[found[2].lower()]))


def _cpus(word: Word, asked: Asked) -> None:
    try:
        asked.limits["cpus"] = max(0.1, float(word.text or ""))
    except ValueError:
        raise Refused(f"`--cpus {(word.text or '')[:60]}` is no number of processors.") from None
