"""What beside text a model takes, and how the rest is said in words."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import BinaryContent
from pydantic_ai.models import Model

from chat.context.tokens import OF_FILE, OF_IMAGE

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
AUDIO = {"audio/wav": "audio/wav", "audio/x-wav": "audio/wav", "audio/mpeg": "audio/mpeg", "audio/mp3": "audio/mpeg"}
DOCUMENTS = ("application/pdf",)
LARGEST = 5 * 1024 * 1024
"""Of one image or file, in bytes: the least that the providers allow."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a model takes. As long as nothing else is known: pictures, as nearly all do."""

    images: bool = True
    audio: bool = False
    documents: bool = False

    def taken(self, media_type: str) -> str:
        """The media type as it is sent; empty where it cannot be."""
        plain = media_type.partition(";")[0].strip().lower()
        if plain in IMAGES and self.images:
            return plain
        if plain in DOCUMENTS and self.documents:
            return plain
        return AUDIO.get(plain, "") if self.audio else ""


ANYTHING = Takes(images=True, audio=True, documents=True)
"""For results of tools: what the model does not take of those pydantic-ai says in words."""
TEXT_ALONE = Takes(images=False)


def takes_of(model: Model) -> Takes:
    """As its provider's profile says, where that says it."""
    profile = model.profile
    return Takes(
        images=profile.get("supports_image_input", True),
        audio=profile.get("supports_audio_file_input", False),
        documents=profile.get("supports_document_input", False),
    )


def content_of(data: bytes, media_type: str, takes: Takes) -> BinaryContent | str:
    """As the model takes it, or in words."""
    taken = takes.taken(media_type)
    if not taken:
        return f"[{media_type or 'a file'}, {size(len(data))}: this model cannot look at it]"
    if len(data) > LARGEST:
        return f"[{media_type}, {size(len(data))}: too large for the model, which takes {size(LARGEST)}]"
    return BinaryContent(data=data, media_type=taken)


def decoded(data: Any) -> bytes | None:
    """Base64 as MCP has it; None where it is none."""
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None


def tokens_of(content: BinaryContent) -> int:
    """A guess."""
    return OF_IMAGE if content.is_image else OF_FILE


def size(count: int) -> str:
    """Bytes for a reader."""
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
