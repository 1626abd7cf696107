"""Batches of JSON-RPC messages, which MCP 2025-03-26 alone has: all requests of one are answered together, by one array."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.types import Send

from dtma.mcp.asgi import JSON, Refused, respond
from dtma.mcp.connection import Exchange
from mcp_protocol.messages import INVALID_REQUEST, Message, encode, failure, is_response

BATCHES = "2025-03-26"


async def answer_batch(requests: list[Message], open_call: Callable[[Message], Awaitable[Exchange]], send: Send) -> None:
    """Answer when all requests are; ``open_call`` may raise ``Refused``."""
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(_answer(request, open_call)) for request in requests]
    body = b"[" + b",".join(encode(answer.result()) for answer in answers) + b"]"
    await respond(send, HTTPStatus.OK, JSON, body=body)


async def response_of(exchange: Exchange) -> Message:
    """For a client that takes no events: nothing but the response, and nobody to answer questions."""
    while not is_response(message := await exchange.next()):
        if "id" in message:
            text = "This client cannot be asked: its request takes no event stream for an answer."
            await exchange.answer(failure(message["id"], INVALID_REQUEST, text))
    return message


async def _answer(request: Message, open_call: Callable[[Message], Awaitable[Exchange]]) -> Message:
    if request["method"] == "initialize":
        return failure(request["id"], INVALID_REQUEST, "initialize is not part of a batch.")
    try:
        exchange = await open_call(request)
    except Refused as refused:
        return failure(request["id"], INVALID_REQUEST, str(refused))
    try:
        return await response_of(exchange)
    finally:
        await exchange.cancel("The client disconnected.")  # after the response it does nothing
