"""Messages of MCP as they go over Streamable HTTP: JSON, one or a stream of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from dtma_client.exceptions import DtmaFault, McpError

METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603

type Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """As JSON in UTF-8."""
    try:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(message, separators=(",", ":")).encode()


def result_of(message: Message) -> Message:
    """The result of a response; raises ``McpError`` where it is an error, ``DtmaFault`` where it is neither."""
    error = message.get("error")
    if isinstance(error, dict):
        raise McpError(int(error.get("code", 0)), str(error.get("message", "")), error.get("data"))
    result = message.get("result")
    if not isinstance(result, dict):
        raise DtmaFault("The server answered with something that is not an MCP result.")
    return result


async def events(content: aiohttp.StreamReader) -> AsyncIterator[Message]:
    """The JSON objects in the ``data`` of a server-sent event stream."""
    rest = b""
    data: list[bytes] = []
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (whole.rstrip(b"\r") for whole in lines):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                joined = b"\n".join(data)
                data = []
                if not joined.strip():
                    continue
                try:
                    message = json.loads(joined)
                except ValueError as error:
                    raise DtmaFault("The server sent an event that is not JSON.") from error
                if isinstance(message, dict):
                    yield message
