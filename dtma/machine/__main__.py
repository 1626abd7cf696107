"""``agentopia-dtma status | upgrade | uninstall [--keep-volumes]``. Exits with 0, or with 1 and one sentence on standard error."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from dtma.config import ConfigError
from dtma.errors import EngineUnavailable
from dtma.machine.leaving import leave
from dtma.machine.places import PATIENCE_SECONDS, Problem
from dtma.machine.settling import settle
from dtma.machine.status import status
from dtma.machine.upgrading import upgrade

type Act = Callable[[argparse.Namespace], object]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="agentopia-dtma", description="Look after the host agent that makes this machine a toolbox.")
    commands = parser.add_subparsers(required=True, metavar="status | upgrade | uninstall")
    _add(commands, "status", lambda _: status(), "say whether it runs and answers")
    upgrading = _add(commands, "upgrade", lambda chosen: upgrade(chosen.patience), "take the newest release of the control plane")
    leaving = _add(
        commands, "uninstall", lambda chosen: asyncio.run(leave(keep_volumes=chosen.keep_volumes)), "remove it from this machine"
    )
    leaving.add_argument("--keep-volumes", action="store_true", help="leave what MCP servers have stored")
    # For the install script and for `upgrade`.
    settling = _add(commands, "settle", lambda chosen: settle(chosen.patience), None)
    for command in (upgrading, settling):
        command.add_argument(
            "--patience", type=float, default=PATIENCE_SECONDS, help=f"seconds until it must answer ({PATIENCE_SECONDS:.0f})"
        )
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("agentopia-dtma needs root: run it with sudo.")
    os.chdir(Path("/"))  # what it was called in may go
    try:
        chosen.act(chosen)
    except (Problem, ConfigError, EngineUnavailable) as error:
        sys.exit(str(error))


def _add(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, act: Act, what: str | None) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=what) if what else commands.add_parser(name)
    command.set_defaults(act=act)
    return command


if __name__ == "__main__":
    main()
