"""A server of the stateless era alone (2026-07-28), without any library."""

import json
import sys
import threading

RESERVED = "io.modelcontextprotocol/"
VERSION = "2026-07-28"
_writing = threading.Lock()
held = {}
listening = {}
seen = {"requests": [], "notifications": []}


def send(message):
    with _writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def text(content):
    return {"content": [{"type": "text", "text": content}], "resultType": "complete", "x-unknown": {"kept": True}}


def gate(name):
    return held.setdefault(name, threading.Event())


def elicitation(message):
    schema = {"type": "object", "properties": {"word": {"type": "string"}}}
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sampling(content):
    messages = [{"role": "user", "content": {"type": "text", "text": content}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 10}}


def quiz(request, params):
    """Two questions at once, then another one."""
    answers, state = params.get("inputResponses") or {}, params.get("requestState")
    if state is None:
        return {
            "resultType": "input_required",
            "inputRequests": {"word": elicitation("A word?"), "and": sampling("And?")},
            "requestState": "1",
        }
    if state == "1":
        first = json.dumps(answers)
        return {"resultType": "input_required", "inputRequests": {"last": elicitation("Last?")}, "requestState": first}
    return text(json.dumps([json.loads(state), answers]))


def endless(request, params):
    return {"resultType": "input_required", "inputRequests": {"word": elicitation("Again?")}, "requestState": "1"}


def hold(request, params):
    arguments, meta = params["arguments"], params["_meta"]
    if "progressToken" in meta:
        send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": 1, "x-unknown": 1}})
    if RESERVED + "logLevel" in meta:
        send({"method": "notifications/message", "params": {"level": "error", "data": arguments.get("log", "")}})
    gate(arguments["gate"]).wait(30)
    return text("released")


def publish(method, params, wanted):
    for name, wish in list(listening.items()):
        if wanted(wish):
            send({"method": method, "params": {**params, "_meta": {RESERVED + "subscriptionId": name, "x-unknown": 1}}})


def touch(request, params):
    uri = params["arguments"]["uri"]
    publish("notifications/resources/updated", {"uri": uri}, lambda wish: uri in wish.get("resourceSubscriptions", ()))
    return text("touched")


def grow(request, params):
    TOOLS.append({"name": "grown", "inputSchema": {"type": "object"}})
    publish("notifications/tools/list_changed", {}, lambda wish: wish.get("toolsListChanged"))
    return text("grown")


def release(request, params):
    gate(params["arguments"]["gate"]).set()
    return text("ok")


def rude(request, params):
    """Asks as if it were 2025."""
    send({"id": "rude", "method": "roots/list"})
    gate("answered").wait(10)
    return text(json.dumps(seen.get("answer")))


FUNCTIONS = {
    "quiz": quiz,
    "endless": endless,
    "hold": hold,
    "touch": touch,
    "grow": grow,
    "release": release,
    "rude": rude,
    "request": lambda request, params: text(json.dumps(request)),
    "seen": lambda request, params: text(json.dumps({**seen, "listening": listening})),
}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}, "x-unknown": {"kept": True}} for name in FUNCTIONS]
region = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
TOOLS[-2]["inputSchema"] = region


def answer(request):
    method, params = request["method"], request.get("params") or {}
    if method == "tools/call":
        function = FUNCTIONS.get(params["name"])
        if function is None:
            return {"code": -32602, "message": "No such tool"}
        return function(request, params)
    if method == "server/discover":
        offered = {"listChanged": True}
        capabilities = {"tools": offered, "resources": {**offered, "subscribe": True}, "logging": {}}
        info = {RESERVED + "serverInfo": {"name": "newer", "version": "1"}}
        found = {"supportedVersions": [VERSION], "capabilities": capabilities, "instructions": "Be brief.", "_meta": info}
        return {**found, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    if method == "tools/list":
        return {"tools": TOOLS, "resultType": "complete", "ttlMs": 5, "cacheScope": "public", "x-unknown": 1}
    if method == "resources/read":
        return {"code": -32602, "message": "Resource not found", "data": {"uri": params["uri"]}}
    return {"code": -32601, "message": f"Method not found: {method}"}


def serve(request):
    params = request.get("params") or {}
    meta = params.get("_meta") or {}
    if meta.get(RESERVED + "protocolVersion") != VERSION or not isinstance(meta.get(RESERVED + "clientCapabilities"), dict):
        data = {"supported": [VERSION]}
        send({"id": request["id"], "error": {"code": -32022, "message": "Unsupported protocol version", "data": data}})
        return
    if request["method"] == "subscriptions/listen":
        name = request["id"]
        listening[name] = params["notifications"]
        granted = {"notifications": params["notifications"], "_meta": {RESERVED + "subscriptionId": name}}
        send({"method": "notifications/subscriptions/acknowledged", "params": granted})
        return
    said = answer(request)
    send({"id": request["id"], "error" if "code" in said else "result": said})


for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message:
        seen["answer"] = message
        gate("answered").set()
    elif "id" not in message:
        seen["notifications"].append(message)
        if message["method"] == "notifications/cancelled":
            listening.pop(message["params"]["requestId"], None)
    else:
        seen["requests"].append(message["method"])
        threading.Thread(target=serve, args=(message,), daemon=True).start()
