"""Reads everything and never answers."""

import sys

print("waiting for something that never comes", file=sys.stderr, flush=True)
for _ in sys.stdin:
    pass
