"""What an admin says of entries: verified, published, hidden, deprecated, featured; and which permissions count instead of their own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from mcp_registry.manifest import PUBLISHER_SLOT, Profile
from mcp_registry.models import CatalogEntry
from mcp_registry.services.entries import OF_PROFILE, write_permissions
from mcp_registry.services.entry_tools import forget_tools

MESSAGE_LIMIT = 300


@transaction.atomic
def verify_entry(*, entry_id: UUID, by: User) -> bool:
    """Say that somebody has looked at it. False where that was said already. A new version of a user's own takes it back."""
    entry = _locked(entry_id)
    if entry.verified_at is not None:
        return False
    entry.verified_at, entry.verified_by = timezone.now(), by
    return _stored(entry, "verified", {"verified": [False, True]}, "verified_at", "verified_by")


@transaction.atomic
def unverify_entry(*, entry_id: UUID) -> bool:
    """Take that back."""
    entry = _locked(entry_id)
    if entry.verified_at is None:
        return False
    entry.verified_at = entry.verified_by = None
    return _stored(entry, "unverified", {"verified": [True, False]}, "verified_at", "verified_by")


@transaction.atomic
def publish_entry(*, entry_id: UUID) -> bool:
    """Show a user's own to everybody; raises `Conflict` for one that everybody sees anyway, or whose name somebody else's has."""
    entry = _locked(entry_id)
    if entry.origin != CatalogEntry.Origin.USER:
        raise Conflict(f"“{entry}” is no user's own: everybody sees it.", code="not_a_users_own")
    if entry.published_at is not None:
        return False
    same_name = CatalogEntry.objects.filter(name=entry.name, audience=None, hidden=False, withdrawn=False).exclude(pk=entry.pk)
    if same_name.exists():
        raise Conflict(f"Everybody sees another entry called {entry.name} already.", code="name_taken")
    forget_tools(entry)  # while its owner alone saw it, they were shown whatever they tell of the owner's settings
    entry.published_at = timezone.now()
    return _stored(entry, "published", {"published": [False, True]}, "published_at")


@transaction.atomic
def unpublish_entry(*, entry_id: UUID) -> bool:
    """Show it to its owner alone again; servers that others have of it go on."""
    entry = _locked(entry_id)
    if entry.published_at is None:
        return False
    entry.published_at = None
    return _stored(entry, "unpublished", {"published": [True, False]}, "published_at")


def hide_entry(*, entry_id: UUID) -> bool:
    """Nobody finds it or deploys it any more; servers of it go on."""
    return _switch(entry_id, "hidden", True, "hidden")


def unhide_entry(*, entry_id: UUID) -> bool:
    """Offer it again."""
    return _switch(entry_id, "hidden", False, "unhidden")


def feature_entry(*, entry_id: UUID) -> bool:
    """Show it first on the catalogue's start."""
    return _switch(entry_id, "featured", True, "featured")


def unfeature_entry(*, entry_id: UUID) -> bool:
    """Show it among the others."""
    return _switch(entry_id, "featured", False, "unfeatured")


@transaction.atomic
def deprecate_entry(*, entry_id: UUID, message: str = "") -> bool:
    """Advise against it; ``message`` says what to use instead, or why not. It can still be deployed. Raises `InvalidInput`."""
    entry = _locked(entry_id)
    message = message.replace("\0", "").strip()
    if len(message) > MESSAGE_LIMIT:
        raise InvalidInput(f"A message has at most {MESSAGE_LIMIT} characters.", fields={"message": "Too long."})
    if entry.deprecated and entry.deprecation == message:
        return False
    changes = {"deprecated": [entry.deprecated, True], "message": [entry.deprecation, message]}
    entry.deprecated, entry.deprecation = True, message
    return _stored(entry, "deprecated", changes, "deprecated", "deprecation")


@transaction.atomic
def undeprecate_entry(*, entry_id: UUID) -> bool:
    """Take that back, with its message."""
    entry = _locked(entry_id)
    if not entry.deprecated:
        return False
    changes = {"deprecated": [True, False], "message": [entry.deprecation, ""]}
    entry.deprecated, entry.deprecation = False, ""
    return _stored(entry, "undeprecated", changes, "deprecated", "deprecation")


@transaction.atomic
def set_permissions(*, entry_id: UUID, profile: dict[str, Any] | None) -> bool:
    """Put a permission profile in place of the document's own, for all of its versions; None: its own count again.

    Servers that run keep what they were deployed with. Raises `InvalidInput` that names every part which is wrong.
    """
    entry = _locked(entry_id)
    override = None if profile is None or profile == own_permissions(entry) else checked_permissions(profile)
    if override == entry.profile_override:
        return False
    changes = {"permissions": [entry.profile_override, override]}
    entry.profile_override = override
    write_permissions(entry)
    return _stored(entry, "permissions", changes, "profile_override", *OF_PROFILE)


def own_permissions(entry: CatalogEntry) -> dict[str, Any]:
    """Those that its document asks for, as they stand there."""
    publisher = (entry.manifest.get("_meta") or {}).get(PUBLISHER_SLOT) or {}
    return dict(publisher.get("agentopia") or {})


def checked_permissions(profile: Any) -> dict[str, Any]:
    """A permission profile that can be used, as it was written; raises `InvalidInput`."""
    try:
        Profile.model_validate(profile)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        fields = {".".join(map(str, item["loc"])) or "permissions": item["msg"].removeprefix("Value error, ") for item in found}
        summary = "; ".join(f"{name}: {text}" for name, text in fields.items())
        raise InvalidInput(f"These permissions cannot be used. {summary}", code="invalid_permissions", fields=fields) from None
    return dict(profile)


@transaction.atomic
def _switch(entry_id: UUID, column: str, value: bool, action: str) -> bool:
    entry = _locked(entry_id)
    if getattr(entry, column) == value:
        return False
    setattr(entry, column, value)
    return _stored(entry, action, {column: [not value, value]}, column)


def _locked(entry_id: UUID) -> CatalogEntry:
    entry = CatalogEntry.objects.select_for_update(of=("self",)).filter(pk=entry_id).first()
    if entry is None:
        raise NotFound("There is no such entry; it may have been deleted.", code="entry_not_found")
    return entry


def _stored(entry: CatalogEntry, action: str, changes: dict[str, Any], *columns: str) -> bool:
    entry.save(update_fields=(*columns, "updated_at"))
    audit.record(action=f"entry.{action}", target=entry, owner=entry.owner_id, summary=entry.name, changes=changes)
    return True
