"""Ids that say whose they are: a server's question goes to the client under an id with the server in it, so that any web process knows
where the answer belongs, and nothing has to be remembered.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mcp_protocol.messages import Message, encode, object_of, params_of, parse


def marked_message(server_id: UUID, message: Message) -> Message:
    """A server's message; if it is a question its id says whose, and so does the token under which it wants to hear of progress."""
    if "id" not in message or "method" not in message:
        return message
    params = params_of(message)
    meta = object_of(params.get("_meta"))
    if "progressToken" in meta:
        message = {**message, "params": {**params, "_meta": {**meta, "progressToken": _mark(server_id, meta["progressToken"])}}}
    return {**message, "id": _mark(server_id, message["id"])}


def unmarked(text: Any) -> tuple[str, Any] | None:
    """The key of a server and its own name; None where it is none that was marked here."""
    key, _, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if len(key) != 32 or not name:
        return None
    try:
        return key, parse(name.encode())
    except ValueError:
        return None


def _mark(server_id: UUID, name: Any) -> str:
    return f"{server_id.hex}:{encode(name).decode()}"
