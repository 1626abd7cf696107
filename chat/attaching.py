"""REST: files that are given with a message."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers

from chat.services.messages import LARGEST_ATTACHMENT, LONGEST_NAME, MOST_ATTACHMENTS, MOST_BYTES, NewAttachment

LONGEST_BASE64 = (LARGEST_ATTACHMENT + 2) // 3 * 4
LARGEST_BODY = (MOST_BYTES + 2) // 3 * 4 + 2 * 2**20
"""In bytes of JSON: all files that a message may have, in base64, and what is around them."""
TOO_LARGE = f"The files of a message may have {MOST_BYTES // 2**20} MB together: send some with another message."


class NewAttachmentSerializer(serializers.Serializer[Any]):
    """A file: its ``text``, or its bytes in ``base64``."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    media_type = serializers.CharField(
        required=False, max_length=100, help_text="`text/plain` or `application/octet-stream` where it is not told."
    )
    text = serializers.CharField(required=False, allow_blank=True, max_length=LARGEST_ATTACHMENT, trim_whitespace=False)
    base64 = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_BASE64)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("base64" in attrs):
            raise serializers.ValidationError("Give its text, or its bytes in base64.")
        return attrs

    def validate_base64(self, text: str) -> bytes:
        try:
            return b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("It is not base64.") from None


class AttachmentsField(serializers.ListSerializer[Any]):
    """So many of them at most."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=NewAttachmentSerializer(), max_length=MOST_ATTACHMENTS, **options)


def new_attachments(given: Iterable[Mapping[str, Any]]) -> list[NewAttachment]:
    """As the service takes them."""
    return [_new(each) for each in given]


def _new(given: Mapping[str, Any]) -> NewAttachment:
    if "text" in given:
        return NewAttachment(given["name"], given.get("media_type", "text/plain"), given["text"].encode())
    return NewAttachment(given["name"], given.get("media_type", "application/octet-stream"), given["base64"])
