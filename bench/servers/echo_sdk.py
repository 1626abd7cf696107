#!/opt/mcp/bin/python
"""A tool that says what it is told, on the official SDK: ``echo_sdk.py stdio`` or ``echo_sdk.py http PORT``."""

import asyncio
import sys

import mcp_types as types
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}


async def list_tools(context, params):
    return types.ListToolsResult(tools=[types.Tool(name="echo", description="Say it again.", input_schema=SCHEMA)])


async def call_tool(context, params):
    return types.CallToolResult(content=[types.TextContent(type="text", text=f"Echo: {params.arguments['message']}")])


async def over_stdio(server):
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


server = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool)
if sys.argv[1] == "stdio":
    asyncio.run(over_stdio(server))
else:
    uvicorn.run(server.streamable_http_app(host="0.0.0.0"), host="0.0.0.0", port=int(sys.argv[2]), log_level="warning")  # noqa: S104
