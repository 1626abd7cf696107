"""Tools on the official SDK as it comes: echo(text), big(n_kb), stream(n, ms) with progress, and dummies up to so many."""

import logging
import sys

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer

TRANSPORT, TOOLS = sys.argv[2], int(sys.argv[3])
mcp = MCPServer("bench-upstream", log_level="WARNING")


@mcp.tool(structured_output=False)
async def echo(text: str) -> str:
    """Return the given text unchanged."""
    return text


@mcp.tool(structured_output=False)
async def big(n_kb: int) -> str:
    """Return a text of n_kb kilobytes."""
    return "x" * (n_kb * 1024)


@mcp.tool(structured_output=False)
async def stream(n: int, ms: int, ctx: Context) -> str:
    """Report progress n times, ms milliseconds apart, then answer."""
    for number in range(n):
        await ctx.report_progress(number + 1, n, f"step {number + 1}")
        await anyio.sleep(ms / 1000)
    return f"streamed {n}"


def dummy(number: int):
    async def search(query: str, limit: int = 10, verbose: bool = False) -> str:
        return f"{number}:{query}:{limit}:{verbose}"

    search.__name__ = f"dummy_{number:04d}"
    search.__doc__ = (
        f"Dummy tool number {number}: searches the imaginary collection {number} for the query and returns at most limit rows. "
        "Use it when the user asks about that collection; set verbose to true for the long form."
    )
    return search


for number in range(max(0, TOOLS - 3)):
    mcp.add_tool(dummy(number), structured_output=False)

if TRANSPORT == "stdio":
    mcp.run("stdio")
else:
    app = mcp.streamable_http_app(host="0.0.0.0", max_sessions=None)  # noqa: S104
    logging.getLogger("mcp").setLevel(logging.WARNING)
    uvicorn.run(app, host="0.0.0.0", port=8000, log_level="warning", access_log=False)  # noqa: S104
