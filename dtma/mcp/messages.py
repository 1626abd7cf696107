"""JSON-RPC messages as MCP uses them: parsed JSON, never models, so that fields we do not know pass through."""

from __future__ import annotations

import json
from typing import Any

type Message = dict[str, Any]
"""A JSON-RPC message, parsed. Fields that we do not know are never dropped."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002
"""Until 2025-11-25; since 2026-07-28 it is ``INVALID_PARAMS``."""
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
SERVER_GONE = -32000
BUSY = -32000

MAX_DEPTH = 128
"""Objects and arrays inside each other. Real messages have about a dozen; some clients fail at what is nested deeper than a few hundred."""

# "NaN" and "Infinity" are no JSON, but Python servers print them; null is what a JavaScript server would send.
_decoder = json.JSONDecoder(parse_constant=lambda name: None)


def parse(data: bytes) -> Any:
    """Parse JSON; raises ``ValueError``, also for what is nested deeper than ``MAX_DEPTH``."""
    try:
        value = _decoder.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return value


def encode(message: Message) -> bytes:
    """Compact JSON without a line end inside."""
    try:
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(message, separators=(",", ":")).encode()


def params_of(message: Message) -> Message:
    """The parameters of a message; none where they are not an object, as MCP has them."""
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def meta_of(content: Message) -> Message:
    """The ``_meta`` of parameters or of a result; none where it is not an object."""
    meta = content.get("_meta")
    return meta if isinstance(meta, dict) else {}


def is_response(message: Message) -> bool:
    """Whether it ends a request; what is not a response is a notification or a request."""
    return "method" not in message


def is_request(message: Message) -> bool:
    """Whether it wants a response."""
    return "method" in message and "id" in message


def result_in(response: Message, method: str) -> Message:
    """The result that a response carries; raises ``RpcError``."""
    if "error" in response:
        raise RpcError(response["error"])
    result = response.get("result")
    if not isinstance(result, dict):
        raise RpcError({"code": 0, "message": f"it answered {method} with something that is not a result"})
    return result


def success(request_id: Any, result: Message) -> Message:
    """The response to a request that was carried out."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Any, code: int, text: str, data: Any = None) -> Message:
    """The response to a request that was not; the text is for a person."""
    error: Message = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def notification(method: str, params: Message) -> Message:
    """A message that nobody answers."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


class RpcError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: Any) -> None:
        self.rpc_code = error.get("code", 0) if isinstance(error, dict) else 0
        self.rpc_message = str(error.get("message", "")) if isinstance(error, dict) else str(error)
        super().__init__(f"{self.rpc_message} ({self.rpc_code})")


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        # Level by level: a function that calls itself would be what it is to protect from.
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
