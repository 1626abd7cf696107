"""The same tools by hand, so that what a gateway costs is not hidden behind a slow upstream. HTTP alone, stateless, answers in JSON."""

import asyncio
import json
import sys

TOOLS = int(sys.argv[3])
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SIZE = {"type": "object", "properties": {"n_kb": {"type": "integer"}}, "required": ["n_kb"]}
SOUGHT = {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["query"]}
NAMED = [("echo", "Return the given text unchanged.", TEXT), ("big", "Return a text of n_kb kilobytes.", SIZE)]
DUMMIES = [(f"dummy_{n:04d}", f"Dummy tool number {n}: searches the imaginary collection {n}.", SOUGHT) for n in range(max(0, TOOLS - 2))]
LISTED = [{"name": name, "description": told, "inputSchema": schema} for name, told, schema in NAMED + DUMMIES]
SERVER = {"capabilities": {"tools": {}}, "serverInfo": {"name": "lean-upstream", "version": "1"}}


def result_of(method, params):
    match method:
        case "initialize":
            return {"protocolVersion": min(params.get("protocolVersion", "2025-11-25"), "2025-11-25"), **SERVER}
        case "tools/list":
            return {"tools": LISTED}
        case "tools/call" if params["name"] == "big":
            return {"content": [{"type": "text", "text": "x" * (params["arguments"]["n_kb"] * 1024)}]}
        case "tools/call":
            return {"content": [{"type": "text", "text": params["arguments"].get("text", "")}]}
        case "ping":
            return {}
    return None


def answered(method, body):
    """Status line and body for one request."""
    if method != b"POST":
        return b"405 Method Not Allowed", b""
    message = json.loads(body)
    if "id" not in message:
        return b"202 Accepted", b""
    result = result_of(message["method"], message.get("params") or {})
    said = {"result": result} if result is not None else {"error": {"code": -32601, "message": "Method not found"}}
    return b"200 OK", json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests have a Content-Length or no body."""

    def connection_made(self, transport):
        self.transport, self.rest = transport, b""

    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.rest) < end + 4 + length:
                return
            body, method = self.rest[end + 4 : end + 4 + length], self.rest[: self.rest.find(b" ")]
            self.rest = self.rest[end + 4 + length :]
            status, said = answered(method, body)
            kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
            self.transport.write(b"HTTP/1.1 " + status + b"\r\n" + kind + said)


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "0.0.0.0", 8000)  # noqa: S104
    await server.serve_forever()


asyncio.run(main())
