"""A server of the handshake era alone (2025-11-25), without any library: it asks, logs, reports and watches on demand."""

import json
import os
import sys
import threading
import time
import uuid

_writing = threading.Lock()
listening = threading.Event()
listening.set()
waiting = {}
tasks = []
held = {}
calls = {}
seen = {"initialize": None, "level": None, "watched": [], "notifications": [], "requests": []}


def send(message):
    with _writing:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def ask(method, params):
    """A question to the client; the whole answer."""
    number = f"question-{uuid.uuid4().hex}"
    waiting[number] = [threading.Event(), None]
    send({"id": number, "method": method, "params": params})
    waiting[number][0].wait(30)
    return waiting[number][1]


def sample(text):
    content = {"type": "text", "text": text}
    return ask("sampling/createMessage", {"messages": [{"role": "user", "content": content}], "maxTokens": 10, "x-unknown": [1]})


def elicit(text):
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    return ask("elicitation/create", {"mode": "form", "message": text, "requestedSchema": schema})


def log(level, data):
    send({"method": "notifications/message", "params": {"level": level, "data": data, "x-unknown": 1}})


def report(request, done):
    token = (request["params"].get("_meta") or {}).get("progressToken")
    if token is not None:
        send({"method": "notifications/progress", "params": {"progressToken": token, "progress": done, "total": 3, "x-unknown": 1}})


def gate(name):
    return held.setdefault(name, threading.Event())


def consult(request, arguments):
    return json.dumps(sample(arguments["text"]))


def quiz(request, arguments):
    report(request, 1)
    word = elicit("A word?")
    report(request, 2)
    return json.dumps([word, sample("And?")])


def patient(request, arguments):
    """Asks when it is told to."""
    send({"method": "notifications/progress", "params": {"progressToken": request["params"]["_meta"]["progressToken"], "progress": 0}})
    gate(arguments["gate"]).wait(30)
    return json.dumps(ask(arguments["method"], arguments.get("params", {})))


def hold(request, arguments):
    report(request, 1)
    gate(arguments["gate"]).wait(30)
    if "log" in arguments:
        log("info", arguments["log"])
    return "released"


def narrate(request, arguments):
    for level in ("debug", "info", "error"):
        log(level, f"{arguments['text']} {level}")
    return "told"


def later(request, arguments):
    """Asks when its call is over."""
    answers = []
    seen["later"] = answers

    def after():
        gate(arguments["gate"]).wait(30)
        answers.append(ask("roots/list", {}))
        log("error", "nobody's business")
        send({"method": "notifications/x-unknown", "params": {"about": "nobody"}})

    threading.Thread(target=after, daemon=True).start()
    return "begun"


def touch(request, arguments):
    send({"method": "notifications/resources/updated", "params": {"uri": arguments["uri"], "x-unknown": 1}})
    return "touched"


def grow(request, arguments):
    TOOLS.append({"name": "grown", "inputSchema": {"type": "object"}})
    send({"method": "notifications/tools/list_changed"})
    return "grown"


def page(request, arguments):
    """An elicitation by URL, over when somebody says so."""
    name = arguments["name"]
    answer = ask("elicitation/create", {"mode": "url", "message": "Go there", "url": "https://example.org/", "elicitationId": name})

    def after():
        gate(name).wait(30)
        send({"method": "notifications/elicitation/complete", "params": {"elicitationId": name}})

    threading.Thread(target=after, daemon=True).start()
    return json.dumps(answer)


def flood(request, arguments):
    """More progress than anybody reads."""
    token = request["params"]["_meta"]["progressToken"]
    text = "x" * arguments["size"]
    for number in range(arguments["count"]):
        send({"method": "notifications/progress", "params": {"progressToken": token, "progress": number, "message": text}})
    return "flooded"


def deaf(request, arguments):
    """Reads nothing until somebody makes a file."""
    report(request, 1)
    listening.clear()
    while not os.path.exists("/tmp/go"):
        time.sleep(0.02)
    listening.set()
    return "reads again"


def task(request, arguments):
    """Begins one, and says so where nobody asked."""
    tasks.append(f"task-{len(tasks)}")
    name = tasks[-1]
    send({"id": request["id"], "result": {"task": {"taskId": name, "status": "working"}}})
    send({"method": "notifications/tasks/status", "params": {"taskId": name, "status": "working"}})


