"""The system calls that a server may make: ``seccomp.json``, in the form that the engine takes.

It is an allow-list of our own: whatever is not named fails with EPERM. Compared with the engine's default it has no tracing of and
reading from other processes, no handles of files, no 32-bit calls, no sockets but those of IPv4, IPv6, Unix and netlink, and nothing
that would depend on a capability, which no server has.
"""

from __future__ import annotations

import json
from pathlib import Path

PROFILE = json.dumps(json.loads(Path(__file__).with_name("seccomp.json").read_bytes()), separators=(",", ":"))
"""As a container's ``SecurityOpt`` names it: the whole text."""
