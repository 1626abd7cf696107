"""What going to another version would mean for a server: its settings, its permissions, its data. A pure function of the two documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dtma_wire import Egress
from mcp_registry.configuring.overrides import effective_profile, host_text
from mcp_registry.manifest import Manifest, Package, Profile, Setting, parse_manifest, settings_of
from mcp_registry.models import McpServer
from mcp_registry.spec import package_of, problem_of

Tone = Literal["", "success", "warning"]
NETWORK = {Egress.NONE: "no network", Egress.ALLOWLIST: "named hosts", Egress.OPEN: "the whole internet"}
WIDTH = {Egress.NONE: 0, Egress.ALLOWLIST: 1, Egress.OPEN: 2}


@dataclass(frozen=True)
class Line:
    """A change for a person; ``warning`` is one that lets the server do more."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Plan:
    """What a server would be at another version. ``missing`` are the settings that must be given first."""

    manifest: Manifest
    document: dict[str, Any]
    index: int
    profile: Profile
    config: dict[str, str]
    secrets: dict[str, str]
    shared_volumes: dict[str, str]
    missing: tuple[Setting, ...]
    lines: tuple[Line, ...]

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def package(self) -> Package:
        return self.manifest.packages[self.index]

    @property
    def widens(self) -> bool:
        """Whether it may do more than before."""
        return any(line.tone == "warning" for line in self.lines)


def plan_of(server: McpServer, document: dict[str, Any]) -> Plan:
    """Compare what a server is with what it would be. Raises `InvalidInput` for a document that cannot be used."""
    old, new = parse_manifest(server.manifest), parse_manifest(document)
    before = package_of(old, server.package)
    index = _same_package(before, new, server.package)
    settings = {setting.key: setting for setting in settings_of(new.packages[index])}
    config, secrets, dropped = _kept(server, settings)
    had, has = effective_profile(old, server.overrides), effective_profile(new, server.overrides)
    volumes = {volume.name for volume in has.volumes}
    given = {**config, **secrets}
    return Plan(
        manifest=new,
        document=document,
        index=index,
        profile=has,
        config=config,
        secrets=secrets,
        shared_volumes={volume: name for volume, name in server.shared_volumes.items() if volume in volumes},
        missing=tuple(setting for setting in settings.values() if setting.required and setting.key not in given),
        lines=(*_permissions(had, has), *_data(had, has), *_source(before, new.packages[index]), *_settings(dropped)),
    )


def _same_package(before: Package, new: Manifest, index: int) -> int:
    """Of a version with several packages the one that is the same; else one of its kind; else the one in its place."""
    same = [(package.registry_type, package.identifier.split(":")[0]) for package in new.packages]
    kinds = [package.registry_type for package in new.packages]
    if (found := (before.registry_type, before.identifier.split(":")[0])) in same:
        return same.index(found)
    if before.registry_type in kinds:
        return kinds.index(before.registry_type)
    return index if index < len(new.packages) else 0


def _kept(server: McpServer, settings: Mapping[str, Setting]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """(config, secrets, names of what goes). A secret never becomes a setting that shows; one that shows may become a secret."""
    config: dict[str, str] = {}
    secrets: dict[str, str] = {}
    dropped = []
    for values, was_secret in ((server.config, False), (server.secrets, True)):
        for key, value in values.items():
            setting = settings.get(key)
            if setting is None or (was_secret and not setting.secret) or problem_of(setting, value):
                dropped.append(key)
            else:
                (secrets if setting.secret else config)[key] = value
    return config, secrets, sorted(dropped)


def _permissions(had: Profile, has: Profile) -> list[Line]:
    lines = []
    if had.egress is not has.egress:
        wider = WIDTH[has.egress] > WIDTH[had.egress]
        lines.append(Line(f"It may reach {NETWORK[has.egress]}, and not {NETWORK[had.egress]} as now.", "warning" if wider else "success"))
    hosts, before = {host_text(host) for host in has.hosts}, {host_text(host) for host in had.hosts}
    if more := sorted(hosts - before):
        lines.append(Line(f"It may reach {', '.join(more)}.", "warning" if had.egress is not Egress.OPEN else ""))
    if less := sorted(before - hosts) if has.egress is Egress.ALLOWLIST else []:
        lines.append(Line(f"It may no longer reach {', '.join(less)}.", "success"))
    for name, what, unit in (("memory_mb", "memory", " MB"), ("cpus", "processors", ""), ("pids", "processes", "")):
        was, is_now = getattr(had, name), getattr(has, name)
        if was != is_now:
            lines.append(Line(f"Up to {is_now:g}{unit} of {what} instead of {was:g}{unit}.", "warning" if is_now > was else "success"))
    if had.sessions != has.sessions:
        many = (
            f"up to {has.sessions.most} containers, one for each client" if has.sessions.mode == "own" else "one container for all clients"
        )
        lines.append(Line(f"It runs as {many}."))
    return lines


def _data(had: Profile, has: Profile) -> list[Line]:
    old, new = {volume.name: volume for volume in had.volumes}, {volume.name: volume for volume in has.volumes}
    lines = [Line(f"It keeps data of its own under {new[name].path}.") for name in new if name not in old]
    lines += [
        Line(
            f"It no longer uses its volume at {old[name].path}; what is in it stays on the toolbox until the server is deleted.", "warning"
        )
        for name in old
        if name not in new
    ]
    moved = [name for name in new if name in old and new[name].path != old[name].path]
    return lines + [Line(f"Its volume at {old[name].path} moves to {new[name].path}.") for name in moved]


def _source(before: Package, after: Package) -> list[Line]:
    if (before.registry_type, before.identifier.split(":")[0]) == (after.registry_type, after.identifier.split(":")[0]):
        return []
    return [Line(f"It comes from {after.registry}: {after.identifier}, and not from {before.registry}: {before.identifier}.", "warning")]


def _settings(dropped: list[str]) -> list[Line]:
    if not dropped:
        return []
    return [Line(f"{', '.join(dropped)}: what is set does not apply to this version and is dropped.", "warning")]
