"""The configuration of a desktop client (``mcpServers``), server by server as documents of the catalogue.

What somebody pasted holds their keys. Nothing of what a variable, a header or a secret argument was set to is kept, here or anywhere: they
become settings, whose values are entered when the server is deployed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agentopia.lib.errors import InvalidInput
from dtma_wire.specs import VARIABLE
from mcp_registry.importing.cleaning import shown_text
from mcp_registry.importing.commands import Started, started_by
from mcp_registry.importing.documents import usable_document
from mcp_registry.importing.json_text import read_json
from mcp_registry.importing.runtime_arguments import Refused
from mcp_registry.importing.words import PLACEHOLDER, is_own_path, is_secret_name, is_secret_word
from mcp_registry.manifest import PUBLISHER_SLOT, parse_manifest

MAX_SERVERS = 50
MAX_ARGUMENTS = 100
NAMESPACE = "own"
"""Of the names of entries that a user made here, as in ``own/weather``."""
STARTED_BY = {"command", "url", "serverUrl", "httpUrl"}
KINDS = {"npm": "npm", "pypi": "PyPI", "nuget": "NuGet", "oci": "a container image"}
DATA = "/data"
_LOGIN = re.compile(r"://[^/@\s]+@")
_BRIDGES = ("mcp-remote", "supergateway", "mcp-proxy")
"""Packages that do nothing but talk to a server elsewhere."""


@dataclass(frozen=True)
class Candidate:
    """One server of a configuration: what it becomes, or in ``problem`` why it cannot be anything."""

    name: str
    document: dict[str, Any] | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    missing: tuple[str, str] | None = None
    """(kind, name) of a package whose version is still to be looked up."""

    def with_version(self, version: str, description: str = "", license: str = "", homepage: str = "") -> Candidate:
        """The same, its package pinned and described."""
        assert self.document is not None
        package = {**self.document["packages"][0], "version": version}
        document = {**self.document, "version": version, "packages": [package]}
        if description:
            document["description"] = shown_text(description, 300)
        if homepage:
            document["websiteUrl"] = homepage
        if license:
            meta = document.get("_meta", {})
            slot = meta.get(PUBLISHER_SLOT, {})
            profile = {**slot.get("agentopia", {}), "license": license}
            document["_meta"] = {**meta, PUBLISHER_SLOT: {**slot, "agentopia": profile}}
        return _checked(replace(self, document=document, missing=None))

    def without_version(self, reason: str) -> Candidate:
        """The same, refused because its version could not be found out."""
        return replace(self, document=None, missing=None, problem=reason)


@dataclass
class _Arguments:
    """The package's own arguments, as they are read."""

    found: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keeps_data: bool = False
    hints: set[str] = field(default_factory=set)

    def hint(self, text: str) -> str:
        """A name for an argument that no other has."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "argument"
        name = next(name for name in (plain, *(f"{plain}-{number}" for number in range(2, 500))) if name not in self.hints)
        self.hints.add(name)
        return name


def read_configuration(text: str) -> list[Candidate]:
    """What each server of a pasted configuration becomes; raises `InvalidInput` for what is no configuration."""
    stripped = text.strip().rstrip(",")
    if stripped.startswith('"') and not stripped.startswith("{"):  # copied out of the middle
        stripped = "{" + stripped + "}"
    return candidates_in(read_json(stripped, what="What you pasted", lenient=True))


def candidates_in(value: Any) -> list[Candidate]:
    """The same of a configuration that was parsed already."""
    servers = _servers(value)
    if not servers:
        raise InvalidInput(
            'There is no server in it. Paste the configuration of a client, as in {"mcpServers": {"time": {"command": "uvx", …}}}.',
            code="no_servers",
        )
    if len(servers) > MAX_SERVERS:
        raise InvalidInput(f"It has {len(servers)} servers; {MAX_SERVERS} can be taken over at once.", code="too_many")
    return [_candidate(shown_text(str(name), 60), server) for name, server in servers.items()]


def _servers(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    if _is_server(value):
        return {"": dict(value)}
    for key in ("mcpServers", "servers", "mcp", "context_servers"):
        if isinstance(value.get(key), Mapping):
            inner = value[key]
            return _servers(inner) if key == "mcp" and "servers" in inner else dict(inner)
    return dict(value) if all(_is_server(server) for server in value.values()) else {}


def _is_server(server: Any) -> bool:
    return isinstance(server, Mapping) and not STARTED_BY.isdisjoint(server)


def _candidate(name: str, server: Any) -> Candidate:
    if not isinstance(server, Mapping):
        return Candidate(name or "The server", problem="It is not described by an object.")
    address = next((server[key] for key in ("url", "serverUrl", "httpUrl") if isinstance(server.get(key), str)), None)
    try:
        if address is not None:
            return _remote(name, address, str(server.get("type", server.get("transport", ""))), server.get("headers"))
        return _package(name, server)
    except (Refused, InvalidInput) as refusal:
        return Candidate(name or "The server", problem=_LOGIN.sub("://…@", str(refusal)))


def _remote(name: str, address: str, kind: str, headers: Any) -> Candidate:
    told = (
        "sse"
        if kind == "sse" or (kind not in ("http", "streamable-http", "streamableHttp") and address.rstrip("/").endswith("/sse"))
        else ""
    )
    names = [str(header) for header in headers] if isinstance(headers, Mapping) else []
    remote = {
        "type": told or "streamable-http",
        "url": PLACEHOLDER.sub(lambda found: "{" + (found[1] or found[2] or found[3] or found[4]) + "}", address),
        "headers": [{"name": header[:100], "isSecret": True, "isRequired": True} for header in names[:20]],
    }
    if is_secret_word(address) or re.search(r"[?&](\w*(key|token|secret|password)\w*)=", address, re.IGNORECASE):
        raise Refused("Its address holds a secret, which would be shown to whoever sees the entry. Leave it out of the address.")
    document = {
        **_head(name, address.split("://", 1)[-1].split("/", 1)[0]),
        "description": "A server that runs elsewhere, taken over from a client's configuration.",
        "version": "1.0.0",
        "remotes": [remote],
    }
    note = "It runs elsewhere: it is kept with its address, and there is nothing to deploy on a toolbox."
    return _checked(Candidate(name, document, notes=(note,)))


def _package(name: str, server: Mapping[str, Any]) -> Candidate:
    command: Any = server.get("command")
    words: Any = server.get("args", [])
    if isinstance(command, Mapping):  # as one editor writes it
        command, words = command.get("path"), command.get("args", [])
    if not isinstance(command, str) or not command.strip():
        raise Refused("It has neither a command nor a url.")
    if not isinstance(words, Sequence) or isinstance(words, str) or len(words) > MAX_ARGUMENTS:
        raise Refused(f"Its args must be a list of at most {MAX_ARGUMENTS} words.")
    started = started_by(command, [str(word) for word in words])
    if started.identifier in _BRIDGES and (address := next((word for word in started.rest if word.startswith("http")), None)):
        return _remote(name, address, "", None)
    arguments = _Arguments()
    for argument in _arguments(list(started.rest), arguments, inside=started.kind == "oci"):
        arguments.found.append(argument)
    variables = _variables(server.get("env"), started)
    notes = (*started.notes, *arguments.notes)
    if any("isSecret" in part for part in (*variables, *arguments.found)):
        notes = (*notes, "The values that you pasted are not kept: enter them when you deploy it.")
    package: dict[str, Any] = {
        "registryType": started.kind,
        "identifier": started.identifier,
        "transport": {"type": "stdio"},
        "packageArguments": arguments.found,
        "environmentVariables": variables,
    }
    if started.version:
        package["version"] = started.version
    if started.runtime_arguments:
        package["runtimeArguments"] = [_without_value(argument) for argument in started.runtime_arguments]
    document = {
        **_head(name, started.identifier),
        "description": f"{shown_text(started.identifier, 150)} from {KINDS[started.kind]}, taken over from a client's configuration.",
        "version": started.version or _tag(started.identifier) or "1.0.0",
        "packages": [package],
    }
    if arguments.keeps_data:
        document["_meta"] = {PUBLISHER_SLOT: {"agentopia": {"volumes": [{"name": "data", "path": DATA}]}}}
    missing = None if started.version or started.kind == "oci" else (started.kind, started.identifier)
    return _checked(Candidate(name, document, notes=notes, missing=missing))


def _checked(candidate: Candidate) -> Candidate:
    """Refused here rather than when it is added; a version that is still to come counts as one that is there."""
    assert candidate.document is not None
    trial = candidate.document
    if candidate.missing is not None:
        trial = {**trial, "packages": [{**trial["packages"][0], "version": "1.0.0"}]}
    try:
        parse_manifest(usable_document(trial))
    except InvalidInput as refusal:
        text = next(iter(refusal.fields.values()), refusal.message)
        return replace(candidate, document=None, missing=None, problem=text)
    return candidate


def _head(name: str, what: str) -> dict[str, Any]:
    slug = re.sub(r"[^a-z0-9._-]+", "-", (name or what.rsplit("/", 1)[-1].partition(":")[0]).lower()).strip("-._")[:60] or "server"
    title = name or re.sub(r"[-_.]+", " ", slug).strip().capitalize()
    return {"name": f"{NAMESPACE}/{slug}", "title": shown_text(title, 100)}


def _tag(reference: str) -> str:
    last = reference.partition("@")[0].rsplit("/", 1)[-1]
    return last.partition(":")[2][:100]


def _without_value(argument: dict[str, Any]) -> dict[str, Any]:
    """``-e NAME=value`` as ``-e NAME``: the value is the user's own."""
    text = str(argument.get("value", ""))
    name, equals, _ = text.partition("=")
    if equals and text.startswith(("-e=", "--env=")):
        option, _, rest = text.partition("=")
        return {**argument, "value": f"{option}={rest.partition('=')[0]}"}
    return {**argument, "value": name} if equals and re.fullmatch(VARIABLE, name) else argument


