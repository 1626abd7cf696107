"""What the page of the audit shows, read the same for a request and for its WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from accounts.audit import chain
from accounts.audit.query import AuditQuery, address_shown, page_of, words_of
from accounts.models import AuditCheck, AuditEvent, User

PAGES_OF = {
    "mcpserver": "servers:detail",
    "toolbox": "toolboxes:detail",
    "catalogentry": "catalog:entry",
    "agent": "agents:detail",
    "approval": "approvals:detail",
}
"""By the kind of a thing: the name of its page, if the part of the product that has it is there."""


@dataclass(frozen=True)
class Change:
    """A field that was changed, in words."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """A record as it is shown."""

    event: AuditEvent
    url: str
    address: str | None
    changes: list[Change]

    @property
    def icon(self) -> str:
        return {"page": "monitor", "api": "key-round", "admin": "database", "command": "terminal"}.get(self.event.via, "activity")

    @property
    def words(self) -> str:
        """The action as a person reads it: `user.sign_in_failed` is “User sign in failed”."""
        return self.event.action.replace(".", " ").replace("_", " ").capitalize()


def records(user: User, query: AuditQuery) -> dict[str, Any]:
    """A page of the list."""
    page = page_of(user, query)
    return {"query": query, "page": page, "rows": [_row(event, user) for event in page.events]}


def whole_page(user: User, query: AuditQuery) -> dict[str, Any]:
    """The list with what is around it: the words to choose from, and how far the chain was verified."""
    words = words_of(user)
    return {
        **records(user, query),
        "actions": _with(words["actions"], query.action),
        "types": _with(words["types"], query.type),
        "ways": AuditEvent.Via.choices,
        "check": AuditCheck.objects.first(),
        "newest": chain.head()[0],
    }


def _with(words: list[str], chosen: str) -> list[str]:
    """What was chosen stays among what can be."""
    return sorted({*words, chosen} - {""})


def _row(event: AuditEvent, user: User) -> Row:
    changes = [_change(field, values) for field, values in event.changes.items()] if isinstance(event.changes, dict) else []
    return Row(event, _url(event, user), event.address if address_shown(event, user) else None, changes)


def _change(field: str, values: Any) -> Change:
    if isinstance(values, list) and len(values) == 2:
        return Change(field.replace("_", " "), _said(values[0]), _said(values[1]))
    return Change(field.replace("_", " "), "", _said(values))


def _said(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_said, value)) or "—"
    return str(value)[:300]


def _url(event: AuditEvent, user: User) -> str:
    """Where the thing is, for whom it belongs to; it may be gone."""
    name = PAGES_OF.get(event.target_type)
    if name is None or event.owner_id != user.pk or not event.target_id or event.action.endswith((".deleted", ".delete", ".removed")):
        return ""
    try:
        return reverse(name, args=(event.target_id,))
    except NoReverseMatch:
        return ""
