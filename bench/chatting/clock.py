"""A server whose one tool tells the time: its container is given this file as ``python -c`` text.

``tick {"times": N, "every": S}`` reports progress N times, S seconds apart; each message, and the result, is the moment at which it was
sent (seconds of the machine's monotonic clock, which all containers share).
"""

import json
import sys
import threading
import time

TOOL = {
    "name": "tick",
    "description": "Tells the time.",
    "inputSchema": {"type": "object", "properties": {"times": {"type": "integer"}, "every": {"type": "number"}}},
    "annotations": {"readOnlyHint": True},
}
LOCK = threading.Lock()


def say(message):
    with LOCK:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def tick(number, params):
    arguments = params.get("arguments") or {}
    times, token = arguments.get("times", 1), (params.get("_meta") or {}).get("progressToken")
    for done in range(1, times + 1):
        time.sleep(arguments.get("every", 0.0))
        progress = {"progressToken": token, "progress": done, "total": times, "message": f"{time.monotonic():.6f}"}
        if token is not None:
            say({"method": "notifications/progress", "params": progress})
    say({"id": number, "result": {"content": [{"type": "text", "text": f"{time.monotonic():.6f}"}]}})


for line in sys.stdin:
    request = json.loads(line)
    method, params = request.get("method"), request.get("params") or {}
    if "id" not in request:
        continue
    if method == "tools/call":
        threading.Thread(target=tick, args=(request["id"], params), daemon=True).start()
    elif method == "initialize":
        info = {"name": "clock", "version": "1"}
        say(
            {
                "id": request["id"],
                "result": {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info},
            }
        )
    elif method == "tools/list":
        say({"id": request["id"], "result": {"tools": [TOOL]}})
    elif method == "ping":
        say({"id": request["id"], "result": {}})
    else:
        say({"id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
