"""The ASGI application: HTTP, WebSocket and the process's own lifespan."""

from __future__ import annotations

import gc
import os
from contextlib import AsyncExitStack
from functools import partial
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

from accounts.sockets import ActingInSocket  # noqa: E402
from agentopia.lib.bodies import bounded  # noqa: E402
from agentopia.lib.streams import sending_what_lasts  # noqa: E402
from agentopia.routing import websocket_urlpatterns  # noqa: E402
from agents.calling.ledger import keeping_receipts  # noqa: E402
from agents.toolsets.following import following as following_toolsets  # noqa: E402
from gateway import app as gateway  # noqa: E402
from gateway import known_tokens, metadata  # noqa: E402
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

    def create_request(self, scope: Any, body_file: Any) -> Any:
        """A body that came in chunks has a length too, once it is here: without one it would count as none."""
        request, problem = super().create_request(scope, body_file)
        if request is not None and "HTTP_TRANSFER_ENCODING" in request.META and "CONTENT_LENGTH" not in request.META:
            request.META["CONTENT_LENGTH"] = str(body_file.seek(0, os.SEEK_END))
            body_file.seek(0)
        return request, problem


django_application = OneThreadHandler()


async def http(scope: Any, receive: Any, send: Any) -> None:
    """Calls of outside MCP clients pass by Django and all of its middleware."""
    if scope["path"].startswith(gateway.PREFIX):
        await gateway.application(scope, receive, send)
    elif metadata.is_metadata(scope["path"]):
        await metadata.application(scope, receive, send)
    else:
        await bounded(partial(sending_what_lasts, django_application), scope, receive, send)


async def lifespan(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Keep open, for as long as the process serves, its connections to toolboxes, and what it hears from other processes."""
    async with AsyncExitStack() as stack:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for kept in (pooled_connections, keeping_receipts, following_toolsets, known_tokens.following, gateway.serving):
                    await stack.enter_async_context(kept())
                gc.freeze()  # what is loaded by now stays; looking through it again and again would cost every request
                await send({"type": "lifespan.startup.complete"})
            else:
                await stack.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(ActingInSocket(URLRouter(websocket_urlpatterns)))),
        "lifespan": lifespan,
    }
)
