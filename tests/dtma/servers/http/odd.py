"""An HTTP server of the handshake era without any library, whose tools answer in odd ways. ``odd.py MODE``:

plain      no sessions, answers in JSON
redirect   redirects everything
astray     old SSE, but wants its messages at another host
silent     takes connections and never answers
html       answers everything with a page
forgetful  forgets every session after one request
deaf       answers nothing that it does not know
unwilling  refuses everything
"""

import itertools
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[1]
NAMES = (
    "headers",
    "cut",
    "garbage",
    "error",
    "lists",
    "meta",
    "compressed",
    "discovered",
    "lingering",
    "begun",
    "huge",
    "flood",
    "flooded",
)
SESSIONS = set()
DISCOVERED = []
FLOOD = [0]
NUMBERS = itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "crumb=1")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if MODE == "astray":
            body = b"event: endpoint\ndata: http://192.0.2.1:8000/messages\n\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            time.sleep(600)
        self.answer(405, b"")

    def do_DELETE(self):
        self.answer(405, b"")

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if MODE == "silent":
            time.sleep(600)
        if MODE == "redirect":
            self.answer(307, b"", Location="/elsewhere")
        elif MODE == "html":
            self.answer(200, b"<h1>Welcome</h1>", "text/html")
        elif "id" not in message:
            self.answer(202, b"")
        elif MODE == "unwilling":
            self.error(message, "not today")
        elif MODE == "forgetful" and message["method"] != "initialize" and self.forgot():
            self.answer(404, b"")
        else:
            self.respond(message)

    def forgot(self):
        """Whether the request's session is gone, which is good for one request."""
        session = self.headers["Mcp-Session-Id"]
        if session not in SESSIONS:
            return True
        SESSIONS.discard(session)
        return False

    def respond(self, message):
        method, name = message["method"], (message.get("params") or {}).get("name")
        if method == "initialize":
            about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}, "x-unknown": 1}
            session = f"session-{next(NUMBERS)}"
            SESSIONS.add(session)
            result = {"protocolVersion": message["params"]["protocolVersion"], **about}
            self.result(message, result, **({"Mcp-Session-Id": session} if MODE == "forgetful" else {}))
        elif method == "tools/list":
            schema = {"type": "object"}
            self.result(message, {"tools": [{"name": name, "inputSchema": schema, "x-unknown": {"kept": True}} for name in NAMES]})
        elif method == "ping":
            self.result(message, {})
        elif method != "tools/call":
            if method == "server/discover":
                DISCOVERED.append(message)
                time.sleep(600 if MODE == "deaf" else 0)
            self.error(message, f"no {method}")
        else:
            getattr(self, f"tool_{name}")(message)

    def result(self, message, result, **headers):
        # Spaces, an order and a number that no encoder would make again.
        body = (
            b'{ "result" : '
            + json.dumps(result).encode()
            + b', "id":'
            + json.dumps(message["id"]).encode()
            + b',"jsonrpc":"2.0", "x":1.50}'
        )
        self.answer(200, body, **headers)

    def error(self, message, text):
        error = {"code": -32601, "message": text, "x-unknown": 1}
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())

    def tool_headers(self, message):
        text = json.dumps([list(item) for item in self.headers.items()])
        self.result(message, {"content": [{"type": "text", "text": text}], "x-unknown": 1})

    def tool_meta(self, message):
        self.result(message, {"content": [], "_meta": {"com.example/kept": 1}})

    def tool_cut(self, message):
        """Begins to answer with events and breaks off in the middle of one."""
        progress = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "so far"}}
        self.stream(b"data: " + json.dumps(progress).encode() + b"\n\n", b'data: {"jsonrpc":"2.0","resu')
        self.close_connection = True

    def stream(self, *pieces):
        """Begins to answer with events."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def tool_lingering(self, message):
        """Answers, and leaves the stream open."""
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}).encode()
        self.stream(b"event: message\r\ndata: " + text + b"\r\n\r\n")
        time.sleep(600)

    def tool_begun(self, message):
        """Says that it will answer with events, and no more."""
        self.stream()
        time.sleep(600)

    def tool_huge(self, message):
        self.result(message, {"content": [{"type": "text", "text": "x" * 33 * 1024 * 1024}]})

    def tool_flood(self, message):
        """Says more and more, for as long as it is heard."""
        self.stream()
        piece = b": " + b"x" * 65530 + b"\n\n"
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            FLOOD[0] += len(piece)

    def tool_flooded(self, message):
        self.result(message, {"content": [{"type": "text", "text": str(FLOOD[0])}]})

    def tool_discovered(self, message):
        self.result(message, {"content": [{"type": "text", "text": str(len(DISCOVERED))}]})

    def tool_garbage(self, message):
        self.answer(200, b'{"jsonrpc":"2.0","id":')

    def tool_error(self, message):
        self.answer(500, b"Internal Server Error", "text/plain")

    def tool_lists(self, message):
        self.answer(200, b"[1, 2]")

    def tool_compressed(self, message):
        self.answer(200, b"not really", **{"Content-Encoding": "gzip"})


ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()  # noqa: S104
