"""A server on the official SDK over standard streams: it speaks both eras of MCP, but keeps to that of its first request."""

import uuid

import anyio
import mcp_types as t
from mcp.server import Server
from mcp.server.stdio import stdio_server

SESSION = uuid.uuid4().hex


async def list_tools(context, params):
    return t.ListToolsResult(tools=[t.Tool(name=name, input_schema={"type": "object"}) for name in ("era", "session")])


async def call_tool(context, params):
    era = "stateless" if context.protocol_version >= "2026" else "handshake"
    return t.CallToolResult(content=[t.TextContent(type="text", text=era if params.name == "era" else SESSION)])


async def main():
    server = Server("sdk-stdio", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())


anyio.run(main)
