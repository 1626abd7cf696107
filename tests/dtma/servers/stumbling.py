"""Does not come up at its second start, as a server does that needs another one which is not there yet."""

import sys
from pathlib import Path

import rpc

starts = Path("/data/starts")
number = int(starts.read_text()) + 1 if starts.exists() else 1
starts.write_text(str(number))
if number == 2:
    sys.exit(5)
rpc.serve({"starts": lambda call: starts.read_text()})
