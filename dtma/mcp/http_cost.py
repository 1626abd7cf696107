"""Adding what a call cost to its result, while it passes through as bytes (the ``_meta`` of MCP results)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dtma.mcp.messages import encode, parse
from dtma.mcp.sse_events import event_of

type Cost = Callable[[], dict[str, Any]]
"""Ends the measurement; it is only asked when the response is there."""

_CALL = re.compile(rb'"method"\s*:\s*"tools/call"')
_RESULT = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"id"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?\d+)\s*,\s*)*"result"\s*:\s*\{(?P<empty>\s*\})?'
)
"""A response up to where its result begins, whatever the order of what stands before it."""
_DATA = re.compile(rb"^data:[^\r\n]*", re.MULTILINE)
_ESCAPED = re.compile(rb"\\u00[567]")
"""An escape that could spell a letter of ``_meta``."""


def is_tool_call(body: bytes) -> bool:
    """Whether a message looks like a ``tools/call``. One that only looks like it costs a measurement that nobody needed."""
    return _CALL.search(body) is not None


def with_cost(message: bytes, cost: Cost) -> bytes:
    """A response with the cost merged into the ``_meta`` of its result; any other message as it is.

    Nothing else of it changes, not a byte, unless the result has a ``_meta`` already: then the message is encoded anew.
    """
    if b'"result"' not in message:
        return message
    begin = _RESULT.match(message)
    if begin is None or b'_meta"' in message or _ESCAPED.search(message):
        return _encoded_anew(message, cost)
    meta = cost()
    if not meta:
        return message
    added = b'"_meta":' + json.dumps(meta, separators=(",", ":")).encode()
    if begin["empty"] is None:
        return message[: begin.end()] + added + b"," + message[begin.end() :]
    return message[: begin.start("empty")] + added + message[begin.start("empty") :]


def event_with_cost(block: bytes, cost: Cost) -> bytes:
    """The same for an event, as ``Blocks`` cuts them."""
    if b'"result"' not in block:
        return block
    data = event_of(block).data
    changed = with_cost(data, cost)
    if changed == data:
        return block
    lines = list(_DATA.finditer(block))
    if not lines:
        return block
    # Line ends inside JSON are only space.
    return block[: lines[0].start()] + b"data: " + changed.replace(b"\r", b" ").replace(b"\n", b" ") + block[lines[-1].end() :]


def _encoded_anew(message: bytes, cost: Cost) -> bytes:
    try:
        parsed = parse(message)
    except ValueError:
        return message
    if not isinstance(parsed, dict) or "method" in parsed or not isinstance(parsed.get("result"), dict):
        return message
    meta = cost()
    if not meta:
        return message
    before = parsed["result"].get("_meta")
    parsed["result"]["_meta"] = {**(before if isinstance(before, dict) else {}), **meta}
    return encode(parsed)
