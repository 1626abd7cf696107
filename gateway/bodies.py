"""Responses as bytes: what they carry, found without parsing where they look as almost all do."""

from __future__ import annotations

from typing import Any

from agents.calling.types import Forwarded
from gateway.events import message_of
from mcp_protocol.messages import Message, encode

INPUT_REQUIRED = b'"input_required"'


class Shape:
    """How the response to one request begins and ends: as the official SDKs write it, in Python and in TypeScript, or Python's json."""

    __slots__ = ("_heads", "_tail", "request_id")

    def __init__(self, request_id: Any) -> None:
        written = encode(request_id)
        self.request_id = request_id
        self._heads = (b'{"jsonrpc":"2.0","id":%s,"result":' % written, b'{"jsonrpc": "2.0", "id": %s, "result": ' % written)
        self._tail = b',"jsonrpc":"2.0","id":' + written + b"}"

    def result_in(self, data: bytes) -> bytes | None:
        """The result as it was written; None where that cannot be told without parsing."""
        for head in self._heads:
            if data.startswith(head) and data.endswith(b"}"):
                return data[len(head) : -1]
        if data.startswith(b'{"result":') and data.endswith(self._tail):
            return data[10 : -len(self._tail)]
        return None

    def forwarded(self, data: bytes, rest: Any) -> Forwarded | Message:
        """What a response brings to the receipt; any other message as it is, an empty one where it is none."""
        result = self.result_in(data)
        if result is not None:
            return Forwarded(result=result, rest=rest)
        message = message_of(data)
        if message is None:
            return {}
        if "method" in message or message.get("id") not in (self.request_id, None):
            return message
        return outcome(message, rest)


def outcome(response: Message, rest: Any) -> Forwarded:
    """What a parsed response brings to the receipt."""
    if "result" in response:
        return Forwarded(result=encode(response["result"]), rest=rest)
    error = response.get("error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    return Forwarded(error_code=code if isinstance(code, int) else 0, error_message=str(error.get("message", "")), rest=rest)
