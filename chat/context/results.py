"""Results of tools as a model is given them: marked as data of their server, shortened, what is no text as the model takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import BinaryContent

from chat.context.marking import enveloped
from chat.context.media import ANYTHING, Takes, content_of, decoded
from chat.context.shortening import parsed, shortened_json, shortened_text, written
from chat.context.tokens import of_text
from chat.models import Step

FEWEST_TOKENS, MOST_TOKENS, WINDOW_PART = 1_000, 12_000, 4
"""Of one result: a part of the model's window, within bounds."""
MOST_FILES = 5
REFERENCE_LENGTH = 8

type Content = str | list[str | BinaryContent]


@dataclass(frozen=True, slots=True)
class Shortened:
    """``content`` is for a tool's return. ``is_cut``: the model has a part, with a reference to the whole."""

    content: Content
    is_cut: bool


def for_model(step: Step, result: dict[str, Any], takes: Takes = ANYTHING, *, tokens: int) -> Shortened:
    """An MCP ``CallToolResult``, at most about so many tokens of text."""
    texts = list(_texts(result))
    files = list(_files(result, takes))
    whole = "\n\n".join(texts)
    is_cut = of_text(whole) > tokens
    reference = reference_of(step)
    text = _shorter(texts, tokens, reference) if is_cut else whole
    said = [file for file in files if isinstance(file, str)]
    shown: list[BinaryContent] = [file for file in files if isinstance(file, BinaryContent)]
    said += [f"[{len(shown) - MOST_FILES} more files are left out]"] if len(shown) > MOST_FILES else []
    body = "\n\n".join(part for part in (text, *said) if part) or "(The tool answered without saying anything.)"
    note = f"This result is shortened. Call read_result with reference {reference} for the whole of it, if you need that." if is_cut else ""
    told = enveloped(body, f"the tool {step.tool_name or step.name} of the server {step.server_name or 'unknown'}", note)
    return Shortened([told, *shown[:MOST_FILES]] if shown else told, is_cut)


def tokens_for(window: int) -> int:
    """How many of a result a model with such a window is given."""
    return min(MOST_TOKENS, max(FEWEST_TOKENS, window // WINDOW_PART))


def reference_of(step: Step) -> str:
    """What a result is called in its conversation."""
    return step.pk.hex[:REFERENCE_LENGTH]


def whole_text(result: dict[str, Any]) -> str:
    """All the text of a result, which `read_result` reads from."""
    return "\n\n".join(_texts(result))


def _shorter(texts: list[str], tokens: int, reference: str) -> str:
    """Each gets its share, what the short ones leave goes to the long ones."""
    sizes = {place: of_text(text) for place, text in enumerate(texts)}
    left, shares = tokens, {}
    for count, (place, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        shares[place] = min(size, left // (len(sizes) - count))
        left -= shares[place]
    return "\n\n".join(_short(text, shares[place], reference) for place, text in enumerate(texts))


def _short(text: str, tokens: int, reference: str) -> str:
    value = parsed(text)
    return shortened_text(text, tokens, reference) if value is None else shortened_json(value, tokens, reference)


def _texts(result: dict[str, Any]) -> Iterator[str]:
    content, structured = result.get("content"), result.get("structuredContent")
    seen = []
    for block in content if isinstance(content, list) else ():
        if (text := _text(block)) is not None:
            seen.append(text)
            yield text
    if structured is not None and not any(_same(text, structured) for text in seen):
        yield written(structured)


def _same(text: str, structured: Any) -> bool:
    """Whether the text is the structured content in writing, as MCP wants it for older clients; servers wrap what is no object."""
    value = parsed(text)
    if value is not None and value == structured:
        return True
    wrapped = next(iter(structured.values())) if isinstance(structured, dict) and len(structured) == 1 else None
    return wrapped is not None and (text == wrapped or text == str(wrapped) or (value is not None and value == wrapped))


def _text(block: Any) -> str | None:
    """Of a content block; None where it is a file."""
    if not isinstance(block, dict):
        return written(block)
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "image" | "audio":
            return None
        case "resource_link":
            parts = (block.get("title") or block.get("name"), block.get("description"), block.get("mimeType"))
            return f"[a resource: {block.get('uri')}; {', '.join(str(part) for part in parts if part)}]"
        case "resource":
            return _resource(block.get("resource"))
    return written({name: value for name, value in block.items() if name not in ("_meta", "annotations")})


def _resource(resource: Any) -> str | None:
    if not isinstance(resource, dict):
        return "[a resource that cannot be read]"
    text = resource.get("text")
    return f"[the resource {resource.get('uri')}]\n{text}" if isinstance(text, str) else None


def _files(result: dict[str, Any], takes: Takes) -> Iterator[BinaryContent | str]:
    content = result.get("content")
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict) or _text(block) is not None:
            continue
        of = block["resource"] if block.get("type") == "resource" else block
        data = decoded(of.get("blob", of.get("data")))
        media_type = str(of.get("mimeType") or "")[:100]
        yield "[a file that cannot be read: it is not base64]" if data is None else content_of(data, media_type, takes)
