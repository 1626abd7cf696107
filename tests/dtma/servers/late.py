"""Begins to serve after so many seconds, as a server with much to load does."""

import sys
import time

import rpc

print("loading", file=sys.stderr, flush=True)
time.sleep(float(sys.argv[1]))
rpc.serve({"nothing": lambda call: "late, but here"})
