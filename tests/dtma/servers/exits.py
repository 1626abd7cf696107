"""Ends at once, and says why."""

import sys

print("no DATABASE given, giving up", file=sys.stderr)
sys.exit(3)
