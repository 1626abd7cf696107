"""What a file, a paste or an address holds: one ``server.json``, a list of them, or a page of a registry's answer (API v0.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from agentopia.lib.errors import InvalidInput
from mcp_registry.importing.cleaning import shown_text

OFFICIAL = "io.modelcontextprotocol.registry/official"
MAX_DOCUMENTS = 1000


@dataclass(frozen=True)
class Official:
    """What a registry says of a document: ``status`` is active, deprecated or deleted; ``newest`` is None where it does not say."""

    status: str = "active"
    message: str = ""
    published_at: datetime | None = None
    newest: bool | None = None

    @classmethod
    def of(cls, told: Any) -> Self:
        """From ``_meta``'s official part; what cannot be understood counts as not said."""
        if not isinstance(told, dict):
            return cls()
        status = told.get("status")
        newest = told.get("isLatest", told.get("is_latest"))
        message = told.get("statusMessage")
        return cls(
            status=status if status in ("active", "deprecated", "deleted") else "active",
            message=shown_text(message, 300) if isinstance(message, str) else "",
            published_at=moment_of(told.get("publishedAt", told.get("published_at"))),
            newest=newest if isinstance(newest, bool) else None,
        )


@dataclass(frozen=True)
class Offered:
    """One document with what its registry says of it."""

    document: Any
    official: Official = Official()

    @property
    def name(self) -> str:
        """What it calls itself, for a person; it may be anything."""
        name = self.document.get("name") if isinstance(self.document, dict) else None
        return shown_text(name, 100) if isinstance(name, str) and name else "a document without a name"


def offered_in(value: Any) -> list[Offered]:
    """Everything that is offered there; raises `InvalidInput` for what offers nothing."""
    if isinstance(value, dict) and ("mcpServers" in value or isinstance(value.get("servers"), dict)):
        raise InvalidInput("This is the configuration of a client. Add it as one, and not as a server.json.", code="client_configuration")
    items = value.get("servers") if isinstance(value, dict) and "servers" in value else value
    items = items if isinstance(items, list) else [items]
    if not items:
        raise InvalidInput("There is no server.json in it.", code="no_documents")
    if len(items) > MAX_DOCUMENTS:
        raise InvalidInput(f"These are {len(items)} documents; {MAX_DOCUMENTS} can be read at once.", code="too_many")
    return [offered(item) for item in items]


def offered(item: Any) -> Offered:
    """One document, plain or as a registry wraps it."""
    if not isinstance(item, dict):
        return Offered(item)
    if isinstance(item.get("server"), dict):
        return Offered(item["server"], Official.of(_official(item) or _official(item["server"])))
    told = _official(item) or {}
    return Offered(item, Official.of({"status": item.get("status"), **told}))


def moment_of(text: Any) -> datetime | None:
    """A moment as RFC 3339 writes it; None for anything else."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _official(item: dict[str, Any]) -> dict[str, Any] | None:
    meta = item.get("_meta")
    told = meta.get(OFFICIAL) if isinstance(meta, dict) else None
    return told if isinstance(told, dict) else None
