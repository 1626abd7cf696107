"""Why the gateway does not let a request in, as HTTP answers.

Refused                    an AgentopiaError with the answer's headers; ``http_status`` says which
├── 400 token_in_address   an access token stands in the query string
├── 401 …                  no token, one that is not known, or one whose time is over; RFC 6750 and RFC 9728
├── 403 token_of_others    the token is for other agents
├── 403 wrong_origin       a web page of somebody else's asks
├── 413 too_large          the body
├── 421 wrong_host         the request is meant for another server
├── 429 too_many_attempts  wrong tokens, from one address
└── 431 headers_too_large
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentopia.lib.errors import AgentopiaError

if TYPE_CHECKING:
    from asgiref.typing import ASGISendCallable

type Headers = tuple[tuple[bytes, bytes], ...]


class Refused(AgentopiaError):
    """The request is not let in. ``headers`` belong to the answer."""

    def __init__(self, status: int, message: str, *, code: str, headers: Headers = (), retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.http_status, self.headers, self.retryable = status, headers, retryable


def headers_of(error: AgentopiaError) -> Headers:
    """What the answer's headers say of this error, `Refused` or not."""
    return error.headers if isinstance(error, Refused) else ()


async def refuse(send: ASGISendCallable | Any, error: AgentopiaError) -> None:
    """Answer with the error, in the shape that the REST API's errors have."""
    body = {"code": error.code, "detail": error.message, "retryable": error.retryable, "fields": error.fields}
    encoded = json.dumps(body).encode()
    headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(encoded)), (b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": error.http_status, "headers": [*headers, *headers_of(error)], "trailers": False})
    await send({"type": "http.response.body", "body": encoded, "more_body": False})
