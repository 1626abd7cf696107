"""A small MCP server over standard streams, without any library, so that it can do what a library would prevent."""

import json
import sys
import threading
import uuid

SESSION = uuid.uuid4().hex
_writing = threading.Lock()
cancelled = []


def send(message):
    with _writing:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


class Call:
    """What a tool may do besides answering."""

    def __init__(self, request):
        self.id = request["id"]
        self.arguments = request["params"].get("arguments") or {}
        self.token = (request["params"].get("_meta") or {}).get("progressToken")
        self.cancelled = threading.Event()

    def progress(self, done, total, message):
        if self.token is not None:
            params = {"progressToken": self.token, "progress": done, "total": total, "message": message}
            send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


def serve(tools):
    """``tools``: name -> function(Call) -> text. Every call runs in a thread of its own."""
    listed = [{"name": name, "inputSchema": {"type": "object"}, "x-unknown": {"kept": True}} for name in tools]
    calls = {}
    waiting = {}

    def run(call, name):
        try:
            content = [{"type": "text", "text": tools[name](call)}]
            send({"jsonrpc": "2.0", "id": call.id, "result": {"content": content, "x-unknown": 1}})
        except KeyError:
            send({"jsonrpc": "2.0", "id": call.id, "error": {"code": -32602, "message": f"No tool {name}"}})
        finally:
            calls.pop(call.id, None)

    def ask(method):
        """A request of the server's own; returns the whole answer."""
        number = f"server-{uuid.uuid4().hex}"
        waiting[number] = [threading.Event(), None]
        send({"jsonrpc": "2.0", "id": number, "method": method, "params": {}})
        waiting[number][0].wait(5)
        return waiting[number][1]

    Call.ask = staticmethod(ask)
    Call.tools = listed
    for line in sys.stdin:
        message = json.loads(line)
        method, request_id = message.get("method"), message.get("id")
        if method is None:
            waiting[request_id][1] = message
            waiting[request_id][0].set()
        elif method == "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {"listChanged": True}, "logging": {}},
            }
            send({"jsonrpc": "2.0", "id": request_id, "result": {**result, "serverInfo": {"name": "workshop", "version": "1"}}})
        elif method == "tools/list":
            # two pages
            if (message.get("params") or {}).get("cursor") is None:
                send({"jsonrpc": "2.0", "id": request_id, "result": {"tools": listed[:1], "nextCursor": "1"}})
            else:
                send({"jsonrpc": "2.0", "id": request_id, "result": {"tools": listed[1:]}})
        elif method == "tools/call":
            call = calls[request_id] = Call(message)
            threading.Thread(target=run, args=(call, message["params"]["name"]), daemon=True).start()
        elif method == "notifications/cancelled":
            cancelled.append(message["params"])
            if message["params"]["requestId"] in calls:
                calls[message["params"]["requestId"]].cancelled.set()
        elif request_id is not None:
            send({"jsonrpc": "2.0", "id": request_id, "result": {}})
