"""A server on the official SDK. ``sdk.py both|handshake|stateless|sse``: which eras it lets through, over HTTP on port 8000.

It accepts the Host ``localhost:8000`` alone, as servers on the SDK do unless they are told otherwise.
"""

from __future__ import annotations

import json
import os
import sys

import anyio
import mcp_types as t
import uvicorn
from mcp.server import NotificationOptions, Server
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

ERA = sys.argv[1]
PORT = 8000
SECURITY = TransportSecuritySettings(allowed_hosts=[f"localhost:{PORT}"], allowed_origins=[])

bus = InMemorySubscriptionBus()
sessions = set()
cancelled = []
streams = []
seen = []
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
SIZE = {"type": "object", "properties": {"size": {"type": "integer"}}}
REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
tools = {
    "echo": TEXT,
    "slow": SIZE,
    "big": SIZE,
    "change": TEXT,
    "told": TEXT,
    "ask": TEXT,
    "region": REGION,
    "die": TEXT,
    "later": TEXT,
    "hang_up": TEXT,
}


def text(content):
    return t.CallToolResult(content=[t.TextContent(type="text", text=content)], _meta={"com.example/kept": {"x": 1}})


async def list_tools(context, params):
    sessions.add(context.session)
    return t.ListToolsResult(tools=[t.Tool(name=name, input_schema=schema) for name, schema in tools.items()])


async def slow(context, arguments):
    try:
        for step in range(arguments["size"]):
            await context.session.report_progress(step + 1, arguments["size"], f"step {step + 1}")
            await anyio.sleep(0.1)
    except anyio.get_cancelled_exc_class():
        cancelled.append("slow")
        raise
    return text("done")


async def change(context, arguments):
    tools["added"] = TEXT
    await bus.publish(ToolsListChanged())
    for session in list(sessions):
        await session.send_tool_list_changed()
    return text("changed")


async def later(context):
    """Closes the stream of the answer, which the client then has to fetch."""
    await context.close_sse_stream()
    await anyio.sleep(0.1)
    return text("here it is")


async def ask(context, params):
    """A question to the client's user, in the way of the era that the server speaks with whoever calls."""
    question = t.ElicitRequestFormParams(
        message="Your name?", requested_schema={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    )
    if context.protocol_version >= "2026":
        answer = (params.input_responses or {}).get("name")
        if answer is None:
            return t.InputRequiredResult(input_requests={"name": t.ElicitRequest(params=question)})
    else:
        aside = (params.arguments or {}).get("text") == "aside"  # on the stream that belongs to no request
        call = None if aside else context.request_id
        answer = await context.session.elicit_form(question.message, question.requested_schema, related_request_id=call)
    return text(f"{answer.action} {(answer.content or {}).get('name')}")


async def call_tool(context, params):
    arguments = params.arguments or {}
    match params.name:
        case "echo":
            return text(arguments["text"])
        case "slow":
            return await slow(context, arguments)
        case "big":
            return text("x" * arguments["size"])
        case "change":
            return await change(context, arguments)
        case "told":
            return text(json.dumps({"cancelled": cancelled, "headers": seen, "version": context.protocol_version}))
        case "ask":
            return await ask(context, params)
        case "later":
            return await later(context)
        case "hang_up":
            streams.pop().cancel()
            await anyio.sleep_forever()
        case "die":
            os._exit(3)
    return text(f"{params.name} {arguments}")


server = Server("sdk", version="1", on_list_tools=list_tools, on_call_tool=call_tool, on_subscriptions_listen=ListenHandler(bus))
create_initialization_options = server.create_initialization_options
server.create_initialization_options = lambda options=None, *rest, **more: create_initialization_options(
    options or NotificationOptions(tools_changed=True), *rest, **more
)


def only(app, wanted):
    """Refuse requests of the other era, as a server does that knows nothing of it."""

    async def filtered(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen.append(headers)
        del seen[:-20]
        stateless = headers.get("mcp-protocol-version", "") >= "2026"
        if (wanted == "handshake" and stateless) or (wanted == "stateless" and not stateless):
            error = {"code": -32022, "message": "Unsupported protocol version"}
            await JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)(scope, receive, send)
            return
        await app(scope, receive, send)

    return filtered


class Events(EventStore):
    """What was sent on streams that a client may come back to; an event's id is its place."""

    def __init__(self):
        self.sent = []

    async def store_event(self, stream_id, message):
        self.sent.append((stream_id, message))
        return str(len(self.sent))

    async def replay_events_after(self, last_event_id, send_callback):
        number = int(last_event_id)
        stream = self.sent[number - 1][0]
        for position, (of, message) in enumerate(self.sent[number:], number + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(position)))
        return stream


def sse_app():
    transport = SseServerTransport("/messages/", security_settings=SECURITY, max_request_body_size=32 * 1024 * 1024)

    async def connect(request):
        with anyio.CancelScope() as scope:
            streams.append(scope)
            async with transport.connect_sse(request.scope, request.receive, request._send) as (reads, writes):
                await server.run(reads, writes, server.create_initialization_options())
        return Response()

    return Starlette(routes=[Route("/sse", connect), Mount("/messages/", transport.handle_post_message)])


def http_app():
    limits = {"max_request_body_size": 32 * 1024 * 1024, "event_store": Events(), "retry_interval": 100}
    return only(server.streamable_http_app(transport_security=SECURITY, **limits), ERA)


uvicorn.run(sse_app() if ERA == "sse" else http_app(), host="0.0.0.0", port=PORT, log_level="warning")  # noqa: S104