def broken(request, arguments):
    """Answers with half a message."""
    with _writing:
        sys.stdout.write(f'{{"jsonrpc": "2.0", "id": "{request["id"]}", "result": {{"content": [\n')
        sys.stdout.flush()
    gate("never").wait()


def gated(request, arguments):
    """Wants its user to go somewhere first (MCP 2025-11-25, URL mode)."""
    if not gate(arguments["door"]).is_set():
        gate(arguments["door"]).set()  # whoever comes again has been there
        wanted = {"mode": "url", "elicitationId": "door", "url": "https://example.org/door", "message": "Sign in"}
        error = {"code": -32042, "message": "Sign in first", "data": {"elicitations": [wanted]}}
        send({"id": request["id"], "error": error})
        return None
    return "inside"


FUNCTIONS = {
    "deaf": deaf,
    "broken": broken,
    "consult": consult,
    "quiz": quiz,
    "patient": patient,
    "hold": hold,
    "narrate": narrate,
    "later": later,
    "touch": touch,
    "grow": grow,
    "page": page,
    "flood": flood,
    "task": task,
    "request": lambda request, arguments: json.dumps(request),
    "seen": lambda request, arguments: json.dumps(seen),
    "big": lambda request, arguments: "x" * arguments["size"],
    "length": lambda request, arguments: str(len(arguments["text"])),
    "deep": lambda request, arguments: None,
    "gated": gated,
}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}, "x-unknown": {"kept": True}} for name in FUNCTIONS]


def run(request):
    params = request["params"]
    if params["name"] == "deep":  # more than any JSON library is asked to write
        depth = params["arguments"]["depth"]
        value = "[" * depth + "]" * depth
        with _writing:
            sys.stdout.write(f'{{"jsonrpc": "2.0", "id": "{request["id"]}", "result": {{"content": [], "value": {value}}}}}\n')
            sys.stdout.flush()
        return
    try:
        text = FUNCTIONS[params["name"]](request, params.get("arguments") or {})
    except KeyError as error:
        send({"id": request["id"], "error": {"code": -32602, "message": f"No {error}", "data": {"x-unknown": 1}}})
        return
    if text is not None:
        send({"id": request["id"], "result": {"content": [{"type": "text", "text": text}], "x-unknown": {"kept": True}}})


def answer(message):
    method, params = message["method"], message.get("params") or {}
    seen["requests"].append(method)
    if method == "initialize":
        seen["initialize"] = params
        features = {"listChanged": True}
        capabilities = {"tools": features, "resources": {**features, "subscribe": True}, "logging": {}, "x-unknown": {}}
        info = {"name": "older", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info, "instructions": "Be kind."}
    if method == "tools/list":
        return {"tools": TOOLS, "x-unknown": 1}
    if method == "logging/setLevel":
        seen["level"] = params["level"]
        return {}
    if method in ("resources/subscribe", "resources/unsubscribe"):
        if params["uri"] == "test://forbidden":
            return {"code": -32602, "message": "Not that one"}
        (seen["watched"].append if method.endswith("/subscribe") else seen["watched"].remove)(params["uri"])
        return {}
    if method == "tasks/list":
        return {"tasks": [{"taskId": name} for name in tasks]}
    if method in ("tasks/get", "tasks/cancel"):
        return {"taskId": params["taskId"], "status": "working"}
    if method == "resources/read":
        return {"code": -32002, "message": "Resource not found"}
    if method in ("ping", "x-release"):  # no call, so a question that follows cannot belong to it
        gate(params.get("gate")).set()
        return {}
    if method == "x-seen":
        return {"seen": seen}
    return {"code": -32601, "message": f"Method not found: {method}"}


for line in sys.stdin:
    listening.wait()
    message = json.loads(line)
    if "method" not in message:
        entry = waiting.get(message["id"])
        if entry is not None:
            entry[1] = message
            entry[0].set()
    elif "id" not in message:
        seen["notifications"].append(message)
    elif message["method"] == "tools/call":
        threading.Thread(target=run, args=(message,), daemon=True).start()
    else:
        said = answer(message)
        send({"id": message["id"], "error" if "code" in said else "result": said})
