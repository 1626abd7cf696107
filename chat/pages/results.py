"""What a tool call brought, sorted for a page: texts, pictures and sound, tables, links. A server wrote it that nobody vouches for."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
SOUNDS = {
    "audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg", "audio/wav": "audio/wav", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav",
    "audio/ogg": "audio/ogg", "audio/webm": "audio/webm", "audio/mp4": "audio/mp4", "audio/aac": "audio/aac", "audio/flac": "audio/flac",
}  # fmt: skip
"""What pages play, by what servers call it."""
SHOWN_CHARACTERS = 100_000
MOST_BLOCKS = 50
MOST_ROWS, MOST_COLUMNS = 100, 12
LONGEST_CELL = 500


@dataclass(frozen=True)
class Table:
    """``rows`` have a text for each of the ``columns``; ``left_out`` is how many rows there are besides."""

    columns: list[str]
    rows: list[list[str]]
    left_out: int = 0


@dataclass(frozen=True)
class Block:
    """``kind`` is text, json, picture, sound, link or missing; ``number`` is its place in the result, by which its data is fetched."""

    kind: str
    number: int
    text: str = ""
    address: str = ""
    is_cut: bool = False


@dataclass(frozen=True)
class Shown:
    """A result as a page shows it. Where it has tables and pairs, ``structured`` is the same as JSON."""

    blocks: list[Block] = field(default_factory=list)
    table: Table | None = None
    pairs: list[tuple[str, str]] = field(default_factory=list)
    structured: str = ""
    left_out: int = 0

    @property
    def media(self) -> list[Block]:
        return [block for block in self.blocks if block.kind in ("picture", "sound")]

    @property
    def rest(self) -> list[Block]:
        return [block for block in self.blocks if block.kind not in ("picture", "sound")]


def shown_result(result: Any) -> Shown:
    """Sort out a ``CallToolResult`` (MCP 2025-11-25)."""
    given = result if isinstance(result, dict) else {}
    content = given.get("content")
    items = content if isinstance(content, list) else []
    blocks = [_block(number, item) for number, item in enumerate(items[:MOST_BLOCKS])]
    structured = given.get("structuredContent")
    if structured is None and len(blocks) == 1 and blocks[0].kind == "text":
        structured = _json_in(items[0]["text"])
    if structured is None:
        return Shown(blocks, left_out=len(items) - len(blocks))
    table, pairs = _table(structured), _pairs(structured)
    same = [block for block in blocks if block.kind == "text" and _json_in(items[block.number]["text"]) == structured]
    rest = [block for block in blocks if block not in same]
    return Shown(rest, table, pairs if table is None else [], _pretty(structured), len(items) - len(blocks))


def media_of(result: Any) -> list[Block]:
    """The pictures and sounds alone, which are shown without being asked for."""
    content = result.get("content") if isinstance(result, dict) else None
    items = content[:MOST_BLOCKS] if isinstance(content, list) else []
    return [block for number, item in enumerate(items) if (block := _block(number, item)).kind in ("picture", "sound")]


def data_of(result: Any, number: int) -> tuple[bytes, str] | None:
    """The bytes of a picture or sound and their media type; None where there is none at this place that a page shows."""
    content = result.get("content") if isinstance(result, dict) else None
    if not isinstance(content, list) or not 0 <= number < min(len(content), MOST_BLOCKS):
        return None
    data, media_type = _data_in(content[number])
    kind = _shown_type(media_type)
    if kind is None or data is None:
        return None
    try:
        return base64.b64decode(data, validate=True), kind
    except (binascii.Error, ValueError):
        return None


def _shown_type(media_type: Any) -> str | None:
    name = media_type.partition(";")[0].strip().lower() if isinstance(media_type, str) else ""
    return name if name in PICTURES else SOUNDS.get(name)


def _data_in(item: Any) -> tuple[str | None, str]:
    """Base64 and its type, of a picture, a sound or an embedded resource."""
    if not isinstance(item, dict):
        return None, ""
    if item.get("type") in ("image", "audio"):
        data, media_type = item.get("data"), item.get("mimeType")
    elif item.get("type") == "resource" and isinstance(item.get("resource"), dict):
        data, media_type = item["resource"].get("blob"), item["resource"].get("mimeType")
    else:
        return None, ""
    return (data if isinstance(data, str) else None), str(media_type or "")


def _block(number: int, item: Any) -> Block:
    if not isinstance(item, dict):
        return _json_block(number, item)
    match item.get("type"):
        case "text" if isinstance(item.get("text"), str):
            return _text_block(number, item["text"])
        case "resource_link" if isinstance(item.get("uri"), str):
            return _link(number, str(item.get("title") or item.get("name") or item["uri"]), item["uri"])
        case "resource" if isinstance(item.get("resource"), dict) and isinstance(item["resource"].get("text"), str):
            return _text_block(number, item["resource"]["text"], str(item["resource"].get("uri") or ""))
        case "image" | "audio" | "resource":
            return _media_block(number, item)
    return _json_block(number, item)


def _media_block(number: int, item: dict[str, Any]) -> Block:
    data, media_type = _data_in(item)
    named = str(item.get("resource", {}).get("uri") or "") if item.get("type") == "resource" else ""
    if data is not None and (kind := _shown_type(media_type)) is not None and _is_base64(data):
        return Block("picture" if kind in PICTURES else "sound", number, named)
    return Block("missing", number, media_type or str(item.get("type")), address=named)


def _is_base64(data: str) -> bool:
    """Not looked through to its end: what is no base64 is not served either."""
    return bool(data) and len(data) % 4 == 0 and data[:64].replace("+", "").replace("/", "").replace("=", "").isalnum()


def _text_block(number: int, text: str, address: str = "") -> Block:
    return Block("text", number, text[:SHOWN_CHARACTERS], address, len(text) > SHOWN_CHARACTERS)


def _json_block(number: int, item: Any) -> Block:
    return Block("json", number, _pretty(item))


def _link(number: int, name: str, address: str) -> Block:
    try:
        leads = urlsplit(address).scheme.lower() in ("http", "https")
    except ValueError:
        leads = False
    return Block("link" if leads else "text", number, name if leads else f"{name} ({address})"[:SHOWN_CHARACTERS], address if leads else "")


def _json_in(text: str) -> Any:
    """The object or list that a text is, where it is one."""
    if text[:1] not in "[{" or len(text) > 2 * SHOWN_CHARACTERS or not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _table(value: Any) -> Table | None:
    """Objects of plain values as rows: a list of them, or the only list in an object."""
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    if not isinstance(value, list) or not value or not all(isinstance(row, Mapping) and row for row in value):
        return None
    rows: Sequence[Mapping[str, Any]] = value
    columns = list(dict.fromkeys(str(name) for row in rows[:MOST_ROWS] for name in row))
    if len(columns) > MOST_COLUMNS:
        return None
    return Table(columns, [[_cell(row.get(name)) for name in columns] for row in rows[:MOST_ROWS]], max(0, len(rows) - MOST_ROWS))


def _pairs(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping) or not value or len(value) > MOST_ROWS or not _are_plain(value.values()):
        return []
    return [(str(name), _cell(item)) for name, item in value.items()]


def _are_plain(values: Iterable[Any]) -> bool:
    return all(value is None or isinstance(value, str | int | float | bool) for value in values)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)[:SHOWN_CHARACTERS]
