"""The base of every error that a person or a program is told of.

An error carries its own policy, so that it is mapped once to JSON, a toast, a WebSocket message or an MCP result:

* ``code``: a stable word to branch on,
* ``http_status``: how the REST API and pages answer,
* ``retryable``: whether the same request can succeed later,
* the message: one sentence that says what happened and what to do.

    AgentopiaError
    ├── InvalidInput      400  what was sent cannot be used; ``fields`` says which part and why
    ├── NotFound          404  there is no such thing, or it belongs to somebody else
    ├── Conflict          409  it does not fit the present state (a name taken, a server not running)
    └── Unavailable       503  something it needs does not answer now
"""

from __future__ import annotations

from collections.abc import Mapping


class AgentopiaError(Exception):
    """Something a person can act on."""

    code = "error"
    http_status = 500
    retryable = False

    def __init__(self, message: str, *, code: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = dict(fields or {})


class InvalidInput(AgentopiaError):
    """What was sent cannot be used; ``fields`` maps a field to what is wrong with it."""

    code = "invalid"
    http_status = 400


class NotFound(AgentopiaError):
    """There is no such thing for this user."""

    code = "not_found"
    http_status = 404


class Conflict(AgentopiaError):
    """The request does not fit the present state."""

    code = "conflict"
    http_status = 409


class Unavailable(AgentopiaError):
    """Something that the request needs does not answer."""

    code = "unavailable"
    http_status = 503
    retryable = True
