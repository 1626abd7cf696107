"""What a server's owner changed of the permissions that its entry asks for: checked, and merged into what counts.

An override that says what the entry says anyway is none, so that the server follows the entry's next version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agentopia.lib.errors import InvalidInput
from dtma_wire import Destination, Egress, Resources, RestartPolicy
from mcp_registry.manifest import Host, Manifest, Profile

LIMITS = ("memory_mb", "cpus", "pids")
NAMES = (*LIMITS, "egress", "hosts", "restart")
"""What can be overridden."""
_HOST: TypeAdapter[Destination] = TypeAdapter(Host)
_BAD_HOST = "“{host}” is no host: write a name such as api.example.org or *.example.org, or an address, with :PORT where it is not 443."


def effective_profile(manifest: Manifest, overrides: Mapping[str, Any]) -> Profile:
    """The permissions that a server has: those that its entry asks for, and what its owner changed of them."""
    changes = {name: overrides[name] for name in (*LIMITS, "egress") if name in overrides}
    profile = manifest.profile
    egress = Egress(changes.get("egress", profile.egress))
    if egress is Egress.ALLOWLIST:
        changes["hosts"] = overrides.get("hosts", profile.hosts)
    else:
        changes["hosts"] = ()
    return Profile.model_validate({**profile.model_dump(), **changes})


def restart_policy(overrides: Mapping[str, Any]) -> RestartPolicy:
    """What becomes of a server that ended by itself."""
    return RestartPolicy(overrides.get("restart", RestartPolicy.ALWAYS))


def host_text(host: Destination) -> str:
    """A host as people write it."""
    return host.host if host.port == 443 else f"{host.host}:{host.port}"


def merged_overrides(now: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What is named is set, or with None taken away. Hosts go with the kind of network that they were named for."""
    keeps_hosts = patch.get("egress", Egress.ALLOWLIST) == Egress.ALLOWLIST
    changes = patch if keeps_hosts or "hosts" in patch else {**patch, "hosts": None}
    return {name: value for name, value in {**now, **changes}.items() if value is not None}


def checked_overrides(profile: Profile, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what is to be other than the entry asks for, and leave out what is not other; None and empty texts count as not given.

    ``hosts`` is a list of texts. Raises `InvalidInput` that names every part which is wrong.
    """
    problems = {name: "This cannot be changed." for name in given if name not in NAMES}
    wanted = {name: value for name, value in given.items() if name in NAMES and value is not None and value != ""}
    clean = _checked_limits(profile, wanted, problems)
    if "restart" in wanted:
        _choose(RestartPolicy, "restart", wanted, clean, problems)
    clean |= _checked_egress(profile, wanted, problems)
    if problems:
        summary = " ".join(f"{key}: {text}" for key, text in problems.items())
        raise InvalidInput(f"These limits cannot be used. {summary}", code="invalid_overrides", fields=problems)
    return {name: value for name, value in clean.items() if value != _without(profile)[name]}


def _without(profile: Profile) -> dict[str, Any]:
    """What counts where nothing is overridden."""
    limits = {name: getattr(profile, name) for name in LIMITS}
    hosts = [host_text(host) for host in profile.hosts]
    return {**limits, "egress": profile.egress.value, "hosts": hosts, "restart": RestartPolicy.ALWAYS.value}


def _checked_limits(profile: Profile, wanted: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    limits = {name: wanted[name] for name in LIMITS if name in wanted}
    try:
        resources = Resources.model_validate({name: getattr(profile, name) for name in Resources.model_fields} | limits)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            name = str(item["loc"][0])
            problems[name] = f"{item['msg'].removeprefix('Input ').capitalize()}."
        return {}
    return {name: getattr(resources, name) for name in limits}


def _checked_egress(profile: Profile, wanted: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    if "egress" in wanted:
        _choose(Egress, "egress", wanted, clean, problems)
    if problems.get("egress"):
        return {}
    egress = Egress(clean.get("egress", profile.egress))
    hosts = _checked_hosts(wanted.get("hosts") or (), problems)
    if egress is not Egress.ALLOWLIST:
        if hosts and wanted.get("egress") is None:
            problems["hosts"] = "Hosts count only where the network is limited to named hosts."
        return clean
    if not hosts and not profile.hosts and "hosts" not in problems:
        problems["hosts"] = "Name the hosts that it may reach, or allow no network."
    return clean | ({"hosts": hosts} if hosts else {})


def _checked_hosts(given: Any, problems: dict[str, str]) -> list[str]:
    if isinstance(given, str) or not all(isinstance(host, str) for host in given):
        problems["hosts"] = "Give a list of hosts."
        return []
    hosts: list[str] = []
    for text in dict.fromkeys(host.strip() for host in given if host.strip()):
        try:
            hosts.append(host_text(_HOST.validate_python(text)))
        except ValidationError:
            problems["hosts"] = _BAD_HOST.format(host=text[:80])
    return hosts


def _choose(
    kind: type[Egress | RestartPolicy], name: str, wanted: Mapping[str, Any], clean: dict[str, Any], problems: dict[str, str]
) -> None:
    try:
        clean[name] = kind(wanted[name]).value
    except ValueError:
        problems[name] = f"Choose one of {', '.join(kind)}."
