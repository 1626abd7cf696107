"""The ASGI application: HTTP, WebSocket and the process's own lifespan."""

from __future__ import annotations

import gc
import os
from contextlib import AsyncExitStack
from typing import Any

import django
from asgiref.sync import sync_to_async
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")
django.setup(set_prefix=False)  # loads the apps, which the imports below need

from agentopia.routing import websocket_urlpatterns  # noqa: E402
from toolboxes.dtma import pooled_connections  # noqa: E402


class OneThreadHandler(ASGIHandler):
    """Runs a request's middleware and its view in one thread.

    All of them are synchronous: Django's own handler would go back to the event loop and into the thread once more between the
    middleware and the view.
    """

    _middleware_chain: Any

    def load_middleware(self, is_async: bool = True) -> None:
        super().load_middleware(is_async=False)
        self._middleware_chain = sync_to_async(self._middleware_chain)


async def lifespan(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Keep the connections to toolboxes open for as long as the process serves."""
    async with AsyncExitStack() as stack:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await stack.enter_async_context(pooled_connections())
                gc.freeze()  # what is loaded by now stays; looking through it again and again would cost every request
                await send({"type": "lifespan.startup.complete"})
            else:
                await stack.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = ProtocolTypeRouter(
    {
        "http": OneThreadHandler(),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)
