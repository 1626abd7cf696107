"""A server that tries, from inside its container, what it must not be able to do. With ``--http PORT`` it speaks Streamable HTTP."""

import ctypes
import errno
import http.server
import json
import os
import resource
import socket
import ssl
import subprocess
import sys
import time

import rpc

LIBC = ctypes.CDLL(None, use_errno=True)
# The numbers of system calls on amd64 and arm64.
NUMBERS = {
    "ptrace": (101, 117),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "process_vm_readv": (310, 270),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "init_module": (175, 105),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "swapon": (167, 224),
    "clone3": (435, 435),
    "getpid": (39, 172),
}
CLONE_NEWUSER = 0x10000000


def syscall(call):
    """The error that a system call with five zeros for arguments gives, or ``allowed``."""
    number = NUMBERS[call.arguments["name"]][os.uname().machine == "aarch64"]
    return result_of(LIBC.syscall(number, *(ctypes.c_long(value) for value in call.arguments.get("arguments", [0] * 5))))


def new_namespace(call):
    """clone() with a flag for a namespace; the child, if there is one, ends at once."""
    number = 56 if os.uname().machine != "aarch64" else 220
    child = LIBC.syscall(number, ctypes.c_long(CLONE_NEWUSER | 17), 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return result_of(child)


def result_of(value):
    return "allowed" if value >= 0 else errno.errorcode[ctypes.get_errno()]


def make_socket(call):
    try:
        kind = getattr(socket, call.arguments.get("kind", "SOCK_DGRAM"))
        socket.socket(getattr(socket, call.arguments["family"]), kind, call.arguments.get("protocol", 0)).close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"


def connect(call):
    """Opens TCP to (host, port), with TLS if ``sni`` is given, says something and tells what it heard or how it failed."""
    host, port, sni = call.arguments["host"], call.arguments["port"], call.arguments.get("sni")
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), call.arguments.get("seconds", 8)) as sock:
            if sni is not None:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                sock = context.wrap_socket(sock, server_hostname=sni or None)  # noqa: PLW2901
            banner = sock.recv(100).decode() if call.arguments.get("first") else ""
            sock.sendall(call.arguments.get("say", "hello\n").encode())
            if call.arguments.get("end"):
                sock.shutdown(socket.SHUT_WR)
            heard = b""
            while piece := sock.recv(65536):
                heard += piece
                if not call.arguments.get("end"):
                    break
            outcome = {"heard": banner + heard.decode()}
    except OSError as error:
        # What a reset looks like depends on what was just being done.
        broken = error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
        outcome = {"failed": "reset" if broken else type(error).__name__}
    return json.dumps({**outcome, "seconds": round(time.monotonic() - began, 2)})


def flood(call):
    """Begins connections as fast as it can for two seconds; how many."""
    began, count = time.monotonic(), 0
    while time.monotonic() < began + 2:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.connect_ex((call.arguments["host"], call.arguments["port"]))
        count += 1
    return json.dumps({"begun": count, "seconds": time.monotonic() - began})


