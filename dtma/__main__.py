"""``python -m dtma --home DIR``: run the host agent until SIGTERM. Containers outlive it."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import uvloop

import dtma.lean  # noqa: F401 - before what it makes lighter
from dtma.config import ConfigError, load_config
from dtma.first_start import enrol_if_told
from dtma.identity import Identity, Unidentified
from dtma.serving import serve
from dtma.store import Home


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dtma", description="Run MCP servers as isolated containers on this host.")
    parser.add_argument("--home", type=Path, required=True, help="the directory that holds config.json and all state")
    home_path: Path = parser.parse_args().home
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        enrol_if_told(home_path)
        config = load_config(home_path)
        identity = Identity(home_path, config.toolbox)
        home = Home(home_path)
    except (ConfigError, Unidentified) as error:
        sys.exit(str(error))
    uvloop.run(serve(config, home, identity))


if __name__ == "__main__":
    main()
