"""Who may speak to DTMA. The one place to change when mutual TLS replaces the bearer token."""

from __future__ import annotations

import hashlib
import hmac

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dtma.errors import Unauthenticated


class Authenticate:
    """ASGI middleware: requests without the control plane's token get 401."""

    def __init__(self, app: ASGIApp, token_sha256: str) -> None:
        self._app = app
        self._token_sha256 = token_sha256

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._accepts(scope["headers"]):
            await self._app(scope, receive, send)
            return
        body = Unauthenticated("The access token is missing or not the one of this toolbox.").body
        await Response(body.model_dump_json(), 401, {"WWW-Authenticate": "Bearer"}, "application/json")(scope, receive, send)

    def _accepts(self, headers: list[tuple[bytes, bytes]]) -> bool:
        authorization = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(hashlib.sha256(token.strip()).hexdigest(), self._token_sha256)
