"""The user's message with what is attached to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic_ai.messages import BinaryContent, UserContent

from chat.context.marking import marked
from chat.context.media import Takes, content_of, size, tokens_of
from chat.context.shortening import shortened_text
from chat.context.tokens import OF_MESSAGE, of_text
from chat.models import Attachment

TEXTS = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml", "application/javascript")
LEAST = 200


@dataclass
class Prompt:
    """What the model is told, what each attachment takes of it, and what there was no room for, in words."""

    content: list[UserContent] = field(default_factory=list)
    tokens: int = 0
    attachments: list[dict[str, str | int]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def prompt_of(text: str, attachments: Sequence[Attachment], room: int, takes: Takes, servers: dict[str, str]) -> Prompt:
    """In at most about so many tokens. ``servers`` has the names of servers by their ids, for resources."""
    prompt = Prompt()
    message = shortened_text(text, max(room, LEAST))
    if message != text:
        prompt.left_out.append("The middle of your message: it is too long for this model.")
    prompt.content.append(message)
    prompt.tokens = OF_MESSAGE + of_text(message)
    for place, attachment in enumerate(attachments):
        share = max(LEAST, (room - prompt.tokens) // (len(attachments) - place))
        _attach(prompt, attachment, share, takes, servers.get(str(attachment.server_id), ""))
    return prompt


def _attach(prompt: Prompt, attachment: Attachment, room: int, takes: Takes, server: str) -> None:
    source = f"the resource {attachment.uri} of the server {server}" if server else f"the user's file {attachment.name}"
    text = _as_text(attachment)
    if text is None:
        content = content_of(bytes(attachment.content), attachment.media_type, takes)
        needed = tokens_of(content) if isinstance(content, BinaryContent) else 0
        if needed > room:
            content = f"[{attachment.media_type}, {size(attachment.size)}: there is no room for it]"
        if isinstance(content, str):
            prompt.left_out.append(f"The file “{attachment.name}”: {content.strip('[]')}.")
        prompt.content.append(
            f"Attached: {attachment.name}" if isinstance(content, BinaryContent) else f"Attached: {attachment.name} {content}"
        )
        if isinstance(content, BinaryContent):
            prompt.content.append(content)
        used = OF_MESSAGE + (needed if isinstance(content, BinaryContent) else of_text(content))
    else:
        short = shortened_text(text, room)
        if short != text:
            prompt.left_out.append(f"A part of the file “{attachment.name}”: it is too long.")
        told = f"Attached: {attachment.name}\n{marked(short, source)}"
        prompt.content.append(told)
        used = of_text(told)
    prompt.tokens += used
    prompt.attachments.append({"name": attachment.name, "tokens": used})


def _as_text(attachment: Attachment) -> str | None:
    plain = attachment.media_type.partition(";")[0].strip().lower()
    if not (plain.startswith("text/") or plain in TEXTS or plain.endswith(("+json", "+xml"))):
        return None
    text = bytes(attachment.content).decode("utf-8", "replace")
    if "json" in plain:
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
        except (ValueError, RecursionError):
            return text
    return text
