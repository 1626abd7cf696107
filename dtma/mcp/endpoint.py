"""The MCP endpoint of one server (Streamable HTTP), for clients of both eras, whichever the server speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from dtma.mcp.asgi import Refused, check_content_type, check_origin, messages_in, read_whole, respond
from dtma.mcp.connection import Connections, Era
from dtma.mcp.errands import Errands
from dtma.mcp.interpreter import Interpreter
from dtma.mcp.session_front import SessionFront
from dtma.mcp.sessions import Session, Sessions
from dtma.mcp.stateless_front import StatelessFront
from dtma.mcp.stateless_rules import ParameterHeaders, unsupported
from dtma.mcp.versions import era_of
from mcp_protocol.messages import Message, meta_of, params_of
from mcp_protocol.versions import VERSION


class Endpoint:
    """An ASGI application for one server's ``/mcp``.

    ``tools`` are the definitions as last listed; ``tools_changed`` is called when the server says that they changed.
    """

    def __init__(self, connections: Connections, tools: Callable[[], Sequence[Message]], tools_changed: Callable[[], None]) -> None:
        self._errands = Errands()
        self._sessions = Sessions(self._on_session_end)
        self._interpreter = Interpreter(connections, self._sessions, tools_changed)
        self._handshake = SessionFront(self._sessions, self._interpreter.for_session)
        self._stateless = StatelessFront(self._interpreter.shared_stateless, ParameterHeaders(tools))

    async def prepare(self) -> None:
        """Begin to listen to what the server says without being asked. Raises ``Busy``."""
        await self._interpreter.shared(Era.HANDSHAKE)

    def close(self) -> None:
        """The server is gone, or DTMA lets go of it: all sessions and streams end."""
        self._sessions.end_all()
        self._interpreter.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = b""
        if scope["method"] == "POST":
            try:
                body = await read_whole(receive)
            except Refused as refused:
                await respond(send, refused.status, *refused.headers, body=refused.body)
                return
        if body is not None:
            await self.handle(scope, body, receive, send)

    async def handle(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer a request whose body was read already."""
        headers = Headers(scope=scope)
        try:
            check_origin(headers)
            match scope["method"]:
                case "POST":
                    check_content_type(headers)
                    said = messages_in(body)
                    if isinstance(said, list):
                        await self._handshake.post_batch(headers, said, receive, send)
                    else:
                        await self._post(headers, said, receive, send)
                case "GET" | "DELETE" if era_of(headers.get("mcp-protocol-version")) is Era.STATELESS:
                    await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, (b"allow", b"POST"))
                case "GET":
                    await self._handshake.get(headers, receive, send)
                case "DELETE":
                    await self._handshake.delete(headers, send)
                case _:
                    await respond(send, HTTPStatus.METHOD_NOT_ALLOWED, (b"allow", b"GET, POST, DELETE"))
        except Refused as refused:
            await respond(send, refused.status, *refused.headers, body=refused.body)

    async def _post(self, headers: Headers, message: Message, receive: Receive, send: Send) -> None:
        version = headers.get("mcp-protocol-version")
        era = Era.HANDSHAKE if version is None else era_of(version.strip())
        unsure = version is None or era is None
        if era is Era.STATELESS or (unsure and VERSION in meta_of(params_of(message))):
            await self._stateless.post(headers, message, receive, send)
        elif era is None:
            raise unsupported(version, message.get("id"))
        else:
            await self._handshake.post(headers, message, receive, send)

    def _on_session_end(self, session: Session) -> None:
        self._errands.run(self._interpreter.leave(session), "ending an MCP session")
