"""Answers that last, as an event stream does: sent when Django is done with their request.

Django keeps a thread and a connection of the database for every request until its answer is sent whole; a few listeners would be all that a
process can have. So a view hands over what is to be sent, and the process's ASGI application sends it after Django has let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

type Parts = Callable[[], AsyncGenerator[bytes]]
HANDED = "agentopia.handed"
"""In an ASGI scope: where a view puts what is to be sent."""


def lasting(request: HttpRequest, parts: Parts, headers: Mapping[str, str]) -> HttpResponseBase:
    """An answer of what ``parts`` yields, until it ends or the client leaves; it is closed then. The request is over while it runs."""
    handed: list[Parts] | None = getattr(request, "scope", {}).get(HANDED)
    if handed is None:  # below no such application, as in a test's client
        return StreamingHttpResponse(parts(), headers=dict(headers))
    if request.method == "GET":
        handed.append(parts)
    return HttpResponse(headers=dict(headers))


async def sending_what_lasts(django: Any, scope: Any, receive: Any, send: Any) -> None:
    """Let Django answer, and send what was handed over after it."""
    handed: list[Parts] = []
    scope[HANDED] = handed
    begun = False

    async def withheld(message: Any) -> None:
        nonlocal begun
        if not handed or (message["type"] == "http.response.start" and message["status"] != 200):
            handed.clear()  # no stream after an answer that a middleware changed to an error
            await send(message)
        elif message["type"] == "http.response.start":
            begun = True
            await send({**message, "headers": [header for header in message["headers"] if header[0].lower() != b"content-length"]})

    await django(scope, receive, withheld)
    if begun:
        await _send_all(handed[0], receive, send)


async def _send_all(parts: Parts, receive: Any, send: Any) -> None:
    """Until there is no more, or nobody to send it to."""
    sending, leaving = asyncio.create_task(_send(parts, send)), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        outcomes = await asyncio.gather(sending, leaving, return_exceptions=True)
    if isinstance(outcomes[0], Exception):
        raise outcomes[0]


async def _send(parts: Parts, send: Any) -> None:
    async with aclosing(parts()) as content:
        async for part in content:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
