"""From a server's row to the spec that its toolbox is given: a pure function, and the check of what the user set."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import ValidationError

from agentopia.lib.errors import InvalidInput
from dtma_wire import (
    HttpTransport,
    NpmPackage,
    NugetPackage,
    OciImage,
    PypiPackage,
    Resources,
    ServerSpec,
    SseTransport,
    StdioTransport,
    Volume,
)
from dtma_wire.specs import VOLUME_NAME
from mcp_registry.configuring.overrides import effective_profile, restart_policy
from mcp_registry.manifest import (
    InputWithVariables,
    Manifest,
    NamedArgument,
    Package,
    PositionalArgument,
    Profile,
    Setting,
    argument_key,
    parse_manifest,
    settings_of,
)
from mcp_registry.models import McpServer

TRUE_WORDS, FALSE_WORDS = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_-]+)\}")
_URL_PORT = re.compile(r"^https?://(?P<host>\[[^\]]+\]|[^/:]+)(:(?P<port>\d+))?(?P<path>/[^?#]*)?")


def package_of(manifest: Manifest, index: int) -> Package:
    """The package that is to run; raises `InvalidInput`."""
    if not manifest.packages:
        raise InvalidInput(manifest.undeployable, code="not_deployable", fields={"entry": "There is nothing to deploy."})
    if not 0 <= index < len(manifest.packages):
        raise InvalidInput(
            f"“{manifest.name}” has {len(manifest.packages)} package(s); there is no number {index}.", fields={"package": "unknown"}
        )
    return manifest.packages[index]


def checked_values(package: Package, config: Mapping[str, str], secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Check what the user set against what can be set.

    Returns (config, secrets) with empty values left out. Raises `InvalidInput` that names every wrong or missing setting;
    the values of secrets are never repeated in it.
    """
    settings = {setting.key: setting for setting in settings_of(package)}
    problems: dict[str, str] = {}
    clean: dict[bool, dict[str, str]] = {False: {}, True: {}}
    for given in (config, secrets):
        for key, value in given.items():
            setting = settings.get(key)
            if setting is None:
                problems[key] = "This server has no such setting."
            elif given is config and setting.secret:
                problems[key] = "This is a secret: send it under “secrets”."
            elif str(value) != "":
                text, problem = _checked(setting, str(value))
                clean[setting.secret][key] = text
                if problem:
                    problems[key] = problem
    for setting in settings.values():
        if setting.required and setting.key not in clean[setting.secret] and setting.key not in problems:
            problems[setting.key] = "This setting is required."
    if problems:
        summary = " ".join(f"{key}: {text}" for key, text in problems.items())
        raise InvalidInput(f"The settings are not complete or not valid. {summary}", code="invalid_settings", fields=problems)
    return clean[False], clean[True]


def problem_of(setting: Setting, value: str) -> str:
    """Why a value cannot be that of a setting; empty where it can."""
    return _checked(setting, value)[1]


def _checked(setting: Setting, value: str) -> tuple[str, str]:
    if setting.choices and value not in setting.choices:
        return value, f"Choose one of {', '.join(setting.choices)}."
    if setting.format == "boolean":
        if value.lower() in TRUE_WORDS:
            return "true", ""
        return "false", "" if value.lower() in FALSE_WORDS else "Answer true or false."
    if setting.format == "number":
        try:
            float(value)
        except ValueError:
            return value, "This must be a number."
    if setting.kind == "url" and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", value):
        return value, "Write the whole address, as in https://example.com."
    if setting.kind == "path" and "\n" in value:
        return value, "A path is one line."
    if "\x00" in value or len(value) > 16_384:
        return "", "This value is too long or holds a NUL character."
    return value, ""


def checked_volumes(profile: Profile, shared: Mapping[str, str]) -> dict[str, str]:
    """Check which volumes of an entry are to be shared under which name; raises `InvalidInput`. Empty names are left out."""
    known = {volume.name for volume in profile.volumes}
    problems: dict[str, str] = {}
    for volume, name in shared.items():
        if volume not in known:
            problems[volume] = "This server has no such volume."
        elif name and not re.fullmatch(VOLUME_NAME, name):
            problems[volume] = "Small letters, digits, hyphens and underscores, beginning with a letter or digit."
    if problems:
        summary = " ".join(f"{key}: {text}" for key, text in problems.items())
        raise InvalidInput(f"The shared folders are not valid. {summary}", code="invalid_volumes", fields=problems)
    return {volume: name for volume, name in shared.items() if name}


