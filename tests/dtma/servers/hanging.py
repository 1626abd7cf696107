"""Does one thing at a time, as many servers do: while a call is under way it reads nothing, and it may hang for ever."""

import json
import sys
import time

import rpc

pings = 0


def hang(call):
    print("hanging", file=sys.stderr, flush=True)
    while True:
        time.sleep(3600)


def sleep(call):
    """Blocks without computing."""
    time.sleep(call.arguments["seconds"])
    return "slept"


def spin(call):
    """Blocks and computes."""
    end = time.monotonic() + call.arguments["seconds"]
    while time.monotonic() < end:
        pass
    return "spun"


def talk(call):
    """Blocks and reports progress."""
    end = time.monotonic() + call.arguments["seconds"]
    while time.monotonic() < end:
        call.progress(0, 1, "still at it")
        time.sleep(0.05)
    return "talked"


tools = {"hang": hang, "sleep": sleep, "spin": spin, "talk": talk, "pings": lambda call: str(pings), "echo": lambda call: "here"}
for line in sys.stdin:
    message = json.loads(line)
    method, request_id, result = message.get("method"), message.get("id"), {}
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}}
        result["serverInfo"] = {"name": "hanging", "version": "1"}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in tools]}
    elif method == "tools/call":
        result = {"content": [{"type": "text", "text": tools[message["params"]["name"]](rpc.Call(message))}]}
    elif method == "ping":
        pings += 1
    if request_id is not None:
        rpc.send({"jsonrpc": "2.0", "id": request_id, "result": result})
    if method == "tools/list" and "--hang" in sys.argv:
        hang(None)
