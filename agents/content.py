"""An MCP result, made ready to be shown: what is known is named, what is not is shown as JSON. Nothing in it is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SHOWN_CHARACTERS = 200_000


@dataclass(frozen=True)
class Block:
    """One content block: ``kind`` is text, image (``text`` is a data: URL then) or json."""

    kind: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A result as a page shows it."""

    is_error: bool
    blocks: list[Block]
    structured: str


def shown_result(result: dict[str, Any]) -> Shown:
    """Sort out a ``CallToolResult``."""
    content = result.get("content")
    structured = result.get("structuredContent")
    return Shown(
        is_error=bool(result.get("isError")),
        blocks=[_block(item) for item in content] if isinstance(content, list) else [],
        structured="" if structured is None else _pretty(structured),
    )


def _block(item: Any) -> Block:
    if isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str):
        return Block("text", item["text"][:SHOWN_CHARACTERS])
    if isinstance(item, dict) and item.get("type") == "image" and item.get("mimeType") in IMAGES and _is_base64(item.get("data")):
        return Block("image", f"data:{item['mimeType']};base64,{item['data']}")
    return Block("json", _pretty(item))


def _is_base64(data: Any) -> bool:
    return isinstance(data, str) and all(character.isalnum() or character in "+/=\n" for character in data)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)[:SHOWN_CHARACTERS]
