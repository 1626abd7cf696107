"""Speaks both eras of MCP, but on one stream only that of its first request, as servers of the official SDK do.

``both.py never`` speaks the handshake era alone and ignores what it does not know; ``both.py crash`` ends on ``server/discover``.
"""

import json
import os
import sys
import time

import rpc

NEW = "io.modelcontextprotocol/protocolVersion"
KEPT = []


def is_new(message):
    return NEW in ((message.get("params") or {}).get("_meta") or {})


def result_of(message, new):
    method = message["method"]
    about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "both", "version": "1"}}
    if method == "server/discover" and new:
        return {"resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private", **about}
    if method == "initialize" and not new:
        return {"protocolVersion": message["params"]["protocolVersion"], **about}
    if method == "ping" and not new:
        return {}
    extra = {"resultType": "complete"} if new else {}
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in sorted(TOOLS)]
        return {"tools": tools, **extra, **({"ttlMs": 0, "cacheScope": "private"} if new else {})}
    if method == "tools/call":
        text = TOOLS[message["params"]["name"]](message["params"].get("arguments") or {})
        return {"content": [{"type": "text", "text": text}], **extra}
    return None


def keep(arguments):
    """Remembers something, as a browser does its page."""
    KEPT.append(arguments["text"])
    return json.dumps(KEPT)


def sleep(arguments):
    print("sleeping", file=sys.stderr, flush=True)
    time.sleep(arguments["seconds"])
    return "slept"


TOOLS = {
    "session": lambda arguments: rpc.SESSION,
    "era": lambda arguments: "stateless" if era else "handshake",
    "keep": keep,
    "sleep": sleep,
    "crash": lambda arguments: os._exit(7),
}
era = None
for line in sys.stdin:
    message = json.loads(line)
    if message.get("id") is None:
        continue
    new = is_new(message)
    if new and "crash" in sys.argv:
        os._exit(3)
    if new and "never" in sys.argv:
        if message["method"] != "server/discover":
            rpc.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32600, "message": "not initialized"}})
        continue
    era = new if era is None else era
    result = None if new is not era else result_of(message, new)
    if result is None:
        error = {"code": -32600 if new is not era else -32601, "message": "This connection speaks the other era, or not this method."}
        rpc.send({"jsonrpc": "2.0", "id": message["id"], "error": error})
    else:
        rpc.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
