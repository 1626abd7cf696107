"""The catalogue with 20,000 entries: how long a search takes, and the whole page with what it found.

    .venv/bin/python -m bench.catalog [--entries 20000] [--rounds 5] [--json]

PostgreSQL and Redis are started in a home of their own; the entries that ship and generated ones beside them are loaded
(`bench.catalog.entries`); a user with one toolbox asks for the pages of `bench.catalog.queries`, one after the other, with and without
filters, through Django's test client: the same middleware, view and templates as in a browser. Everything goes at the end.
Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from bench.dtma.figures import Figure
from bench.measured import machine
from deploy.local.engine import ensure_engine
from deploy.local.home import open_home
from deploy.local.processes import ROOT, supervised
from deploy.local.run import end_on_signals
from deploy.local.services import ensure_services
from tests.stack import temporary_home


def measure(chosen: argparse.Namespace) -> list[Figure]:
    """Start the engines, and measure in a process that has Django set up for them."""
    with temporary_home() as folder:
        home = open_home(folder)
        client = ensure_engine()
        state = home.read_state()
        services = ensure_services(home, state, client)
        client.close()
        home.write_state(state)
        with supervised(home, services.programs, {}) as processes:
            services.wait(processes)
            environment = {
                **os.environ,
                "AGENTOPIA_HOME": str(folder),
                "DATABASE_URL": services.database_url,
                "REDIS_URL": services.redis_url,
                "SECRET_KEY": state["secret_key"],
                "DJANGO_SETTINGS_MODULE": "agentopia.settings",
            }
            for command in (["migrate", "--verbosity=0"], ["collectstatic", "--noinput", "--verbosity=0"]):
                subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
            command = [sys.executable, "-m", "bench.catalog.pages", "--entries", str(chosen.entries), "--rounds", str(chosen.rounds)]
            told = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [Figure(**figure) for figure in json.loads(told.splitlines()[-1])]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--entries", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    end_on_signals()
    os.umask(0o022)
    print(machine(), flush=True)
    figures = measure(chosen)
    for figure in figures:
        print(figure)
    print(machine())
    if chosen.json:
        print(json.dumps({figure.what: figure.measured for figure in figures}))
    sys.exit(any(not figure.met for figure in figures))


if __name__ == "__main__":
    main()
