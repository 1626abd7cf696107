"""``python -m tests.doubles.digitalocean PORT``: the double in a process of its own, to try the dashboard by hand."""

from __future__ import annotations

import signal
import sys

from tests.doubles.digitalocean.server import TOKEN, DigitalOceanDouble


def main() -> None:
    double = DigitalOceanDouble(int(sys.argv[1]) if len(sys.argv) > 1 else 0).start()
    double.cloud.boot_seconds = 8
    sys.stdout.write(f"DIGITALOCEAN_API_URL={double.url}\nA token that it accepts: {TOKEN}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    double.stop()


if __name__ == "__main__":
    main()
