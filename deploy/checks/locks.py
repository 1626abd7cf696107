"""The locks under `requirements/`: `--write` makes them anew from pyproject.toml, without it they are checked to be in step.

A lock opens with a digest of what pyproject.toml asks for, so that the check needs no network.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tomllib

from deploy.bootstrap import LOCKS, ROOT, VENV, pip_settings

# Lock -> what uv compiles into it. The development lock holds the very versions of the run lock.
SOURCES = {
    "run": ["pyproject.toml"],
    "dev": ["pyproject.toml", "--group", "dev", "--constraint", "requirements/run.txt"],
    "installer": ["--group", "installer"],
}
OPTIONS = ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header", "--universal", "--python-version", "3.12", "--quiet"]


def header() -> str:
    """The first line of every lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [project["project"]["requires-python"], project["project"]["dependencies"], project["dependency-groups"]]
    return f"# Made by `make lock` from pyproject.toml, digest {hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]}\n"


def write(arguments: list[str]) -> int:
    """Make every lock anew, keeping the versions that still fit; `arguments` go to uv (`--upgrade`)."""
    # A lock must not depend on the wheels that one machine happens to hold, so its extra places to look are left out.
    settings = {name: value for name, value in pip_settings().items() if name not in ("UV_INDEX", "UV_FIND_LINKS")}
    environment = {"UV_SYSTEM_CERTS": "1", **settings, **os.environ}
    for name, sources in SOURCES.items():
        lock = LOCKS / f"{name}.txt"
        command = [str(VENV / "bin" / "uv"), "pip", "compile", *sources, *OPTIONS, "--output-file", f"requirements/{name}.txt", *arguments]
        made = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        if made.returncode != 0:
            return made.returncode
        lock.write_text(header() + lock.read_text())
    return 0


def stale() -> list[str]:
    """The locks that were not made from the present pyproject.toml."""
    return [name for name in SOURCES if not (LOCKS / f"{name}.txt").read_text().startswith(header())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options, rest = parser.parse_known_args()
    if options.write:
        return write(rest)
    for name in stale():
        print(f"requirements/{name}.txt is not in step with pyproject.toml: run `make lock`.")
    return 1 if stale() else 0


if __name__ == "__main__":
    sys.exit(main())
