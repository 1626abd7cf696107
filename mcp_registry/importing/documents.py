"""A whole ``server.json`` from outside, as it can be used: what cannot run on a toolbox is left out with a note, or it is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.cleaning import clean, shown_text
from mcp_registry.importing.packages import Usable, usable_package
from mcp_registry.importing.runtime_arguments import Refused
from mcp_registry.manifest import NOTES_SLOT, PUBLISHER_SLOT

MAX_PACKAGES, MAX_REMOTES, MAX_NOTES = 20, 20, 20
WEB = ("https://", "http://")
MAX_TAGS, MAX_WORD = 12, 40


def usable_document(given: Any) -> Any:
    """What of a document is kept: each package that can run, in our own terms, and the addresses of servers that run elsewhere.

    Raises `InvalidInput` where nothing is left. What is no document at all is returned as it is, for `parse_manifest` to say so.
    """
    if not isinstance(given, dict):
        return given
    document = clean(copy.deepcopy(given))
    notes: list[str] = []
    _drop_addresses(document, notes)
    usable, refused = _packages(document.get("packages"))
    if refused and not usable and not document.get("remotes"):
        _refuse(refused)
    if "packages" in document and isinstance(document["packages"], list):
        document["packages"] = [found.package for found in usable]
    notes += [f"A package was left out. {reason}" for reason in refused.values()]
    notes += [note for found in usable for note in found.asked.notes]
    _write_profile(document, usable)
    _write_notes(document, notes)
    return document


def _refuse(refused: dict[str, str]) -> None:
    summary = " ".join(f"{name}: {text}" for name, text in refused.items())
    raise InvalidInput(f"This server.json cannot be used. {summary}", code="invalid_manifest", fields=refused)


def _packages(given: Any) -> tuple[list[Usable], dict[str, str]]:
    """Those that can run, and by its place why another one cannot."""
    usable: list[Usable] = []
    refused: dict[str, str] = {}
    for number, package in enumerate(given if isinstance(given, list) else ()):
        name = f"packages.{number}"
        try:
            if number >= MAX_PACKAGES:
                raise Refused(f"A document may have {MAX_PACKAGES} packages.")
            usable.append(usable_package(package))
        except Refused as refusal:
            refused[name] = str(refusal)
            if number >= MAX_PACKAGES:
                break
    return usable, refused


def _drop_addresses(document: dict[str, Any], notes: list[str]) -> None:
    """Addresses that no browser should open. Icons are never fetched; those that could be are kept as they are."""
    if not _is_web(document.get("websiteUrl", "https://")):
        del document["websiteUrl"]
        notes.append("Its home page is no address of the web and was left out.")
    repository = document.get("repository")
    if repository is not None and not (isinstance(repository, dict) and _is_web(repository.get("url"))):
        del document["repository"]
    if isinstance(document.get("icons"), list):
        document["icons"] = [icon for icon in document["icons"] if isinstance(icon, dict) and _is_web(icon.get("src"))][:MAX_PACKAGES]
    remotes = document.get("remotes")
    if isinstance(remotes, list):
        kept = [_remote(remote) for remote in remotes if isinstance(remote, dict) and _is_web(remote.get("url"))]
        kept = [remote for remote in kept if remote.get("type") in ("streamable-http", "sse")][:MAX_REMOTES]
        if len(kept) < len(remotes):
            notes.append("An address was left out at which nothing on the web can be reached in a way that is understood.")
        document["remotes"] = kept


def _remote(remote: dict[str, Any]) -> dict[str, Any]:
    kind = str(remote.get("type") or remote.get("transport_type"))
    return {
        **remote,
        "type": {"http": "streamable-http", "streamable_http": "streamable-http", "streamable": "streamable-http"}.get(kind, kind),
    }


def _is_web(address: Any) -> bool:
    return isinstance(address, str) and address.startswith(WEB) and len(address) <= 500 and not any(letter.isspace() for letter in address)


def _write_profile(document: dict[str, Any], usable: Iterable[Usable]) -> None:
    """What the packages ask for joins the permissions that the document itself asks for; these count where both say something."""
    slot = _slot(document, PUBLISHER_SLOT)
    given = slot.get("agentopia")
    profile: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    volumes = [volume for volume in profile.get("volumes") or [] if isinstance(volume, dict)]
    if any(volume.get("shared") for volume in volumes):
        raise InvalidInput(
            "This server.json cannot be used. A volume that servers share is chosen when one is deployed: an entry cannot name one.",
            code="invalid_manifest",
            fields={"profile.volumes": "“shared” cannot be asked for."},
        )
    requires = list(profile.get("requires") or [])
    limits: dict[str, Any] = {}
    asked_volumes = []
    for found in usable:
        asked_volumes += found.asked.volumes
        requires += [text for text in found.asked.requires if text not in requires]
        limits = found.asked.limits | limits
    added = _fresh(volumes, asked_volumes)
    profile = _words_of(slot) | limits | profile
    if added:
        profile["volumes"] = [*volumes, *added]
    if requires:
        profile["requires"] = requires
    if isinstance(given, dict) or (given is None and profile):
        document["_meta"] = {**_meta(document), PUBLISHER_SLOT: {**slot, "agentopia": profile}}


def _fresh(volumes: list[dict[str, Any]], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are asked for at other places than the ones that are there."""
    added: list[dict[str, Any]] = []
    for volume in asked:
        there = [*volumes, *added]
        if volume["path"] in [other.get("path") for other in there]:
            continue
        names = {other.get("name") for other in there}
        name = next(name for name in (volume["name"], *(f"{volume['name']}-{n}" for n in range(2, 500))) if name not in names)
        added.append({**volume, "name": name})
    return added


def _words_of(slot: dict[str, Any]) -> dict[str, Any]:
    """Category, tags and licence, which publishers write beside a profile of ours too."""
    words: dict[str, Any] = {}
    if isinstance(slot.get("category"), str):
        words["category"] = shown_text(slot["category"], MAX_WORD)
    if isinstance(slot.get("tags"), list):
        tags = [shown_text(tag, MAX_WORD) for tag in slot["tags"] if isinstance(tag, str)]
        words["tags"] = list(dict.fromkeys(tag for tag in tags if tag))[:MAX_TAGS]
    if isinstance(slot.get("license"), str):
        words["license"] = shown_text(slot["license"], 100)
    return {name: word for name, word in words.items() if word}


def _write_notes(document: dict[str, Any], notes: list[str]) -> None:
    """Ours alone: what a publisher wrote there does not count. A document that came here before has its own already."""
    before = _slot(document, NOTES_SLOT).get("notes")
    kept = [note for note in before if isinstance(note, str)] if isinstance(before, list) else []
    told = list(dict.fromkeys(shown_text(note, 500) for note in [*kept, *notes]))[:MAX_NOTES]
    meta = {name: part for name, part in _meta(document).items() if name != NOTES_SLOT}
    if told:
        meta[NOTES_SLOT] = {"notes": told}
    if meta:
        document["_meta"] = meta
    else:
        document.pop("_meta", None)


def _meta(document: dict[str, Any]) -> dict[str, Any]:
    meta = document.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _slot(document: dict[str, Any], name: str) -> dict[str, Any]:
    slot = _meta(document).get(name)
    return slot if isinstance(slot, dict) else {}
