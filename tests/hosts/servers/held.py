"""Answers one method (its first argument) only after so many seconds (its second), so that a test finds a deployment in that step."""

import json
import sys
import time

import rpc

method, seconds = sys.argv[1], float(sys.argv[2])
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == method:
        time.sleep(seconds)
    result = None
    if message.get("method") == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}}
        result["serverInfo"] = {"name": "held", "version": "1"}
    elif message.get("method") == "tools/list":
        result = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    elif message.get("method") == "tools/call":
        result = {"content": [{"type": "text", "text": "here"}]}
    if message.get("id") is not None:
        unknown = {"error": {"code": -32601, "message": "There is no such method."}}
        rpc.send({"jsonrpc": "2.0", "id": message["id"], **(unknown if result is None else {"result": result})})
