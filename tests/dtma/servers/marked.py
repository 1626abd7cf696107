"""Leaves a mark in its volume. As the new one it does not start where an older one has left its mark: the data is of another form."""

import os
import sys

import rpc

which, mark = sys.argv[1], "/data/mark"
if which == "new" and os.path.exists(mark):
    print("the data is of an older version", file=sys.stderr, flush=True)
    sys.exit(4)
open(mark, "w").close()
print(f"serving as the {which} one", file=sys.stderr, flush=True)
rpc.serve({"which": lambda call: which})
