"""What a droplet is told to do when it first boots. It holds one secret: the token with which it can become one toolbox, once."""

from __future__ import annotations

SCRIPT = """\
#!/bin/bash
# Makes this droplet a toolbox of Agentopia. The token in it works once, within an hour.
set -o pipefail
command -v sudo >/dev/null || sudo() {{ "$@"; }}
command -v curl >/dev/null || {{ apt-get update -q && apt-get install -yq curl; }}
for attempt in $(seq 20); do
  if {command}; then exit 0; fi
  sleep 15
done
exit 1
"""


def user_data(command: str) -> str:
    """A script for cloud-init around the install command, tried for some minutes: on a first boot the network may come late."""
    return SCRIPT.format(command=command)
