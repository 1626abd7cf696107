"""A server on the official SDK (`mcp` 2.x) with everything that the official conformance suite asks for, over stdio and
Streamable HTTP, in both eras (2025-11-25 and 2026-07-28). It runs in a container.

    python everything.py --http 3901        # http://127.0.0.1:3901/mcp
    python everything.py --stdio
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as t
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

warnings.simplefilter("ignore", MCPDeprecationWarning)
MODERN = "2026-07-28"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
bus = InMemorySubscriptionBus()
Ctx = ServerRequestContext[Any, Any]


def txt(s: str) -> t.TextContent:
    return t.TextContent(type="text", text=s)


def obj(required: list[str] | None = None, **props: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": props}
    if required:
        out["required"] = required
    return out


TOOLS: dict[str, tuple[t.Tool, Callable[[Ctx, t.CallToolRequestParams], Awaitable[Any]]]] = {}


def tool(name: str, description: str, schema: dict[str, Any] | None = None, **kw: Any):
    def deco(fn: Callable[[Ctx, t.CallToolRequestParams], Awaitable[Any]]):
        TOOLS[name] = (t.Tool(name=name, description=description, input_schema=schema or obj(), **kw), fn)
        return fn

    return deco


# ---- plain content -------------------------------------------------------------------------
@tool("test_simple_text", "plain text")
async def _(c, p):
    return "This is a simple text response for testing."


@tool("test_image_content", "image")
async def _(c, p):
    return [t.ImageContent(type="image", data=PNG, mime_type="image/png")]


@tool("test_audio_content", "audio")
async def _(c, p):
    return [t.AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


def embedded(uri: str, mime: str, text: str) -> t.EmbeddedResource:
    return t.EmbeddedResource(type="resource", resource=t.TextResourceContents(uri=uri, mime_type=mime, text=text))


@tool("test_embedded_resource", "embedded resource")
async def _(c, p):
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


@tool("test_multiple_content_types", "mixed content")
async def _(c, p):
    return [
        txt("Multiple content types test:"),
        t.ImageContent(type="image", data=PNG, mime_type="image/png"),
        embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
    ]


@tool("test_error_handling", "always fails")
async def _(c, p):
    return t.CallToolResult(content=[txt("This tool intentionally returns an error for testing")], is_error=True)


@tool(
    "add",
    "adds two integers; structured output, annotations, title, icon, _meta",
    obj(["a", "b"], a={"type": "integer"}, b={"type": "integer"}),
    title="Add two numbers",
    output_schema=obj(["sum"], sum={"type": "integer"}),
    annotations=t.ToolAnnotations(title="Add", read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    icons=[t.Icon(src=f"data:image/png;base64,{PNG}", mime_type="image/png", sizes=["1x1"])],
)
async def _(c, p):
    s = p.arguments["a"] + p.arguments["b"]
    return t.CallToolResult(content=[txt(json.dumps({"sum": s}))], structured_content={"sum": s}, _meta={"com.example/trace": "kept"})


@tool("echo_meta", "returns the request's own _meta and capabilities as the server saw them")
async def _(c, p):
    caps = c.session.client_capabilities
    return json.dumps(
        {"meta": dict(c.meta or {}), "pv": c.protocol_version, "caps": caps.model_dump(by_alias=True, exclude_none=True) if caps else None},
        default=str,
    )


# ---- notifications inside a request ----------------------------------------------------------
@tool("test_tool_with_logging", "three log messages")
async def _(c, p):
    for i, m in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        if i:
            await anyio.sleep(0.05)
        await c.session.send_log_message(level="info", data=m, logger="everything", related_request_id=c.request_id)
    return "Tool with logging executed successfully"


@tool("test_tool_with_progress", "0 / 50 / 100")
async def _(c, p):
    for v in (0, 50, 100):
        await c.session.report_progress(v, 100, f"Completed step {v} of 100")
        await anyio.sleep(0.05)
    return str((c.meta or {}).get("progress_token", 0))


CANCELLED: list[Any] = []


@tool("slow", "runs `seconds`, progress every 0.1 s; notes a cancellation", obj(seconds={"type": "number"}, tag={"type": "string"}))
async def _(c, p):
    a = p.arguments or {}
    n = int(float(a.get("seconds", 1)) * 10)
    try:
        for i in range(n):
            await c.session.report_progress(i, n, None)
            await anyio.sleep(0.1)
    except anyio.get_cancelled_exc_class():
        CANCELLED.append(a.get("tag", ""))
        raise
    return "done"


@tool("cancelled_tags", "tags of the `slow` calls that were cancelled")
async def _(c, p):
    return json.dumps(CANCELLED)


@tool("test_reconnection", "closes the SSE stream mid-call (2025-11-25 polling)")
async def _(c, p):
    if c.close_sse_stream is not None:
        await c.close_sse_stream()
        await anyio.sleep(0.2)
    return "Reconnection test completed"


# ---- server-initiated requests, 2025 era -----------------------------------------------------
@tool("test_sampling", "sampling/createMessage", obj(["prompt"], prompt={"type": "string"}))
async def _(c, p):
    r = await c.session.create_message(
        messages=[t.SamplingMessage(role="user", content=txt(p.arguments["prompt"]))], max_tokens=100, related_request_id=c.request_id
    )
    return f"LLM response: {r.content.text if r.content.type == 'text' else 'No response'}"


async def ask(c: Ctx, message: str, schema: dict[str, Any]) -> str:
    r = await c.session.elicit_form(message, schema, related_request_id=c.request_id)
    return f"action={r.action}, content={json.dumps(r.content or {})}"


@tool("test_elicitation", "elicitation/create", obj(["message"], message={"type": "string"}))
async def _(c, p):
    return "User response: " + await ask(
        c, p.arguments["message"], obj(["response"], response={"type": "string", "description": "User's response"})
    )


@tool("test_elicitation_sep1034_defaults", "defaults for every primitive type")
async def _(c, p):
    return "Elicitation completed: " + await ask(
        c,
        "Please provide user information",
        obj(
            name={"type": "string", "default": "John Doe"},
            age={"type": "integer", "default": 30},
            score={"type": "number", "default": 95.5},
            status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            verified={"type": "boolean", "default": True},
        ),
    )


@tool("test_elicitation_sep1330_enums", "five enum shapes")
async def _(c, p):
    def titled(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [{"const": k, "title": v} for k, v in pairs]

    return "Elicitation completed: " + await ask(
        c,
        "Please select",
        obj(
            untitledSingle={"type": "string", "enum": ["option1", "option2", "option3"]},
            titledSingle={"type": "string", "oneOf": titled(("value1", "First"), ("value2", "Second"), ("value3", "Third"))},
            legacyEnum={"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
            untitledMulti={"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
            titledMulti={"type": "array", "items": {"anyOf": titled(("value1", "1st"), ("value2", "2nd"), ("value3", "3rd"))}},
        ),
    )


@tool("list_roots", "roots/list (2025 era)")
async def _(c, p):
    return json.dumps([str(r.uri) for r in (await c.session.list_roots()).roots])


# ---- multi-round-trip requests, 2026 era -------------------------------------------------------
NAME = obj(["name"], name={"type": "string"})
OK = obj(["ok"], ok={"type": "boolean"})


def elicit(message: str, schema: dict[str, Any]) -> t.ElicitRequest:
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, n: int = 100) -> t.CreateMessageRequest:
    return t.CreateMessageRequest(
        params=t.CreateMessageRequestParams(messages=[t.SamplingMessage(role="user", content=txt(text))], max_tokens=n)
    )


def need(state: str | None = None, **reqs: Any) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=reqs or None, request_state=state)


def answers(p: Any) -> dict[str, Any]:
    return dict(p.input_responses or {})


def field(answer: Any, key: str) -> Any:
    return answer.content.get(key) if isinstance(answer, t.ElicitResult) and answer.content else None


@tool("test_input_required_result_elicitation", "MRTR: one elicitation")
async def _(c, p):
    name = field(answers(p).get("user_name"), "name")
    return f"Hello, {name}!" if name else need(user_name=elicit("What is your name?", NAME))


@tool("test_input_required_result_sampling", "MRTR: one sampling request")
async def _(c, p):
    a = answers(p).get("capital_question")
    if isinstance(a, t.CreateMessageResult):
        return f"Model said: {a.content.text}"
    return need(capital_question=sample("What is the capital of France?"))


@tool("test_input_required_result_list_roots", "MRTR: roots/list")
async def _(c, p):
    a = answers(p).get("client_roots")
    return f"{len(a.roots)} root(s)" if isinstance(a, t.ListRootsResult) else need(client_roots=t.ListRootsRequest())


@tool("test_input_required_result_request_state", "MRTR: requestState echo")
async def _(c, p):
    if "confirm" in answers(p) and p.request_state == "nonce-1":
        return "state-ok: confirmed"
    return need("nonce-1", confirm=elicit("Please confirm", OK))


@tool("test_input_required_result_multiple_inputs", "MRTR: three inputs at once")
async def _(c, p):
    if {"user_name", "greeting", "client_roots"} <= answers(p).keys():
        return "All inputs received."
    return need(
        "multi", user_name=elicit("What is your name?", NAME), greeting=sample("Generate a greeting", 50), client_roots=t.ListRootsRequest()
    )


@tool("test_input_required_result_multi_round", "MRTR: two questions, evolving state")
async def _(c, p):
    st, a = json.loads(p.request_state or '{"round": 0}'), answers(p)
    if st["round"] == 2 and "step2" in a:
        return f"{st['name']} likes {field(a['step2'], 'color')}."
    if st["round"] == 1 and "step1" in a:
        return need(
            json.dumps({"round": 2, "name": field(a["step1"], "name")}),
            step2=elicit("Step 2: favourite colour?", obj(["color"], color={"type": "string"})),
        )
    return need(json.dumps({"round": 1}), step1=elicit("Step 1: your name?", NAME))


@tool("test_input_required_result_tampered_state", "MRTR: RequestStateBoundary rejects tampering")
async def _(c, p):
    return f"state-ok: {p.request_state}" if p.request_state else need("round-1", confirm=elicit("Please confirm", OK))


@tool("test_input_required_result_capabilities", "MRTR: only what the client declared")
async def _(c, p):
    caps = c.session.client_capabilities
    reqs: dict[str, Any] = {}
    if caps and caps.sampling is not None:
        reqs["sample"] = sample("Say hello", 50)
    if caps and caps.elicitation is not None:
        reqs["ask"] = elicit("What is your name?", NAME)
    return need("gated", **reqs)


@tool("test_streaming_elicitation", "progress on the stream, then MRTR (never a server request)")
async def _(c, p):
    if "ask" in answers(p):
        return "thanks"
    await c.session.report_progress(1, 2, "about to ask")
    return need(ask=elicit("What is your name?", NAME))


@tool("test_logging_tool", "logs; 2026 clients see it only with _meta logLevel")
async def _(c, p):
    await c.session.send_log_message(level="info", data="logged", related_request_id=c.request_id)
    return "logged"


@tool("test_missing_capability", "needs the client's sampling capability")
async def _(c, p):
    caps = c.session.client_capabilities
    if caps is None or caps.sampling is None:
        raise MCPError(
            t.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool requires the client 'sampling' capability",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return "Client declared sampling."


# ---- headers, schema, list changes -------------------------------------------------------------
@tool("test_x_mcp_header", "`region` is mirrored into Mcp-Param-Region", obj(region={"type": "string", "x-mcp-header": "Region"}))
async def _(c, p):
    return f"region={(p.arguments or {}).get('region')}"


@tool(
    "json_schema_2020_12_tool",
    "JSON Schema 2020-12 keywords survive",
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
)
async def _(c, p):
    return "ok"


@tool("test_trigger_tool_change", "tools/list_changed in both eras")
async def _(c, p):
    await bus.publish(ToolsListChanged())
    await c.session.send_tool_list_changed()
    return "tool list changed"


@tool("test_trigger_prompt_change", "prompts/list_changed in both eras")
async def _(c, p):
    await bus.publish(PromptsListChanged())
    await c.session.send_prompt_list_changed()
    return "prompt list changed"


SUBSCRIBED: set[str] = set()


@tool("touch_resource", "resources/updated for `uri` in both eras", obj(["uri"], uri={"type": "string"}))
async def _(c, p):
    uri = p.arguments["uri"]
    await bus.publish(ResourceUpdated(uri=uri))
    if uri in SUBSCRIBED:
        await c.session.send_resource_updated(uri)
    return "touched"


# ---- handlers ----------------------------------------------------------------------------------
async def list_tools(c: Ctx, p: t.PaginatedRequestParams | None) -> t.ListToolsResult:
    return t.ListToolsResult(tools=[x for x, _ in TOOLS.values()])


async def call_tool(c: Ctx, p: t.CallToolRequestParams) -> t.CallToolResult | t.InputRequiredResult:
    if p.name not in TOOLS:
        raise MCPError(t.INVALID_PARAMS, f"Unknown tool: {p.name}")
    r = await TOOLS[p.name][1](c, p)
    if isinstance(r, str):
        r = [txt(r)]
    return t.CallToolResult(content=r) if isinstance(r, list) else r


async def list_resources(c: Ctx, p: Any) -> t.ListResourcesResult:
    return t.ListResourcesResult(
        resources=[
            t.Resource(uri="test://static-text", name="static-text", mime_type="text/plain", description="static text"),
            t.Resource(uri="test://static-binary", name="static-binary", mime_type="image/png", description="static image"),
            t.Resource(uri="test://watched-resource", name="watched-resource", mime_type="text/plain", description="watch me"),
        ]
    )


async def list_templates(c: Ctx, p: Any) -> t.ListResourceTemplatesResult:
    return t.ListResourceTemplatesResult(
        resource_templates=[
            t.ResourceTemplate(
                uri_template="test://template/{id}/data", name="template", mime_type="application/json", description="templated"
            )
        ]
    )


async def read_resource(c: Ctx, p: t.ReadResourceRequestParams) -> t.ReadResourceResult:
    u = str(p.uri)
    if u == "test://static-binary":
        return t.ReadResourceResult(contents=[t.BlobResourceContents(uri=u, mime_type="image/png", blob=PNG)])
    if u == "test://static-text":
        text, mime = "This is the content of the static text resource.", "text/plain"
    elif u == "test://watched-resource":
        text, mime = "Watched resource content", "text/plain"
    elif u.startswith("test://template/") and u.endswith("/data"):
        i = u.removeprefix("test://template/").removesuffix("/data")
        text, mime = json.dumps({"id": i, "templateTest": True, "data": f"Data for ID: {i}"}), "application/json"
    else:
        raise MCPError(t.INVALID_PARAMS if c.protocol_version == MODERN else -32002, "Resource not found", {"uri": u})
    return t.ReadResourceResult(contents=[t.TextResourceContents(uri=u, mime_type=mime, text=text)])


async def subscribe(c: Ctx, p: t.SubscribeRequestParams) -> t.EmptyResult:
    SUBSCRIBED.add(str(p.uri))
    return t.EmptyResult()


async def unsubscribe(c: Ctx, p: t.UnsubscribeRequestParams) -> t.EmptyResult:
    SUBSCRIBED.discard(str(p.uri))
    return t.EmptyResult()


def arg(name: str) -> t.PromptArgument:
    return t.PromptArgument(name=name, description=name, required=True)


PROMPTS = [
    t.Prompt(name="test_simple_prompt", description="no arguments"),
    t.Prompt(name="test_prompt_with_arguments", description="two arguments", arguments=[arg("arg1"), arg("arg2")]),
    t.Prompt(name="test_prompt_with_embedded_resource", description="resource", arguments=[arg("resourceUri")]),
    t.Prompt(name="test_prompt_with_image", description="image"),
    t.Prompt(name="test_input_required_result_prompt", description="MRTR prompt"),
]


async def list_prompts(c: Ctx, p: Any) -> t.ListPromptsResult:
    return t.ListPromptsResult(prompts=PROMPTS)


async def get_prompt(c: Ctx, p: t.GetPromptRequestParams) -> t.GetPromptResult | t.InputRequiredResult:
    a = p.arguments or {}
    match p.name:
        case "test_simple_prompt":
            parts: list[Any] = [txt("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            parts = [txt(f"Prompt with arguments: arg1='{a.get('arg1')}', arg2='{a.get('arg2')}'")]
        case "test_prompt_with_embedded_resource":
            parts = [
                embedded(a["resourceUri"], "text/plain", "Embedded resource content for testing."),
                txt("Please process the embedded resource above."),
            ]
        case "test_prompt_with_image":
            parts = [t.ImageContent(type="image", data=PNG, mime_type="image/png"), txt("Please analyze the image above.")]
        case "test_input_required_result_prompt":
            context = field(answers(p).get("user_context"), "context")
            if context is None:
                return need(user_context=elicit("What context?", obj(["context"], context={"type": "string"})))
            parts = [txt(f"Use the following context: {context}")]
        case _:
            raise MCPError(t.INVALID_PARAMS, f"Unknown prompt: {p.name}")
    return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=x) for x in parts])


async def complete(c: Ctx, p: t.CompleteRequestParams) -> t.CompleteResult:
    vals = [v for v in ("paris", "park", "party") if v.startswith(p.argument.value)]
    return t.CompleteResult(completion=t.Completion(values=vals, total=len(vals), has_more=False))


async def set_level(c: Ctx, p: t.SetLevelRequestParams) -> t.EmptyResult:
    return t.EmptyResult()


class Everything(Server):
    # The HTTP session manager calls this with no arguments, so a low-level server would announce
    # listChanged=false to every 2025-era HTTP client: default the flags to what is served.
    def create_initialization_options(self, notification_options=None, *a: Any, **kw: Any):
        return super().create_initialization_options(notification_options or NotificationOptions(True, True, True), *a, **kw)


server = Everything(
    "everything-fixture",
    version="1.0.0",
    instructions="Fixture for gateway tests.",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_templates,
    on_read_resource=read_resource,
    on_subscribe_resource=subscribe,
    on_unsubscribe_resource=unsubscribe,
    on_subscriptions_listen=ListenHandler(bus),
    on_list_prompts=list_prompts,
    on_get_prompt=get_prompt,
    on_completion=complete,
    on_set_logging_level=set_level,
)
server.middleware.append(
    RequestStateBoundary(RequestStateSecurity(keys=[b"fixture-key-fixture-key-fixture-key!"]), default_audience=server.name)
)


class Events(EventStore):
    """In-memory store for 2025-11-25 SSE resumption: one list, ids are positions."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.log.append((stream_id, message))
        return str(len(self.log))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        n = int(last_event_id) if last_event_id.isdigit() else 0
        if not 0 < n <= len(self.log):
            return None
        sid = self.log[n - 1][0]
        for i in range(n, len(self.log)):
            if self.log[i][0] == sid and self.log[i][1] is not None:
                await send_callback(EventMessage(self.log[i][1], str(i + 1)))
        return sid


def http_app():
    return server.streamable_http_app(event_store=Events(), retry_interval=100)


async def run_stdio() -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (r, w):
        await server.run(r, w, server.create_initialization_options())


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    g = ap.add_mutually_exclusive_group(required=True)
    g.add_argument("--http", type=int)
    g.add_argument("--stdio", action="store_true")
    ap.add_argument("--bind", default="127.0.0.1", help="0.0.0.0 inside a container; Host must still say localhost")
    a = ap.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    if a.stdio:
        anyio.run(run_stdio)
    else:
        import uvicorn

        uvicorn.run(http_app(), host=a.bind, port=a.http, log_level="warning")
