"""Takes one client in its life: whoever initialises after the first is refused."""

import rpc

send, began = rpc.send, []


def send_once(message):
    if "protocolVersion" in message.get("result", {}):
        if began:
            message = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32600, "message": "This session has begun already."}}
        began.append(True)
    elif message.get("result") == {}:  # what it does not know
        message = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}
    send(message)


rpc.send = send_once
rpc.serve({"session": lambda call: rpc.SESSION})
