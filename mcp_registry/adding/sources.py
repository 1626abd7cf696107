"""What was given, as documents to be looked through before any of them is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from agentopia.lib.errors import AgentopiaError, InvalidInput
from mcp_registry.importing.client_config import Candidate, candidates_in, read_configuration
from mcp_registry.importing.documents import usable_document
from mcp_registry.importing.fetching import Limits, fetch
from mcp_registry.importing.json_text import read_json
from mcp_registry.importing.lookup import look_up_all
from mcp_registry.importing.offered import Offered, offered_in
from mcp_registry.manifest import PUBLISHER_SLOT, Manifest, Package, Setting, parse_manifest, settings_of

MOST = 400
"""Documents that can be looked through at once; whole registries are an admin's to add."""
LIMITS = Limits(max_bytes=4 * 1024 * 1024, seconds=20)


@dataclass(frozen=True)
class Reviewed:
    """One document, or why it cannot be added; ``notes`` say what was left out or has to be known."""

    name: str
    document: dict[str, Any] | None = None
    manifest: Manifest | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def package(self) -> Package | None:
        """The one that is deployed."""
        return self.manifest.packages[0] if self.manifest and self.manifest.packages else None

    @property
    def settings(self) -> list[Setting]:
        """What is entered when it is deployed."""
        return settings_of(self.package) if self.package else []

    @property
    def asks_for_network(self) -> bool:
        """Whether the document says itself what it may reach; else its user is asked."""
        if self.document is None or self.package is None:
            return True
        slot = (self.document.get("_meta") or {}).get(PUBLISHER_SLOT) or {}
        return "egress" in (slot.get("agentopia") or {})


def reviewed(offered: Offered, notes: Sequence[str] = ()) -> Reviewed:
    """One document as it would be added."""
    try:
        document = usable_document(offered.document)
        manifest = parse_manifest(document)
    except InvalidInput as error:
        return Reviewed(offered.name, problem="; ".join(error.fields.values()) or error.message)
    return Reviewed(manifest.name, document, manifest, tuple(dict.fromkeys((*notes, *manifest.notes))))


def from_text(text: str | bytes) -> list[Reviewed]:
    """Of a file or of what was pasted; raises `InvalidInput`."""
    return from_value(read_json(text, lenient=True))


def from_value(value: Any) -> list[Reviewed]:
    """The same of what was parsed already."""
    offered = [one for one in offered_in(value) if one.official.status != "deleted"]
    if len(offered) > MOST:
        raise InvalidInput(f"These are {len(offered)} documents; {MOST} can be looked through at once.", code="too_many")
    return [reviewed(one) for one in offered]


def from_address(address: str) -> list[Reviewed]:
    """Of what is at an address; raises `InvalidInput` and `Unavailable`."""
    return from_text(fetch(address, limits=LIMITS))


def from_configuration(user: User, configuration: Any) -> list[Reviewed]:
    """Of a client's configuration, as text or parsed already. Versions that it does not name are looked up through a toolbox."""
    candidates = read_configuration(configuration) if isinstance(configuration, str) else candidates_in(configuration)
    told = look_up_all(user, [one.missing for one in candidates if one.missing is not None])
    return [_of_candidate(_pinned(one, told)) for one in candidates]


def _pinned(candidate: Candidate, told: dict[tuple[str, str], Any]) -> Candidate:
    if candidate.missing is None:
        return candidate
    found = told[candidate.missing]
    if isinstance(found, AgentopiaError):
        name = candidate.missing[1]
        return candidate.without_version(f"{found.message} Or name it in the configuration, as in {name}@1.2.3.")
    return candidate.with_version(found.version, found.description, found.license, found.homepage)


def _of_candidate(candidate: Candidate) -> Reviewed:
    if candidate.document is None:
        return Reviewed(candidate.name, problem=candidate.problem)
    return reviewed(Offered(candidate.document), candidate.notes)


def with_network(document: dict[str, Any], network: str) -> dict[str, Any]:
    """The document with what its user lets it reach: none or open."""
    if network not in ("none", "open"):
        return document
    meta = document.get("_meta") or {}
    slot = meta.get(PUBLISHER_SLOT) or {}
    profile = {**(slot.get("agentopia") or {}), "egress": network}
    return {**document, "_meta": {**meta, PUBLISHER_SLOT: {**slot, "agentopia": profile}}}
