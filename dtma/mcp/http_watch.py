"""Hearing that the tools of an HTTP server changed: a stream that DTMA keeps open as a client of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from dtma.errors import Failure
from dtma.mcp.http_stateless import StatelessConnection
from dtma.mcp.messages import SERVER_GONE
from lean_http import HttpError
from mcp_protocol.event_streams import EventTooLarge
from mcp_protocol.messages import is_response

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
_WATCHED = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


async def keep_listening(listen: Callable[[], Awaitable[bool]], missed: Callable[[], None]) -> None:
    """Listen, again and again, until ``listen`` says that there is nothing to be heard. ``missed`` is told after every gap."""
    wait = FIRST_WAIT_SECONDS
    while True:
        began = time.monotonic()
        try:
            if not await listen():
                return
        except (HttpError, EventTooLarge, Failure):
            pass  # it is tried again, and whatever is wrong with the server shows elsewhere
        if time.monotonic() - began > LONGEST_WAIT_SECONDS:
            wait = FIRST_WAIT_SECONDS
        await asyncio.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        missed()


async def subscribe(connection: StatelessConnection) -> bool:
    """One ``subscriptions/listen``, until its stream ends; False if the server does not offer it."""
    params = {"notifications": _WATCHED}
    exchange = await connection.open({"jsonrpc": "2.0", "id": "dtma-watch", "method": "subscriptions/listen", "params": params}, None)
    try:
        while not is_response(message := await exchange.next()):
            if str(message["method"]).endswith("/list_changed"):
                connection.changed(message)
    finally:
        await exchange.cancel("DTMA no longer listens.")
    error = message.get("error")
    return not isinstance(error, dict) or error.get("code") == SERVER_GONE
