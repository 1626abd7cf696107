"""Prints garbage on its standard output, around and between right answers."""

import sys

print("Welcome to the garbage server!")
print('{"not": "json-rpc"}')
print("42")
print("[]")
print('{"jsonrpc": "2.0", "broken')
print("[" * 100_000)
# JSON-RPC, but nothing that MCP knows
print('{"jsonrpc": "2.0", "method": "notifications/progress", "params": ["not", "an", "object"]}')
print('{"jsonrpc": "2.0", "method": {"not": "a string"}}')
print('{"jsonrpc": "2.0", "id": {"not": "an id"}, "result": null}')
print('{"jsonrpc": "2.0", "id": "nobody asked", "result": {}}')
sys.stdout.flush()

import rpc  # noqa: E402


def litter(call):
    with rpc._writing:
        sys.stdout.buffer.write(b"more garbage\n\x00\xff\n")
        sys.stdout.buffer.flush()
    return "clean"


rpc.serve({"litter": litter})
