"""A Streamable HTTP server that does one thing at a time, and hangs for ever where it is told to.

That is in the tool ``hang``, and in the methods that are its arguments.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Mcp(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self.answer(202, b"")
            return
        answer = {"result": {}}
        if message["method"] in sys.argv[1:]:
            time.sleep(3600)
        if message["method"] == "initialize":
            result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            answer = {"result": {**result, "serverInfo": {"name": "hanging", "version": "1"}}}
        elif message["method"] == "tools/list":
            answer = {"result": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("hang", "echo")]}}
        elif message["method"] == "tools/call":
            if message["params"]["name"] == "hang":
                time.sleep(3600)
            answer = {"result": {"content": [{"type": "text", "text": "here"}]}}
        elif message["method"] != "ping":
            answer = {"error": {"code": -32601, "message": "no such method"}}
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}).encode())

    def do_GET(self):
        self.answer(405, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")  # one that waits for the next request would keep all others waiting
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("0.0.0.0", 8000), Mcp).serve_forever()  # noqa: S104
