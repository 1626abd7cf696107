"""Adding what a call cost to its result, while it passes through as bytes (the ``_meta`` of MCP results)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from dtma.mcp.messages import decoder
from mcp_protocol.event_streams import BARE_CR, event_of

type Cost = Callable[[], dict[str, Any]]
"""Ends the measurement; it is only asked when the response is there."""

_CALL = re.compile(rb'"method"\s*:\s*"tools/call"')
_HEAD = rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*|"id"\s*:\s*(?P<id>"(?:[^"\\]|\\.)*"|-?\d+)\s*,\s*)*'
_RESPONSE = re.compile(_HEAD + rb'"(?:result|error)"\s*:')
_RESULT = re.compile(_HEAD + rb'"result"\s*:\s*\{(?P<empty>\s*\})?')
"""A response up to where its result begins, whatever the order of what stands before it."""
_DATA = re.compile(rb"^data:[^\r\n]*", re.MULTILINE)
_ESCAPED = re.compile(rb"\\u00[567]")
"""An escape that could spell a letter of ``_meta``."""
_SPACE = re.compile(r"[ \t\n\r]*")
_encoded = json.JSONEncoder(separators=(",", ":")).encode


def is_tool_call(body: bytes) -> bool:
    """Whether a message looks like a ``tools/call``. One that only looks like it costs a measurement that nobody needed."""
    return _CALL.search(body) is not None


def answers(block: bytes, request: bytes) -> bool:
    """Whether an event is the response to a request, which is no batch; False where that cannot be told at a glance."""
    start, _ = data_line(block)
    found = _RESPONSE.match(block, start) if start else None
    if found is None or found["id"] is None or not request.lstrip().startswith(b"{"):
        return False
    return b'"id":' + found["id"] in request or b'"id": ' + found["id"] in request


def with_cost(message: bytes, cost: Cost) -> bytes:
    """A response with the cost merged into the ``_meta`` of its result; any other message as it is. Nothing else changes, not a byte."""
    return _with_cost_between(message, 0, len(message), cost)


def event_with_cost(block: bytes, cost: Cost) -> bytes:
    """The same for an event, as ``Blocks`` cuts them."""
    if b'"result"' not in block:
        return block
    start, end = data_line(block)
    if start:
        return _with_cost_between(block, start, end, cost)
    data = event_of(block).data
    changed = with_cost(data, cost)
    lines = list(_DATA.finditer(block))
    if changed == data or not lines:
        return block
    # Line ends inside JSON are only space.
    return block[: lines[0].start()] + b"data: " + changed.replace(b"\r", b" ").replace(b"\n", b" ") + block[lines[-1].end() :]


def _with_cost_between(text: bytes, start: int, end: int, cost: Cost) -> bytes:
    """A text that is a message from ``start`` to ``end``. It can be large, so it is copied once, and not looked through as JSON if a glance
    tells that there is no ``_meta`` in it. For a single byte, and from the end, CPython searches several times faster.
    """
    if text.find(b'"result"', start, end) < 0:
        return text
    begin = _RESULT.match(text, start, end)
    escaped = text.find(b"\\", start, end) >= 0 and _ESCAPED.search(text, start, end)
    if begin is None or escaped or text.rfind(b'_meta"', start, end) >= 0:
        message = text[start:end]
        merged = _found_and_merged(message, cost)
        return text if merged is message else b"".join((text[:start], merged, text[end:]))
    meta = cost()
    if not meta:
        return text
    added = f'"_meta":{_encoded(meta)}'.encode()
    if begin["empty"] is not None:
        return b"".join((text[: begin.start("empty")], added, text[begin.start("empty") :]))
    return b"".join((text[: begin.end()], added, b",", text[begin.end() :]))


def data_line(block: bytes) -> tuple[int, int]:
    """From where to where the data of an event goes, if it is the one last line of it; else (0, 0)."""
    start = 0 if block.startswith(b"data:") else block.find(b"\ndata:") + 1
    end = block.find(b"\n", start)
    if end < 0 or block[end:] not in (b"\n\n", b"\n\r\n") or not block.startswith(b"data:", start):
        return 0, 0
    end -= block.endswith(b"\r\n")
    return (0, 0) if block.find(b"\r", start, end) >= 0 or BARE_CR.search(block, 0, start) else (start + 5, end)


class _Member(NamedTuple):
    """A member of an object, and from where to where its value goes."""

    value: Any
    start: int
    end: int


def _found_and_merged(message: bytes, cost: Cost) -> bytes:
    """The place is found by the JSON decoder, so that neither order nor space nor escapes lead astray."""
    try:
        text = message.decode()
        response, end = _members(text, _after_space(text, 0))
        result = response["result"]
        inner, _ = _members(text, result.start)
        if "method" in response or _after_space(text, end) != len(text):
            return message
    except (ValueError, LookupError, RecursionError):  # no JSON, no object, no result
        return message
    meta = cost()
    if not meta:
        return message
    before = inner.get("_meta")
    if before is None:
        added = f'"_meta":{_encoded(meta)}'
    elif not isinstance(before.value, dict) or not before.value.keys().isdisjoint(meta):
        merged = meta if not isinstance(before.value, dict) else {**before.value, **meta}
        return f"{text[: before.start]}{_encoded(merged)}{text[before.end :]}".encode()
    else:
        added, result = _encoded(meta)[1:-1], before
    comma = "," if result.value else ""
    return f"{text[: result.start + 1]}{added}{comma}{text[result.start + 1 :]}".encode()


def _members(text: str, at: int) -> tuple[dict[str, _Member], int]:
    """The members of the object that begins there, the last of each name, and where it ends; raises ``ValueError`` or ``IndexError``."""
    members: dict[str, _Member] = {}
    _expect(text, at, "{")
    at = _after_space(text, at + 1)
    if text[at] == "}":
        return members, at + 1
    while True:
        _expect(text, at, '"')
        name, at = decoder.raw_decode(text, at)
        at = _after_space(text, at)
        _expect(text, at, ":")
        start = _after_space(text, at + 1)
        value, end = decoder.raw_decode(text, start)
        members[name] = _Member(value, start, end)
        at = _after_space(text, end)
        if text[at] == "}":
            return members, at + 1
        _expect(text, at, ",")
        at = _after_space(text, at + 1)


def _expect(text: str, at: int, character: str) -> None:
    if text[at] != character:
        raise ValueError(f"no {character} at {at}")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
