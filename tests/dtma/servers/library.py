"""A server of the handshake era with prompts, resources, templates and completions. What it is called comes from the command line."""

import json
import sys

ME = sys.argv[1]
seen = {"level": None, "watched": [], "cancelled": []}
WORDS = ["alpha", "beta", "gamma"]


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def page(items, params):
    """Two at a time."""
    start = int(params.get("cursor") or 0)
    rest = {"nextCursor": str(start + 2)} if start + 2 < len(items) else {}
    return items[start : start + 2], rest


PROMPTS = [{"name": name} for name in ("greet", "part", "of course!")]
RESOURCES = [{"uri": uri, "name": uri} for uri in ("test://shared", f"test://{ME}/a", f"test://{ME}/b")]
TEMPLATES = [{"uriTemplate": f"item://{ME}/{{word}}", "name": "item"}, {"uriTemplate": "shared://{word}", "name": "shared"}]
NAMES = ("who", "touch", "grow", "seen")
TOOLS = [{"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}} for name in NAMES]


def call(params):
    arguments = params.get("arguments") or {}
    if params["name"] == "touch":
        send({"method": "notifications/resources/updated", "params": {"uri": arguments["uri"]}})
    if params["name"] == "grow":
        RESOURCES.append({"uri": f"test://{ME}/new", "name": "new"})
        send({"method": "notifications/resources/list_changed"})
    return {"content": [{"type": "text", "text": json.dumps(seen) if params["name"] == "seen" else ME}]}


def listed(method, params):
    items = {"prompts/list": PROMPTS, "resources/list": RESOURCES, "resources/templates/list": TEMPLATES}[method]
    key = "resourceTemplates" if "templates" in method else method.partition("/")[0]
    items, rest = page(items, params)
    return {key: items, **rest}


def answer(method, params):
    if method == "initialize":
        lists = {"listChanged": True}
        capabilities = {"tools": lists, "prompts": lists, "resources": {**lists, "subscribe": True}, "completions": {}, "logging": {}}
        return {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": {"name": ME, "version": "1"}}
    if method in ("prompts/list", "resources/list", "resources/templates/list"):
        return listed(method, params)
    if method == "prompts/get":
        return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{ME}: {params['name']}"}}]}
    if method == "resources/read":
        if params["uri"].endswith("missing"):
            return {"code": -32002, "message": "Resource not found", "data": {"uri": params["uri"]}}
        return {"contents": [{"uri": params["uri"], "text": ME}]}
    if method == "completion/complete":
        ref = params["ref"].get("name") or params["ref"].get("uri")
        return {"completion": {"values": [ME, ref, *[word for word in WORDS if word.startswith(params["argument"]["value"])]]}}
    if method == "logging/setLevel":
        seen["level"] = params["level"]
        return {}
    if method in ("resources/subscribe", "resources/unsubscribe"):
        (seen["watched"].append if method.endswith("/subscribe") else seen["watched"].remove)(params["uri"])
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return call(params)
    return {"code": -32601, "message": f"Method not found: {method}"}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        said = answer(message["method"], message.get("params") or {})
        send({"id": message["id"], "error" if "code" in said else "result": said})
