"""Changes of what a server is made from: merged into it, and told as what is other afterwards. Pure functions over its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_registry.configuring.overrides import LIMITS, effective_profile, host_text, restart_policy
from mcp_registry.manifest import Manifest
from mcp_registry.models import Specification

SECRET = "secrets"
NAMES = {
    "version": "Version",
    "package": "Package",
    "memory_mb": "Memory",
    "cpus": "Processors",
    "pids": "Processes",
    "egress": "Network",
    "hosts": "Hosts",
    "restart": "Restart policy",
}
UNITS = {"memory_mb": " MB"}
WORDS = {
    "egress": {"none": "none", "allowlist": "named hosts", "open": "the whole internet"},
    "restart": {"always": "always", "on_failure": "after a failure", "never": "never"},
}
VALUE_LIMIT = 60
"""So much of a value is told in a summary."""


@dataclass(frozen=True)
class Change:
    """What is to be other, as a merge patch: what is not named stays, and what is named with None is taken away.

    ``shares_tools`` is no part of what the server is made from, and makes no generation.
    """

    config: Mapping[str, str | None] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    shared_volumes: Mapping[str, str | None] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    shares_tools: bool | None = None


@dataclass(frozen=True)
class Difference:
    """One thing that is other. ``key`` is where: ``config.CITY``, ``secrets.API_KEY``, ``volumes.data``, ``memory_mb``.

    Of a secret, ``before`` and ``after`` say whether there is one and never what it is.
    """

    key: str
    name: str
    before: str
    after: str
    secret: bool = False

    @property
    def sentence(self) -> str:
        """In a few words, without a full stop."""
        if self.secret:
            return f"{self.name} {self.after}"
        if not self.before:
            return f"{self.name}: {_short(self.after)}"
        return f"{self.name}: {_short(self.before)} → {_short(self.after) or 'not set'}"


def merged(now: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What is named is set, or with None taken away; the rest stays."""
    return {name: value for name, value in {**now, **patch}.items() if value is not None}


def differences(before: Specification, after: Specification) -> list[Difference]:
    """What differs between two specifications, in the order in which a person would look at it."""
    same = (before.manifest, before.overrides) == (after.manifest, after.overrides)  # spares reading the documents
    return [
        *_plain({"version": _version(before)}, {"version": _version(after)}),
        *_plain({"package": str(before.package + 1)}, {"package": str(after.package + 1)}),
        *_named("config", before.config, after.config),
        *_secrets(before.secrets, after.secrets),
        *_named("volumes", before.shared_volumes, after.shared_volumes, "Shared folder for "),
        *([] if same else _plain(_permissions(before), _permissions(after))),
    ]


def summary_of(found: list[Difference]) -> str:
    """One sentence for all of them; empty where nothing differs."""
    return "; ".join(difference.sentence for difference in found)


def audited(found: list[Difference]) -> dict[str, Any]:
    """For the audit: ``{key: [before, after]}``, of secrets what was done alone."""
    return {one.key: [one.before, one.after] for one in found}


def _version(row: Specification) -> str:
    return str(row.manifest.get("version", ""))


def _permissions(row: Specification) -> dict[str, str]:
    profile = effective_profile(Manifest.model_validate(row.manifest), row.overrides)
    values = {name: f"{getattr(profile, name):g}{UNITS.get(name, '')}" for name in LIMITS}
    values["egress"] = WORDS["egress"][profile.egress]
    values["hosts"] = ", ".join(host_text(host) for host in profile.hosts)
    values["restart"] = WORDS["restart"][restart_policy(row.overrides)]
    return values


def _plain(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    return [Difference(key, NAMES[key], before[key], after[key]) for key in before if before[key] != after[key]]


def _named(kind: str, before: Mapping[str, str], after: Mapping[str, str], prefix: str = "") -> list[Difference]:
    keys = dict.fromkeys([*before, *after])
    pairs = [(key, before.get(key, ""), after.get(key, "")) for key in keys]
    return [Difference(f"{kind}.{key}", prefix + key, was, now) for key, was, now in pairs if was != now]


def _secrets(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    found = []
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            found.append(Difference(f"{SECRET}.{key}", key, "set", "removed", secret=True))
        elif key not in before:
            found.append(Difference(f"{SECRET}.{key}", key, "not set", "set", secret=True))
        elif before[key] != after[key]:
            found.append(Difference(f"{SECRET}.{key}", key, "set", "replaced", secret=True))
    return found


def _short(text: str) -> str:
    return text if len(text) <= VALUE_LIMIT else f"{text[: VALUE_LIMIT - 1]}…"
