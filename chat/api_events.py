"""REST: a run's events as an event stream (Server-Sent Events, as the HTML standard has them)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from redis.exceptions import RedisError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.requests import user_of
from agentopia.lib.api import ErrorSerializer
from agentopia.lib.errors import InvalidInput
from agentopia.lib.streams import lasting
from chat.following import events_of, rows_after
from chat.live import Told
from chat.selectors import run_for

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 900
"""Then a client comes again with the number of the last event that it has, and is asked anew who it is."""
LARGEST_SEQ = 2**31 - 1
RETRY = b"retry: 2000\n\n"
ALIVE = b": alive\n\n"
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class WhateverIsAccepted(BaseContentNegotiation):
    """Errors are JSON, also for who accepts event streams alone."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class RunEventsView(APIView):
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        parameters=[
            OpenApiParameter("after", int, description="The number of the last event that you have; all from the first on unless told."),
            OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER, description="The same, as browsers send it; it goes first."),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, description="Events as they come. The stream ends after `run.ended`; come again after any other end."
            ),
            204: OpenApiResponse(description="The run has ended, and you have all of its events."),
            400: ErrorSerializer,
            404: ErrorSerializer,
        },
    )
    def get(self, request: Request, run_id: UUID) -> HttpResponseBase:
        """What happens in a run, from the event after the one that you have: those of before at once, then each as it happens.

        Of each event `id` is its number, `event` its kind and `data` a JSON object `{seq, kind, data, at}`.
        """
        run = run_for(user_of(request), run_id)
        after = _after(request)
        rows, over = rows_after(run.pk, after)
        if over and not rows:
            return HttpResponse(status=204)
        return lasting(request._request, lambda: written(run.pk, after), HEADERS)  # noqa: SLF001 (Django's own, of which it is a wrapper)


async def written(run_id: UUID, after: int) -> AsyncGenerator[bytes]:
    """The stream."""
    yield RETRY
    until = time.monotonic() + LONGEST_SECONDS
    try:
        async with aclosing(events_of(run_id, after)) as pieces:
            async for piece in pieces:
                yield b"".join(map(_event, piece)) or ALIVE
                if time.monotonic() > until:
                    return
    except (RedisError, DatabaseError, OSError) as error:
        logger.warning("The events of the run %s ended early; its client comes again: %s", run_id, error)


def _event(event: Told) -> bytes:
    """JSON has no line ends of its own here, so that one line of data is all of it."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event['seq']}\nevent: {event['kind']}\ndata: {data}\n\n".encode()


def _after(request: Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InvalidInput("after: It is the number of an event.", fields={"after": "It is the number of an event."})
    return min(int(text), LARGEST_SEQ)
