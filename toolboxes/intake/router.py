"""Routes, and the answers to what goes wrong. No framework lies between a heartbeat and its handling: thousands of toolboxes send them."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agentopia.lib.errors import AgentopiaError
from dtma_wire import ErrorBody, ErrorCode
from toolboxes.intake.peer import EXTENSION, Peer

logger = logging.getLogger(__name__)

MAX_BYTES = 16 * 1024 * 1024
WARN_SECONDS = 10.0
_CODES = {401: ErrorCode.UNAUTHENTICATED, 403: ErrorCode.FORBIDDEN, 500: ErrorCode.INTERNAL, 503: ErrorCode.INTERNAL}

type Handler = Callable[[Request, Peer | None], Awaitable[Response]]


class TooLong(AgentopiaError):
    """The body is longer than anything that a toolbox has to say."""

    http_status = 413


class Unauthenticated(AgentopiaError):
    """The route needs a certificate."""

    http_status = 401


@dataclass(frozen=True)
class Route:
    """One address. With ``prefix`` it also takes what lies below it."""

    method: str
    handler: Handler
    needs_certificate: bool = True


class Router:
    """The ASGI application over some routes, by path; one whose path ends with ``/`` takes everything below it."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = dict(routes)
        self._warned_at = -WARN_SECONDS
        self._below = [path for path in routes if path.endswith("/")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except AgentopiaError as error:
            expired = error.code == ErrorCode.CERTIFICATE_EXPIRED
            code = ErrorCode.CERTIFICATE_EXPIRED if expired else _CODES.get(error.http_status, ErrorCode.INVALID)
            response = answer(ErrorBody(code=code, message=error.message, retryable=error.retryable), error.http_status)
        except (OperationalError, InterfaceError) as error:
            self._warn(error)
            away = "The control plane's database does not answer. Try again in a moment."
            response = answer(ErrorBody(code=ErrorCode.INTERNAL, message=away, retryable=True), 503)
        await response(scope, receive, send)

    def _warn(self, error: Exception) -> None:
        """Now and then: while the database is away, every toolbox's every heartbeat fails."""
        now = time.monotonic()
        if now - self._warned_at > WARN_SECONDS:
            self._warned_at = now
            logger.warning("The database does not answer: %s", error)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        route = self._routes.get(path) or next((self._routes[below] for below in self._below if path.startswith(below)), None)
        if route is None:
            return answer(ErrorBody(code=ErrorCode.INVALID, message=f"There is nothing at {path}."), 404)
        if request.method != route.method:
            return answer(ErrorBody(code=ErrorCode.INVALID, message=f"{path} takes {route.method} alone."), 405)
        extension = request.scope["extensions"].get(EXTENSION)
        if extension is None and route.needs_certificate:
            raise Unauthenticated("This address needs a toolbox's certificate. Enrol the host with the command from the dashboard.")
        return await route.handler(request, None if extension is None else extension["peer"])


async def body_of(request: Request) -> bytes:
    """The whole body; raises `TooLong`."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise TooLong(f"A message may have at most {MAX_BYTES} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


async def read[Model: BaseModel](request: Request, model: type[Model]) -> Model:
    """The body as a model. What is wrong with it is told by its fields alone: a value may be a token."""
    body = await body_of(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False))
        raise Misunderstood(f"The message is not understood: {fields}.") from None


class Misunderstood(AgentopiaError):
    """A message that is not of this protocol."""

    code = "invalid"
    http_status = 400


def answer(body: BaseModel, status: int = 200) -> Response:
    """A model as JSON."""
    return Response(body.model_dump_json(), status, media_type="application/json")
