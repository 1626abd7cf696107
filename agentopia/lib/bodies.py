"""How much a request may send: what is larger is refused before it is parsed, and before it fills this machine's disk.

Django reads a body to its end before any view is asked, and knows of no limit there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, override

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.utils import json as strict_json

from agentopia.lib.api import error_body
from agentopia.lib.errors import InvalidInput

LARGEST = 72 * 2**20
"""In bytes, of any request: a message with all the files that one may have, as JSON."""
PAYLOAD_TOO_LARGE = 413


class TooLarge(InvalidInput):
    """What was sent is more than is taken."""

    code = "too_large"
    http_status = PAYLOAD_TOO_LARGE


class BoundedJSONParser(BaseParser):
    """JSON of as many bytes as the view's ``largest_body`` says, or else as Django takes of a form; ``too_large`` of the view is a sentence
    that says what to do. Raises `TooLarge`.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    @override
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        context = parser_context or {}
        view, request = context.get("view"), context.get("request")
        most: int = getattr(view, "largest_body", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        told = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
        is_told = told.isdecimal() and int(told) > most
        body = b"" if is_told else stream.read(most + 1)  # who told less is not believed
        if is_told or len(body) > most:
            raise too_large(most, getattr(view, "too_large", ""))
        try:
            return strict_json.loads(body.decode(context.get("encoding", settings.DEFAULT_CHARSET)))
        except (ValueError, RecursionError) as error:
            raise ParseError(f"JSON parse error - {error}") from error


def too_large(most: int, advice: str = "") -> TooLarge:
    """Says how much is taken, and what to do."""
    return TooLarge(f"A request may have {most / 2**20:.0f} MB here, and this one has more. {advice or 'Send less at once.'}")


async def bounded(application: Any, scope: Any, receive: Any, send: Any, most: int = LARGEST) -> None:
    """Let an ASGI application answer a request of at most so many bytes; a larger one is answered 413 as soon as that is known."""
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if told.isdigit() and int(told) > most:
        await _refuse(most, send)
        return
    seen = 0

    async def counted() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= most else {"type": "http.disconnect"}  # so the application gives up, and answers nothing

    await application(scope, counted, send)
    if seen > most:
        await _refuse(most, send)


async def _refuse(most: int, send: Any) -> None:
    body = json.dumps(error_body(too_large(most))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": PAYLOAD_TOO_LARGE, "headers": headers})
    await send({"type": "http.response.body", "body": body})
