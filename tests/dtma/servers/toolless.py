"""Says that it has tools, but does not list them: its argument says what it answers instead."""

import json
import sys

import rpc

ANSWERS = {
    "error": {"error": {"code": -32603, "message": "the database is locked"}},
    "nonsense": {"result": {"tools": "many"}},
    "silence": None,
}
for line in sys.stdin:
    message = json.loads(line)
    method, request_id = message.get("method"), message.get("id")
    answer = {"result": {}}
    if method == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}}
        answer = {"result": {**result, "serverInfo": {"name": "toolless", "version": "1"}}}
    elif method == "tools/list":
        answer = ANSWERS[sys.argv[1]]
    if request_id is not None and answer is not None:
        rpc.send({"jsonrpc": "2.0", "id": request_id, **answer})
