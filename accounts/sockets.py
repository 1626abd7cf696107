"""Says who acts in what a WebSocket does."""

from __future__ import annotations

from typing import Any

from accounts.acting import PAGE, Acting, acting
from accounts.addresses import address_of_scope


class ActingInSocket:
    """ASGI middleware, inside of the one that finds the user. The consumer's own tasks inherit the context."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        with acting(Acting(user=scope.get("user"), via=PAGE, address=address_of_scope(scope))):
            return await self.inner(scope, receive, send)
