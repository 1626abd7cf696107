"""Whose call a server's question or log message belongs to, on a stream that does not say.

A question (sampling, elicitation, roots) is put only to the client of the one call that is open; once a server was seen to ask, calls of
clients that can be asked run alone. A log message goes to the client whose calls are the only ones open. A call that was cancelled a
moment ago still counts: the server may not have heard of it yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dtma.mcp.calls import Call
from dtma.mcp.connection import Client, Era
from dtma.mcp.messages import SERVER_GONE
from dtma.mcp.versions import at_least
from mcp_protocol.messages import METHOD_NOT_FOUND, Message, failure, meta_of, params_of

MAX_ELICITATIONS = 1000

_CAPABILITY = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}


def can_be_asked(client: Client | None) -> bool:
    """Whether a client declared that it answers questions at all."""
    return client is not None and any(name in client.capabilities for name in _CAPABILITY.values())


def offers(capabilities: Message, method: str, params: Message) -> bool:
    """Whether capabilities cover this question; those of methods that MCP does not know cover nothing."""
    declared = capabilities.get(_CAPABILITY.get(method, ""))
    if not isinstance(declared, dict):
        return False
    if method == "elicitation/create":
        mode = params.get("mode", "form")
        return mode in declared or (mode == "form" and "url" not in declared)  # {} means forms (2025-11-25)
    return method != "sampling/createMessage" or "tools" not in params or "tools" in declared


class Questions:
    """The questions of one server, over its open calls."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self.seen = False
        """Whether the server ever asked in the course of a call."""
        self._calls = calls
        self._elicitations: dict[str, Client] = {}

    def ask(self, request: Message, era: Era) -> Call | Message:
        """The call to whose client a question may be put; else the refusal that the server gets."""
        method, params = str(request["method"]), params_of(request)
        if not isinstance(request["id"], str | int | float):
            return _refusal(request, "The id of a request is a string or a number.")
        if era is Era.STATELESS:
            return _refusal(request, f"{method}: in MCP 2026-07-28 servers ask with a result of the type input_required.")
        candidates = [call for call in self._calls.values() if call.interactive]
        if not candidates:
            return _refusal(request, f"{method} was asked outside of any client's call, so there is nobody here to answer it.")
        self.seen = True
        if len(candidates) > 1:
            text = f"{method}: several calls are open, and which one asks cannot be told. From now on such calls run alone: try again."
            return failure(request["id"], SERVER_GONE, text)
        call = candidates[0]
        if call.abandoned or call.owner is None:
            return _refusal(request, f"{method}: the client whose call this belongs to has left.")
        if not offers(call.owner.capabilities, method, params):
            return _refusal(request, f"{method} is not offered by the client whose call this belongs to.")
        call.questions[request["id"]] = meta_of(params).get("progressToken")
        self._remember(params, call.owner)
        return call

    def asked_in(self, question: Any) -> Call | None:
        """The call in which a question that is still open was asked."""
        if not isinstance(question, str | int | float):
            return None
        return next((call for call in self._calls.values() if question in call.questions), None)

    def is_answered_in_steps(self, owner: Client, token: Any) -> bool:
        """Whether this progress token belongs to a question that this client is answering."""
        return token is not None and any(call.owner is owner and token in call.questions.values() for call in self._calls.values())

    def addressee(self, method: str, params: Message) -> Client | None:
        """The client that a notification about an earlier question is for."""
        if method != "notifications/elicitation/complete":
            return None
        return self._elicitations.pop(str(params.get("elicitationId")), None)

    def speaker(self, message: Message, era: Era) -> Call | None:
        """The call that a log message belongs to, or anything else that names no call."""
        if era is Era.STATELESS:
            speaking = [call for call in self._calls.values() if call.level is not None]
            wanted = len(speaking) == 1 and at_least(params_of(message).get("level"), str(speaking[0].level))
            return speaking[0] if wanted and not speaking[0].abandoned else None
        speaking = [call for call in self._calls.values() if call.owner is not None]
        if len({id(call.owner) for call in speaking}) != 1:
            return None
        return next((call for call in reversed(speaking) if not call.abandoned), None)

    def leave(self, owner: Client) -> None:
        """A client ended."""
        self._elicitations = {name: client for name, client in self._elicitations.items() if client is not owner}

    def _remember(self, params: Message, owner: Client) -> None:
        """An elicitation by URL is over later than the call that asked for it."""
        if isinstance(name := params.get("elicitationId"), str):
            self._elicitations[name] = owner
            if len(self._elicitations) > MAX_ELICITATIONS:
                del self._elicitations[next(iter(self._elicitations))]


def _refusal(request: Message, text: str) -> Message:
    return failure(request["id"], METHOD_NOT_FOUND, text)
