"""``requestState`` as clients of the gateway see it (MCP 2026-07-28): sealed, for one user, agent, token and request, and valid once.

Inside are the server's own state, and the approval that the call waits for or had.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis.asyncio
from cryptography.fernet import InvalidToken

from agentopia.lib import crypto
from gateway.auth import Visitor
from gateway.sessions import answering
from mcp_protocol.messages import INVALID_PARAMS, Message, ProtocolError, encode, params_of

SECONDS = 15 * 60
LONGEST = 64 * 1024
_BESIDE = frozenset({"_meta", "requestState", "inputResponses"})


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a request between two of its rounds. ``inner`` is the server's state, None where it gave none."""

    inner: str | None = None
    approval: UUID | None = None
    """The approval that is waited for."""
    leave_for: str = ""
    """The digest of the tool for which a person approved the call already, of which this is a further round."""
    arguments: Message | None = None
    """Those that the person put in place of the client's."""


class States:
    """Seals and opens them."""

    def __init__(self, store: redis.asyncio.Redis) -> None:
        self._redis = store

    def seal(self, state: State, visitor: Visitor, address: str, request: Message) -> str:
        """The text for the client."""
        content = {
            "who": _who(visitor, address),
            "what": _fingerprint(request),
            "until": int(time.time()) + SECONDS,
            "once": secrets.token_urlsafe(12),
            "inner": state.inner,
            "approval": str(state.approval) if state.approval else None,
            "leave_for": state.leave_for,
            "arguments": state.arguments,
        }
        return crypto.encrypt(content)

    async def open(self, text: Any, visitor: Visitor, address: str, request: Message) -> State:
        """What was sealed; raises `ProtocolError` where it was not by this gateway, for this request, or was used before."""
        if not isinstance(text, str) or len(text) > LONGEST:
            raise _invalid(request)
        try:
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(text)).decode() != text:
                raise _invalid(request)  # base64 would pass over what was added to it
            content: dict[str, Any] = crypto.decrypt(text)
        except (InvalidToken, ValueError):
            raise _invalid(request) from None
        if content.get("who") != _who(visitor, address) or content.get("what") != _fingerprint(request):
            raise _invalid(request)
        if content["until"] < time.time():
            raise _invalid(request)
        with answering():
            if not await self._redis.set(f"agentopia:mcp:state:{content['once']}", 1, nx=True, ex=SECONDS + 60):
                raise _invalid(request)
        approval = UUID(content["approval"]) if content["approval"] else None
        return State(content["inner"], approval, content["leave_for"], content["arguments"])


def _who(visitor: Visitor, address: str) -> list[Any]:
    return [visitor.user_id, str(visitor.agent_id), visitor.token_id, visitor.token_name, address]


def _fingerprint(request: Message) -> str:
    """What the request asks for, whatever it carries besides."""
    params = {name: value for name, value in sorted(params_of(request).items()) if name not in _BESIDE}
    return hashlib.sha256(encode([request["method"], params])).hexdigest()


def _invalid(request: Message) -> ProtocolError:
    text = "This requestState is not valid: it expired, was used before, or belongs to another request. Send the request again."
    return ProtocolError(INVALID_PARAMS, text, data={"reason": "invalid_request_state"}, request_id=request["id"])
