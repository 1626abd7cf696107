"""An entry of one's own as a form has it: a package, its settings and its permissions, to and from a ``server.json``."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.client_config import NAMESPACE
from mcp_registry.importing.documents import usable_document
from mcp_registry.importing.runtime_arguments import Asked, Refused, Word, volume_of
from mcp_registry.manifest import PUBLISHER_SLOT, Manifest, parse_manifest

_PLAIN_VARIABLE = {"name", "description", "isRequired", "isSecret", "default"}
NOT_IN_FORM = "This entry has more than the form knows: it is edited as a server.json."


@dataclass(frozen=True)
class Variable:
    """An environment variable that is a setting."""

    name: str
    description: str = ""
    required: bool = False
    secret: bool = False
    default: str = ""


@dataclass(frozen=True)
class EntryDraft:
    """``kind`` is that of the package (npm, pypi, nuget, oci); ``hosts`` and ``volumes`` are texts as people write them."""

    kind: str
    identifier: str
    version: str = ""
    title: str = ""
    description: str = ""
    name: str = ""
    entry_version: str = ""
    transport: str = "stdio"
    url: str = ""
    arguments: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    network: str = "none"
    hosts: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    memory_mb: int = 512
    license: str = ""
    homepage: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    """The document that this is a new version of: what the form does not know of it stays."""

    def document(self) -> dict[str, Any]:
        """As a ``server.json`` that was checked; raises `InvalidInput` with what is wrong by the form's fields."""
        document = self._written()
        try:
            parse_manifest(usable_document(document))
        except InvalidInput as error:
            problems = dict(_in_the_form(error.fields or {"": error.message}))
            raise InvalidInput(" ".join(problems.values()), code="invalid_entry", fields=problems) from None
        return document

    def _written(self) -> dict[str, Any]:
        document = copy.deepcopy(self.before)
        package = {**(document.get("packages") or [{}])[0], "registryType": self.kind, "identifier": self.identifier.strip()}
        package.pop("version", None)
        if self.version:
            package["version"] = self.version
        package["transport"] = {"type": self.transport} | ({"url": self.url} if self.transport != "stdio" else {})
        package["packageArguments"] = [{"type": "positional", "value": word} for word in self.arguments]
        package["environmentVariables"] = [_written_variable(variable) for variable in self.variables]
        version = self.entry_version or self.version or _tag(self.identifier) or "1.0.0"
        document |= {
            "name": self.name or f"{NAMESPACE}/{_slug(self.identifier)}",
            "title": self.title or _title(self.identifier),
            "description": self.description or f"{self.title or self.identifier}, added by hand.",
            "version": version,
            "packages": [package],
        }
        if self.homepage:
            document["websiteUrl"] = self.homepage
        meta = document.get("_meta") or {}
        slot = meta.get(PUBLISHER_SLOT) or {}
        document["_meta"] = {**meta, PUBLISHER_SLOT: {**slot, "agentopia": self._profile(slot.get("agentopia") or {})}}
        return document

    def _profile(self, before: dict[str, Any]) -> dict[str, Any]:
        profile = {name: value for name, value in before.items() if name not in ("egress", "hosts", "volumes", "memory_mb")}
        profile |= {"egress": self.network, "memory_mb": self.memory_mb}
        if self.network == "allowlist":
            profile["hosts"] = list(self.hosts)
        if self.volumes:
            profile["volumes"] = written_volumes(self.volumes)
        if self.license:
            profile["license"] = self.license
        return profile


def draft_of(document: dict[str, Any]) -> EntryDraft | None:
    """A stored document as a form has it; None for one that has more than the form knows."""
    manifest = Manifest.model_validate(document)
    if len(manifest.packages) != 1 or manifest.remotes or not _is_plain(document["packages"][0]):
        return None
    package, profile = manifest.packages[0], manifest.profile
    return EntryDraft(
        kind=package.registry_type,
        identifier=package.identifier,
        version=package.version,
        title=manifest.title,
        description=manifest.description,
        name=manifest.name,
        entry_version=manifest.version,
        transport=package.transport.type,
        url=package.transport.url,
        arguments=tuple(argument.value or "" for argument in package.package_arguments),
        variables=tuple(
            Variable(one.name, one.description, one.is_required, one.is_secret, one.default or "") for one in package.environment_variables
        ),
        network=profile.egress.value,
        hosts=tuple(host.host if host.port == 443 else f"{host.host}:{host.port}" for host in profile.hosts),
        volumes=tuple(f"{volume.name}:{volume.path}" + (":ro" if volume.read_only else "") for volume in profile.volumes),
        memory_mb=profile.memory_mb,
        before=document,
    )


def written_volumes(lines: Iterable[str]) -> list[dict[str, Any]]:
    """``name:/path`` and ``name:/path:ro`` as a profile has them; raises `InvalidInput`."""
    asked = Asked()
    try:
        for line in lines:
            volume_of(Word(line.strip(), {}), asked)
    except Refused as refusal:
        raise InvalidInput(str(refusal), code="invalid_entry", fields={"volumes": str(refusal)}) from None
    return asked.volumes


def _is_plain(package: dict[str, Any]) -> bool:
    arguments = package.get("packageArguments") or []
    fixed = all(one.get("type") == "positional" and isinstance(one.get("value"), str) and not one.get("variables") for one in arguments)
    return fixed and all(set(one) <= _PLAIN_VARIABLE for one in package.get("environmentVariables") or [])


def _written_variable(variable: Variable) -> dict[str, Any]:
    written: dict[str, Any] = {"name": variable.name, "isRequired": variable.required}
    if variable.description:
        written["description"] = variable.description
    if variable.secret:
        written["isSecret"] = True
    if variable.default:
        written["default"] = variable.default
    return written


_FIELDS = (
    (re.compile(r"version"), "version"),
    (re.compile(r"environmentVariables"), "variables"),
    (re.compile(r"transport"), "url"),
    (re.compile(r"profile\.volumes"), "volumes"),
    (re.compile(r"profile\.memory_mb"), "memory_mb"),
    (re.compile(r"profile"), "hosts"),
    (re.compile(r"^title"), "title"),
    (re.compile(r"^description"), "description"),
    (re.compile(r"^name"), "name"),
    (re.compile(r"packages"), "identifier"),
)


def _in_the_form(problems: dict[str, str]) -> Iterable[tuple[str, str]]:
    """By the field of the form that each is about."""
    for place, text in problems.items():
        if "exact version" in text or text.startswith("version"):
            yield "version", text[:1].upper() + text[1:]
        else:
            yield (
                next((name for pattern, name in _FIELDS if pattern.search(f"{place} {text.split(':')[0]}")), ""),
                text[:1].upper() + text[1:],
            )


def _slug(identifier: str) -> str:
    """Of ``@scope/name`` and ``host/owner/name:tag``, the last two parts."""
    parts = re.sub(r"(@sha256:.*|:[^/]*)$", "", identifier).lstrip("@").split("/")
    return re.sub(r"[^a-z0-9._-]+", "-", "-".join(parts[-2:]).lower()).strip("-._")[:80] or "server"


def _title(identifier: str) -> str:
    last = re.sub(r"(@sha256:.*|:[^/]*)$", "", identifier).rsplit("/", 1)[-1].lstrip("@")
    return re.sub(r"[-_.]+", " ", last).strip().capitalize()[:100] or identifier[:100]


def _tag(reference: str) -> str:
    return reference.partition("@")[0].rsplit("/", 1)[-1].partition(":")[2][:100]
