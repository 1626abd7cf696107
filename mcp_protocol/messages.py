"""JSON-RPC messages as MCP uses them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NoReturn

from mcp_protocol.versions import ALL_VERSIONS

type Message = dict[str, Any]
"""A JSON-RPC message, parsed. Fields that are not known are never dropped."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNAVAILABLE = -32000
"""Of a server that is gone or busy, or whatever else keeps a request from being carried out."""
RESOURCE_NOT_FOUND = -32002
"""Until 2025-11-25; since 2026-07-28 it is ``INVALID_PARAMS``."""
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
URL_ELICITATION_REQUIRED = -32042

STATUS = {
    METHOD_NOT_FOUND: HTTPStatus.NOT_FOUND,
    **dict.fromkeys(
        (PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS, HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION), HTTPStatus.BAD_REQUEST
    ),
}
"""Of an answer in the stateless era that is an error with this code and nothing before it; all others are 200."""

MAX_DEPTH = 128
"""Objects and arrays inside each other. Real messages have about a dozen; some clients fail at what is nested deeper than a few hundred."""


class ProtocolError(Exception):
    """A request that is answered with a JSON-RPC error. ``status`` is HTTP's; None: what the client's era has for the code."""

    def __init__(self, code: int, message: str, *, status: int | None = None, data: Any = None, request_id: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data, self.request_id = code, message, status, data, request_id


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


strict = json.JSONDecoder(parse_constant=_no_constant)
lenient = json.JSONDecoder(parse_constant=lambda name: None)
"""``NaN`` and ``Infinity`` are no JSON, but Python servers print them; null is what a JavaScript server would send."""
_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_escaping = json.JSONEncoder(separators=(",", ":"))


def parse(data: bytes, decoder: json.JSONDecoder = strict) -> Any:
    """Parse JSON; raises `ValueError`, also for what is nested deeper than ``MAX_DEPTH``."""
    try:
        value = decoder.decode(data.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_deeper(value):
        raise ValueError("nested too deeply")
    return value


def encode(value: Any) -> bytes:
    """Compact JSON without a line end inside."""
    try:
        return _encoder.encode(value).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return _escaping.encode(value).encode()


def params_of(message: Message) -> Message:
    """The parameters of a message; none where they are not an object, as MCP has them."""
    return object_of(message.get("params"))


def meta_of(content: Message) -> Message:
    """The ``_meta`` of parameters or of a result; none where it is not an object."""
    return object_of(content.get("_meta"))


def object_of(value: Any) -> Message:
    """The value where it is an object; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def is_response(message: Message) -> bool:
    """Whether it ends a request; what is not a response is a notification or a request."""
    return "method" not in message


def is_request(message: Message) -> bool:
    """Whether it wants a response."""
    return "method" in message and "id" in message


def success(request_id: Any, result: Any) -> Message:
    """The response to a request that was carried out."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Any, code: int, text: str, data: Any = None) -> Message:
    """The response to a request that was not; the text is for a person."""
    error: Message = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def notification(method: str, params: Message | None = None) -> Message:
    """A message that nobody answers."""
    return {"jsonrpc": "2.0", "method": method} | ({"params": params} if params is not None else {})


def unsupported(version: object, request_id: Any = None, instead: Sequence[str] = ALL_VERSIONS) -> ProtocolError:
    """The refusal of a version that is not spoken; ``instead`` are those that this client may use."""
    data = {"supported": list(instead), "requested": str(version)}
    text = f"MCP {str(version)[:40]} is not spoken here. Use {' or '.join(instead)}."
    return ProtocolError(UNSUPPORTED_VERSION, text, status=HTTPStatus.BAD_REQUEST, data=data, request_id=request_id)


def _is_deeper(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
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