def _variables(given: Any, started: Started) -> list[dict[str, Any]]:
    """The names that a configuration sets, in its own order; those that docker passes on are read from its options by `documents`."""
    names: dict[str, bool] = {}
    if isinstance(given, Mapping):
        names |= {str(name): value not in ("", None) for name, value in given.items()}
    elif given not in (None, []):
        raise Refused("Its env must be an object.")
    words = [str(argument.get("value", "")) for argument in started.runtime_arguments]
    for number, word in enumerate(words):
        option, equals, rest = word.partition("=")
        if option in ("-e", "--env"):
            name = (rest if equals else words[number + 1] if number + 1 < len(words) else "").partition("=")[0]
            names.setdefault(name, True)
    for name in names:
        if not re.fullmatch(VARIABLE, name):
            raise Refused(f"“{name[:60]}” cannot be the name of an environment variable.")
    return [{"name": name, "isRequired": filled} | ({"isSecret": True} if is_secret_name(name) else {}) for name, filled in names.items()]


def _arguments(words: list[str], read: _Arguments, *, inside: bool) -> Iterator[dict[str, Any]]:
    """The package's arguments: fixed words, and settings for what is a secret, a path of somebody's own disk, or was left open.
    ``inside``: the paths are those of the container already.
    """
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option, equals, inline = word.partition("=") if word.startswith("-") else ("", "", "")
        if option and equals:
            setting = _setting(option, inline, read, inside=inside)
            yield {"type": "named", "name": f"{option}=", **setting} if setting else {"type": "positional", "value": word}
        elif option and queue and not queue[0].startswith("-"):
            setting = _setting(word, queue[0], read, inside=inside)
            if setting:
                queue.pop(0)
                yield {"type": "named", "name": word, **setting}
            else:
                yield {"type": "positional", "value": word}
        else:
            setting = None if word.startswith("-") else _setting("", word, read, inside=inside)
            yield (
                {"type": "positional", "valueHint": read.hint(_hint(word)), **setting} if setting else {"type": "positional", "value": word}
            )


def _setting(option: str, value: str, read: _Arguments, *, inside: bool) -> dict[str, Any] | None:
    """How a value is asked for; None for one that may stay as it is."""
    if is_secret_name(option) or is_secret_word(value):
        return {"isSecret": True, "isRequired": True}
    if found := PLACEHOLDER.search(value):
        name = next(group for group in found.groups() if group)
        if name.lower() not in ("workspacefolder", "userhome", "home") and not name.lower().startswith("workspace"):
            return {"isRequired": True, "description": f"“{name}” of the configuration."} | (
                {"isSecret": True} if is_secret_name(name) else {}
            )
    if not inside and is_own_path(value):
        read.keeps_data = True
        if not any("volume" in note for note in read.notes):
            read.notes.append(f"Paths of your own machine do not exist on a toolbox: it gets a volume of its own at {DATA} instead.")
        return {"format": "filepath", "default": DATA, "description": f"A path in the container. What is below {DATA} is kept."}
    return None


def _hint(word: str) -> str:
    if found := PLACEHOLDER.search(word):
        return next(group for group in found.groups() if group).lower()
    return "path" if is_own_path(word) else "secret" if is_secret_word(word) else "argument"