def udp(call):
    with socket.socket(getattr(socket, call.arguments.get("family", "AF_INET")), socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect((call.arguments["host"], call.arguments["port"]))
            sock.send(b"hello")
            return sock.recv(100).decode()
        except OSError as error:
            return type(error).__name__


def resolve(call):
    began = time.monotonic()
    try:
        found = sorted({info[4][0] for info in socket.getaddrinfo(call.arguments["name"], None, proto=socket.IPPROTO_TCP)})
    except OSError as error:
        found = [type(error).__name__]
    return json.dumps({"found": found, "seconds": round(time.monotonic() - began, 2)})


def resolve_many(call):
    for number in range(call.arguments["count"]):
        try:
            socket.gethostbyname(f"n{number}.example.net")
        except OSError:
            continue
    return ""


def raw_dns(call):
    """Sends a query as it is, hexadecimal, straight to an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.sendto(bytes.fromhex(call.arguments["query"]), (call.arguments["host"], 53))
        return sock.recv(2048).hex()


def fork_until_refused(call):
    """How many children there were when the next one was refused."""
    children = []
    try:
        while len(children) < 5000:
            children.append(subprocess.Popen(["sleep", "60"]))
    except OSError as error:
        return json.dumps({"children": len(children), "error": errno.errorcode[error.errno]})
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
    return "never"


def fill_tmp(call):
    """How many MB fit into /tmp."""
    written = 0
    try:
        with open("/tmp/full", "wb", buffering=0) as file:
            while written < 4096:
                file.write(bytes(1024 * 1024))
                written += 1
    except OSError as error:
        return json.dumps({"megabytes": written, "error": errno.errorcode[error.errno]})
    finally:
        os.unlink("/tmp/full")
    return "never"


def open_until_refused(call):
    files = []
    try:
        while len(files) < 1_000_000:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return json.dumps({"files": len(files), "error": errno.errorcode[error.errno], "limit": resource.getrlimit(resource.RLIMIT_NOFILE)})
    finally:
        for file in files:
            os.close(file)
    return "never"


def limits(call):
    return json.dumps({"core": resource.getrlimit(resource.RLIMIT_CORE), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)})


def burn(call):
    """The share of one CPU that two threads of work get within a second."""
    code = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    for worker in workers:
        worker.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return str((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - began))


def own_address(call):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 9))
        return sock.getsockname()[0]


def gateway(call):
    for line in open("/proc/net/route").read().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return socket.inet_ntoa(bytes.fromhex(fields[2])[::-1])
    return ""


def look(call):
    """A file or a directory: who owns it, its mode, its content, how it is mounted."""
    path = call.arguments["path"]
    found = os.stat(path)
    content = sorted(os.listdir(path)) if os.path.isdir(path) else open(path).read()
    mounts = [line.split() for line in open("/proc/mounts")]
    mounted = [(mount[2], sorted(mount[3].split(","))) for mount in mounts if mount[1] == path]
    return json.dumps({"uid": found.st_uid, "mode": oct(found.st_mode & 0o7777), "content": content, "mounted": mounted})


def write(call):
    try:
        with open(call.arguments["path"], "w") as file:
            file.write(call.arguments.get("text", ""))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "allowed"


def shout(call):
    print(call.arguments["text"], file=sys.stderr, flush=True)
    return ""


TOOLS = {
    "syscall": syscall,
    "new_namespace": new_namespace,
    "socket": make_socket,
    "connect": connect,
    "flood": flood,
    "udp": udp,
    "resolve": resolve,
    "resolve_many": resolve_many,
    "raw_dns": raw_dns,
    "forks": fork_until_refused,
    "fill_tmp": fill_tmp,
    "files": open_until_refused,
    "limits": limits,
    "burn": burn,
    "own_address": own_address,
    "gateway": gateway,
    "look": look,
    "write": write,
    "environ": lambda call: os.environ.get(call.arguments["name"], ""),
    "shout": shout,
    "processes": lambda call: json.dumps([open(f"/proc/{pid}/cmdline").read() for pid in os.listdir("/proc") if pid.isdigit()]),
}


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self.answer(202, b"")
            return
        method, params = message["method"], message.get("params") or {}
        if method == "initialize":
            info = {"name": "probe", "version": "1"}
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
        elif method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
        elif method == "tools/call":
            text = TOOLS[params["name"]](rpc.Call({"id": message["id"], "params": params}))
            result = {"content": [{"type": "text", "text": text}]}
        else:
            self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": method}}).encode())
            return
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())

    def do_GET(self):
        self.answer(405, b"")

    do_DELETE = do_GET  # noqa: N815

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if sys.argv[1:2] == ["--http"]:
    http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), Http).serve_forever()  # noqa: S104
rpc.serve(TOOLS)