def spec_of(server: McpServer) -> ServerSpec:
    """The spec of a server as it is desired; raises `InvalidInput` where the entry asks for what no toolbox gives."""
    manifest = parse_manifest(server.manifest)
    package = package_of(manifest, server.package)
    values = {**server.config, **server.secrets}
    profile = effective_profile(manifest, server.overrides)
    environment, secrets, secret_files = _variables(package, profile, values)
    try:
        return ServerSpec.model_validate(
            {
                "generation": server.generation,
                "incarnation": server.incarnation,
                "name": server.name,
                "source": _source(package, profile),
                "transport": _transport(package, values),
                "arguments": tuple(_arguments(package, values)),
                "environment": environment,
                "secrets": secrets,
                "secret_files": secret_files,
                "volumes": _volumes(profile, server.shared_volumes),
                "resources": Resources(**{name: getattr(profile, name) for name in Resources.model_fields}),
                "egress": profile.egress,
                "allowed": profile.hosts,
                "sessions": profile.sessions,
                "restart": restart_policy(server.overrides),
                "desired": "stopped" if server.desired == McpServer.Desired.STOPPED else "running",
            }
        )
    except ValidationError as error:
        fields = {".".join(map(str, item["loc"])): item["msg"] for item in error.errors(include_input=False)}
        summary = "; ".join(f"{name}: {text}" for name, text in fields.items())
        raise InvalidInput(f"“{manifest.name}” cannot be run. {summary}", code="invalid_manifest", fields=fields) from None


def _volumes(profile: Profile, shared: Mapping[str, str]) -> tuple[Volume, ...]:
    return tuple(
        volume.model_copy(update={"name": shared[volume.name], "shared": True}) if volume.name in shared else volume
        for volume in profile.volumes
    )


def _variables(
    package: Package, profile: Profile, values: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str], tuple[dict[str, str], ...]]:
    """(environment, secrets, secret files): each variable is in one of them."""
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    files: list[dict[str, str]] = []
    for variable in package.environment_variables:
        value = _value(variable.name, variable, values)
        if value is None:
            continue
        if variable.name in profile.secret_files:
            files.append({"name": profile.secret_files[variable.name], "content": value, "variable": variable.name})
        elif variable.is_secret or any(part.is_secret for part in variable.variables.values()):
            secrets[variable.name] = value
        else:
            environment[variable.name] = value
    return environment, secrets, tuple(files)


def _value(key: str, given: InputWithVariables, values: Mapping[str, str]) -> str | None:
    if given.value is None:
        return values.get(key, given.default)
    fill = {name: part.value or values.get(name, part.default) or "" for name, part in given.variables.items()}
    return _PLACEHOLDER.sub(lambda match: fill.get(match[1], match[0]), given.value)


def _arguments(package: Package, values: Mapping[str, str]) -> list[str]:
    words: list[str] = []
    for argument in package.package_arguments:
        value = _value(argument_key(argument), argument, values)
        repeats = value is not None and argument.is_repeated and argument.value is None
        for each in str(value).splitlines() if repeats else [value]:
            words += _words_of(argument, each)
    return words


def _words_of(argument: NamedArgument | PositionalArgument, value: str | None) -> list[str]:
    if isinstance(argument, NamedArgument):
        if argument.format == "boolean":
            return [argument.name] if value == "true" else []
        if value is None:
            return []
        # A name that ends with “=” takes its value in the same word.
        return [argument.name + value] if argument.name.endswith("=") else [argument.name, value]
    return [] if value is None else [value]


def _source(package: Package, profile: Profile) -> NpmPackage | PypiPackage | NugetPackage | OciImage:
    match package.registry_type:
        case "npm":
            return NpmPackage(name=package.identifier, version=package.version, runtime=profile.runtime or "node")
        case "pypi":
            runtime = profile.runtime or "python"
            return PypiPackage(name=package.identifier, version=package.version, requires=profile.requires, runtime=runtime)
        case "nuget":
            return NugetPackage(name=package.identifier, version=package.version)
        case "oci":
            tagged = "@" in package.identifier or ":" in package.identifier.rsplit("/", 1)[-1]
            return OciImage(reference=package.identifier if tagged or not package.version else f"{package.identifier}:{package.version}")


def _transport(package: Package, values: Mapping[str, str]) -> StdioTransport | HttpTransport | SseTransport:
    kind = package.transport.type
    if kind == "stdio":
        return StdioTransport()
    match = _URL_PORT.match(_filled(package, values))
    if match is None:
        raise InvalidInput(f"A {kind} package needs the URL at which it listens, as in http://localhost:3001/mcp.", code="invalid_manifest")
    port = int(match["port"] or 80)
    host = match["host"] + (f":{port}" if match["port"] else "")
    if kind == "sse":
        return SseTransport(port=port, path=match["path"] or "/sse", host=host)
    return HttpTransport(port=port, path=match["path"] or "/mcp", host=host)


def _filled(package: Package, values: Mapping[str, str]) -> str:
    """The URL at which a package listens. What is in braces names a variable or an argument of it (schema 2025-12-11)."""
    known: dict[str, str | None] = {}
    for argument in package.package_arguments:
        known[argument_key(argument)] = _value(argument_key(argument), argument, values)
    for variable in package.environment_variables:
        known[variable.name] = _value(variable.name, variable, values)
    return _PLACEHOLDER.sub(lambda found: known.get(found[1]) or known.get(found[1].lstrip("-")) or found[0], package.transport.url)
