"""What a client of the gateway may send in one request."""

from __future__ import annotations

from typing import Any

from mcp_protocol.messages import INVALID_REQUEST, PARSE_ERROR, Message, ProtocolError, parse


def messages_in(body: bytes) -> Message | list[Any]:
    """The message in a body, or those of a batch, which are not looked at yet; raises `ProtocolError`."""
    try:
        said = parse(body)
    except ValueError as error:
        reason = "The body is nested too deeply." if "nested" in str(error) else "The body is not JSON."
        raise ProtocolError(PARSE_ERROR, reason, status=400) from None
    return said if isinstance(said, list) else checked(said)


def checked(said: Any) -> Message:
    """What is a message; raises `ProtocolError`."""
    if not isinstance(said, dict) or said.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, "The body is not a JSON-RPC 2.0 message.", status=400)
    method = said.get("method")
    if method is None and not ("id" in said and ("result" in said or "error" in said)):
        raise ProtocolError(INVALID_REQUEST, "The message is neither a request nor a notification nor a response.", status=400)
    if method is not None and not isinstance(method, str):
        raise ProtocolError(INVALID_REQUEST, "The method is not a string.", status=400)
    if "id" in said and (not isinstance(said["id"], str | int) or isinstance(said["id"], bool)):
        raise ProtocolError(INVALID_REQUEST, "The id of a request is a string or an integer.", status=400)
    return said
