"""A server that uses as much of something as it is told to."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import rpc

both = threading.Barrier(2)


def burn(call):
    """Computes for so many seconds of CPU time; says how many it used."""
    began = time.process_time()
    while time.process_time() - began < call.arguments["seconds"]:
        sum(range(1000))
    return json.dumps(time.process_time() - began)


def allocate(call):
    """Fills memory and gives it back."""
    block = bytearray(os.urandom(1024 * 1024)) * call.arguments["megabytes"]
    size = len(block)
    del block
    return json.dumps(size)


def send(call):
    """Sends datagrams to the gateway, whether anybody takes them or not; says how many bytes it sent."""
    route = next(line.split() for line in open("/proc/net/route") if line.split()[1] == "00000000")
    gateway = socket.inet_ntoa(struct.pack("<L", int(route[2], 16)))
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Until the gateway's hardware address is known, the kernel keeps only a few datagrams.
        while not any(line.split()[0] == gateway and line.split()[2] == "0x2" for line in open("/proc/net/arp")):
            sent += sock.sendto(b"x", (gateway, 9))
            time.sleep(0.01)
        while sent < call.arguments["bytes"]:
            sent += sock.sendto(b"x" * 1000, (gateway, 9))
    return json.dumps(sent)


def meet(call):
    """Answers once two calls of it are open at the same time."""
    both.wait(20)
    return "met"


def lose_a_child(call):
    """A child takes memory until it is killed; says which signal that was."""
    greedy = "hoard = []\nwhile True: hoard.append(bytearray(1024 * 1024) + b'x')"
    return json.dumps(-subprocess.run([sys.executable, "-c", greedy]).returncode)


def write(call):
    """Writes to the volume, through to the disk."""
    with open("/data/block", "wb") as file:
        file.write(b"x" * call.arguments["bytes"])
        os.fsync(file.fileno())
    return "written"


def burn_behind(call):
    """Answers at once and goes on computing."""
    threading.Thread(target=burn, args=(call,), daemon=True).start()
    return "burning"


ticking = threading.Event()
ticks = []


def tick(call):
    """Prints the same line over and over, in bursts, until it is told to stop."""

    def print_ticks():
        while ticking.is_set():
            with rpc._writing:
                sys.stderr.write("tick\n" * 3)
                sys.stderr.flush()
            ticks.extend(["tick"] * 3)
            time.sleep(1)
        done.set()

    done = threading.Event()
    ticking.set()
    ticks.append(done)
    threading.Thread(target=print_ticks, daemon=True).start()
    return "ticking"


def stop_ticking(call):
    """Says how often it printed the line."""
    ticking.clear()
    ticks[0].wait(20)
    return json.dumps(len(ticks) - 1)


rpc.serve(
    {
        "burn": burn,
        "allocate": allocate,
        "send": send,
        "meet": meet,
        "lose_a_child": lose_a_child,
        "write": write,
        "burn_behind": burn_behind,
        "tick": tick,
        "stop_ticking": stop_ticking,
    }
)
