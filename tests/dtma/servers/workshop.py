"""A server that does on demand whatever a test wants to see."""

import json
import os
import socket
import sys
import time

import rpc


def slow(call):
    """Reports progress until all steps are done or the call is cancelled."""
    steps = call.arguments.get("steps", 5)
    for step in range(1, steps + 1):
        if call.cancelled.wait(call.arguments.get("seconds", 0.05)):
            return "cancelled"
        call.progress(step, steps, f"step {step}")
    return "done"


def hog(call):
    """Takes memory until it is killed."""
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1024 * 1024)))


def shout(call):
    """Prints lines."""
    stream = sys.stdout if call.arguments.get("stream") == "stdout" else sys.stderr
    with rpc._writing:
        for number in range(call.arguments.get("count", 1)):
            stream.write(f"{call.arguments['text']} {number}\n")
        stream.flush()
    return str(time.time())


def attempt(action):
    try:
        action()
        return "allowed"
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)


def facts(call):
    """What the container looks like from inside."""
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    mounts = [line.split() for line in open("/proc/mounts")]
    return json.dumps(
        {
            "uid": os.getuid(),
            "gid": os.getgid(),
            "capabilities": status["CapEff"],
            "bounding": status["CapBnd"],
            "no_new_privileges": status["NoNewPrivs"],
            "seccomp": status["Seccomp"],
            "root": next(mount[3] for mount in mounts if mount[1] == "/").split(",")[0],
            "tmp": sorted(next(mount[3] for mount in mounts if mount[1] == "/tmp").split(",")),
            "write_root": attempt(lambda: open("/srv/new", "w")),
            "write_tmp": attempt(lambda: open("/tmp/new", "w")),
            "write_data": attempt(lambda: open("/data/new", "w")),
            "interfaces": sorted(name for _, name in socket.if_nameindex()),
            "reach": attempt(lambda: socket.create_connection(("1.1.1.1", 53), 1)),
            "docker_socket": os.path.exists("/var/run/docker.sock"),
            "environment": sorted(os.environ),
        }
    )


def listen_for_changes(call):
    """Announces another tool, or that it is described otherwise now."""
    call.tools[:] = [tool for tool in call.tools if tool["name"] != "added"]
    call.tools.append({"name": "added", "description": call.arguments.get("description", ""), "inputSchema": {"type": "object"}})
    rpc.send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    return "announced"


def big(call):
    return "x" * call.arguments["size"]


def crash(call):
    sys.stderr.write("about to crash\n")
    sys.stderr.flush()
    os._exit(call.arguments.get("code", 7))


def touch(call):
    return attempt(lambda: open(call.arguments["path"], "w"))


def keep(call):
    """Writes to and reads from the volume."""
    path = "/data/kept"
    if "text" in call.arguments:
        with open(path, "w") as file:
            file.write(call.arguments["text"])
    return open(path).read() if os.path.exists(path) else ""


rpc.serve(
    {
        "echo": lambda call: call.arguments["text"],
        "session": lambda call: rpc.SESSION,
        "slow": slow,
        "hog": hog,
        "shout": shout,
        "facts": facts,
        "change": listen_for_changes,
        "big": big,
        "crash": crash,
        "keep": keep,
        "touch": touch,
        "ask": lambda call: json.dumps(call.ask(call.arguments["method"])),
        "cancelled": lambda call: json.dumps(rpc.cancelled),
        "environ": lambda call: os.environ.get(call.arguments["name"], ""),
        "argv": lambda call: json.dumps(sys.argv[1:]),
        "nan": lambda call: rpc.send({"jsonrpc": "2.0", "id": call.id, "result": {"content": [], "value": float("nan")}}) or "",
    }
)
