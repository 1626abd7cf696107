"""One package of a document, as it can run on a toolbox: checked, and its wishes for whoever starts it translated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from dtma_wire.specs import IMAGE_REFERENCE, NPM_NAME, NUGET_NAME, PYPI_NAME
from mcp_registry.importing.runtime_arguments import Asked, Refused, translated
from mcp_registry.manifest import Package

NAMES = {"npm": NPM_NAME, "pypi": PYPI_NAME, "nuget": NUGET_NAME, "oci": IMAGE_REFERENCE}
MAX_PARTS = 200
DOCKER_HUB = ("docker.io", "index.docker.io", "hub.docker.com")
_OLD_TRANSPORTS = {"http": "streamable-http", "streamable_http": "streamable-http", "streamableHttp": "streamable-http"}


@dataclass(frozen=True)
class Usable:
    """A package as the catalogue keeps it, and what it asks of its container."""

    package: dict[str, Any]
    asked: Asked


def usable_package(given: Any) -> Usable:
    """Raises `Refused` with a sentence for one that no toolbox can run."""
    if not isinstance(given, dict):
        raise Refused("A package must be an object.")
    package = dict(given)
    kind = package["registryType"] = str(package.get("registryType", "")).lower()
    if kind == "docker":
        kind = package["registryType"] = "oci"
    if kind not in NAMES:
        raise Refused(f"Packages of the kind “{kind[:40]}” do not run on a toolbox: npm, PyPI, NuGet and OCI do.")
    _identify(package, kind)
    _transport(package)
    for part in ("packageArguments", "environmentVariables"):
        if isinstance(package.get(part), list) and len(package[part]) > MAX_PARTS:
            raise Refused(f"It has more than {MAX_PARTS} {part}.")
    asked = translated(kind, package["identifier"], package.pop("runtimeArguments", []))
    _add_variables(package, asked)
    try:
        Package.model_validate(package)
    except ValidationError as error:
        raise Refused(_sentence(error)) from None
    return Usable(package, asked)


def _identify(package: dict[str, Any], kind: str) -> None:
    identifier = str(package.get("identifier", "")).strip()
    if kind == "oci":
        identifier = _image(identifier.removeprefix("docker://"), package)
    elif str(package.get("version", "")).startswith("v"):
        package["version"] = package["version"][1:]  # a tag of its repository; the package itself is numbered without
    if len(identifier) > 400 or not re.fullmatch(NAMES[kind], identifier):
        raise Refused(f"“{identifier[:100]}” cannot be the name of a package of {kind}.")
    package["identifier"] = identifier


def _image(identifier: str, package: dict[str, Any]) -> str:
    """With the host of its registry, which the schema's first editions said apart."""
    host = urlsplit(str(package.get("registryBaseUrl", ""))).netloc
    first = identifier.split("/", maxsplit=1)[0]
    if host and host not in DOCKER_HUB and not ("." in first or ":" in first or first == "localhost"):
        return f"{host}/{identifier}"
    return identifier


def _transport(package: dict[str, Any]) -> None:
    transport = package.get("transport")
    if not isinstance(transport, dict):
        return
    kind = _OLD_TRANSPORTS.get(str(transport.get("type")), transport.get("type"))
    package["transport"] = {**transport, "type": kind}
    if kind in ("streamable-http", "sse") and not re.match(r"^https?://[^\s/]", str(transport.get("url", ""))):
        raise Refused(f"Its transport {kind} needs the URL at which it listens, as in http://localhost:3001/mcp.")


def _add_variables(package: dict[str, Any], asked: Asked) -> None:
    """What was to be set by whoever starts it becomes variables of the package; those that it names itself say more."""
    if not asked.variables:
        return
    named = package.get("environmentVariables") or []
    known = {variable.get("name") for variable in named if isinstance(variable, dict)}
    package["environmentVariables"] = [*named, *(variable for variable in asked.variables if variable["name"] not in known)]


def _sentence(error: ValidationError) -> str:
    problems = [f"{'.'.join(map(str, item['loc'])) or 'package'}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
    return "; ".join(problems[:5])[:500] + "."
