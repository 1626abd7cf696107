"""From the spec that a toolbox has of a server to the row of it: the inverse of `spec.spec_of`, as a pure function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dtma_wire import NugetPackage, OciImage, Resources, RestartPolicy, ServerSpec, StdioTransport, Volume
from mcp_registry.manifest import PUBLISHER_SLOT

NAMESPACE = "internal.agentopia.adopted"
TRANSPORTS = {"stdio": "stdio", "http": "streamable-http", "sse": "sse"}


@dataclass(frozen=True)
class Wish:
    """The columns of a server that say what is wanted of it."""

    manifest: dict[str, Any]
    config: dict[str, str]
    secrets: dict[str, str]
    shared_volumes: dict[str, str]
    overrides: dict[str, Any]


def wish_of(spec: ServerSpec) -> Wish:
    """What a user would have entered, and from which ``server.json``, for just this spec.

    Arguments become secrets: a spec does not say which of them were.
    """
    arguments = {f"argument-{number}": value for number, value in enumerate(spec.arguments, start=1)}
    hidden = {name: value.get_secret_value() for name, value in spec.secrets.items()}
    files = {file.variable or f"SECRET_FILE_{number}": file for number, file in enumerate(spec.secret_files, start=1)}
    hidden |= {variable: file.content.get_secret_value() for variable, file in files.items()}
    package = {
        **_package(spec),
        "transport": _transport(spec),
        "packageArguments": [{"type": "positional", "valueHint": key, "isSecret": True} for key in arguments],
        "environmentVariables": [
            *({"name": name} for name in spec.environment),
            *({"name": name, "isSecret": True} for name in hidden),
        ],
    }
    own_names, shared_volumes = _volumes(spec.volumes)
    profile = {
        **_profile(spec),
        "volumes": [
            {"name": name, "path": volume.path, "read_only": volume.read_only} for name, volume in zip(own_names, spec.volumes, strict=True)
        ],
        "secret_files": {variable: file.name for variable, file in files.items()},
    }
    slug = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-") or "server"
    manifest = {
        "name": f"{NAMESPACE}/{slug}",
        "title": spec.name,
        "description": "A server that was on a toolbox already, with the settings that it had there.",
        "version": package["version"] or "0",
        "packages": [package],
        "_meta": {PUBLISHER_SLOT: {"agentopia": profile}},
    }
    overrides = {} if spec.restart is RestartPolicy.ALWAYS else {"restart": spec.restart.value}
    return Wish(manifest, dict(spec.environment), {**hidden, **arguments}, shared_volumes, overrides)


def _package(spec: ServerSpec) -> dict[str, Any]:
    source = spec.source
    if isinstance(source, OciImage):
        return {"registryType": "oci", "identifier": source.reference, "version": ""}
    return {"registryType": source.kind, "identifier": source.name, "version": source.version}


def _transport(spec: ServerSpec) -> dict[str, str]:
    transport = spec.transport
    if isinstance(transport, StdioTransport):
        return {"type": "stdio"}
    has_port = re.search(r":\d+$", transport.host) is not None
    port = "" if has_port or transport.port == 80 else f":{transport.port}"
    return {"type": TRANSPORTS[transport.kind], "url": f"http://{transport.host}{port}{transport.path}"}


def _profile(spec: ServerSpec) -> dict[str, Any]:
    profile: dict[str, Any] = {name: getattr(spec.resources, name) for name in Resources.model_fields}
    profile |= {"egress": spec.egress.value, "hosts": [host.model_dump(mode="json") for host in spec.allowed]}
    profile |= {"sessions": spec.sessions.model_dump(mode="json")}
    if spec.source.kind == "pypi":
        profile["requires"] = list(spec.source.requires)
    if not isinstance(spec.source, (OciImage, NugetPackage)) and spec.source.runtime == "dotnet":
        profile["runtime"] = "dotnet"
    return profile


def _volumes(volumes: tuple[Volume, ...]) -> tuple[list[str], dict[str, str]]:
    """The names under which an entry would know the volumes, and which of them are shared under which name."""
    own = {volume.name for volume in volumes if not volume.shared}
    names, shared = [], {}
    for number, volume in enumerate(volumes, start=1):
        taken = volume.shared and (volume.name in own or volume.name in names)
        name = f"shared-{number}" if taken else volume.name
        names.append(name)
        if volume.shared:
            shared[name] = volume.name
    return names, shared
