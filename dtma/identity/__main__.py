"""Becoming a toolbox, on the command line: a process of its own, so that ``cryptography`` is not in the one that stays.

    python -m dtma.identity enrol --home DIR --control URL --token TOKEN --ca-fingerprint sha256:HEX [--host …] [--port …] [--address …]

What is not given is taken from ``DIR/config.json``, where it is. Exits with 0, or with 1 and one sentence on standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from pydantic import SecretStr

from dtma.config import ConfigError
from dtma.identity.enrolling import NotNow, Refused, Wish, enrol
from dtma.identity.files import IdentityFiles
from dtma.identity.settings import Draft

PATIENCE_SECONDS = 60.0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dtma.identity", description="Make this host a toolbox of a control plane.")
    command = parser.add_subparsers(required=True).add_parser("enrol", help="get a certificate for a one-time token")
    command.add_argument("--home", type=Path, required=True, help="DTMA's home, which need not exist yet")
    command.add_argument("--control", help="the URL of the control plane's listener for toolboxes")
    command.add_argument("--token", help="the one-time token; better left out where others may list this host's processes")
    command.add_argument("--ca-fingerprint", help="sha256:HEX of the control plane's certificate authority")
    command.add_argument("--host", help="the address that DTMA listens on (0.0.0.0)")
    command.add_argument("--port", type=int, help="the port that it listens on (7443)")
    command.add_argument("--address", default="", help="where the control plane reaches this host, if not where its request comes from")
    command.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds to try for while nobody answers (60)")
    chosen = parser.parse_args()
    try:
        asyncio.run(run(chosen))
    except (Refused, NotNow, ConfigError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"The identity could not be written: {error}.")


async def run(chosen: argparse.Namespace) -> None:
    """Enrol, then write down what DTMA starts with."""
    draft = Draft.read(chosen.home).with_given(
        control=chosen.control, token=chosen.token, fingerprint=chosen.ca_fingerprint, host=chosen.host, port=chosen.port
    )
    wish = Wish(draft.control, SecretStr(draft.token), draft.fingerprint, draft.port, chosen.address)
    enrolled = await enrol(IdentityFiles(chosen.home), wish, chosen.patience)
    draft.write(enrolled)


if __name__ == "__main__":
    main()
