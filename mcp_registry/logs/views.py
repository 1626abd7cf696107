"""The page of a server's log, and the log as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError, InvalidInput
from dtma_wire import LogLine
from mcp_registry import pages, selectors
from mcp_registry.logs.reading import Batches, whole_log
from toolboxes.dtma import wait_for


@require_GET
def log(request: HttpRequest, server_id: UUID) -> HttpResponse:
    """A server's log; its lines come over a WebSocket of their own."""
    return render(request, "mcp_registry/server_log.html", pages.server(user_of(request), server_id))


@require_GET
def download(request: HttpRequest, server_id: UUID) -> StreamingHttpResponse:
    """All that the toolbox has of the log, ``?as=text`` or ``?as=ndjson``, sent as it is read; where that breaks off, its end says so."""
    server = selectors.server_for(user_of(request), server_id)
    name = request.GET.get("as", "text")
    if name not in FORMATS:
        raise InvalidInput(f"A log can be had as {' or '.join(FORMATS)}.", fields={"as": "Not such a word."})
    suffix, media_type, written = FORMATS[name]
    batches = whole_log(server)
    first = wait_for(_first_of, batches)  # a toolbox that does not answer is told before the file begins
    return StreamingHttpResponse(
        _written(first, batches, written),
        content_type=media_type,
        headers={
            "Content-Disposition": content_disposition_header(True, f"{server.name}{suffix}") or "attachment",
            "Cache-Control": "no-store",
        },
    )


async def _first_of(batches: Batches) -> list[LogLine]:
    return await anext(batches, [])


async def _written(first: list[LogLine], others: Batches, written: Callable[[LogLine], str]) -> AsyncIterator[str]:
    async with aclosing(others):
        yield "".join(map(written, first))
        try:
            async for batch in others:
                yield "".join(map(written, batch))
        except AgentopiaError as error:
            yield written(LogLine(ts=timezone.now(), stream="agentopia", text=f"The log is not complete. {error.message}"))


def _as_text(line: LogLine) -> str:
    return f"{line.ts.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line.stream} {line.text}\n"


def _as_json(line: LogLine) -> str:
    return line.model_dump_json() + "\n"


FORMATS = {"text": (".log", "text/plain; charset=utf-8", _as_text), "ndjson": (".ndjson", "application/x-ndjson", _as_json)}
