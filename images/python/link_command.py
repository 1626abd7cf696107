"""Link the command of an installed distribution to a fixed path: ``link_command.py NAME TARGET``.

The command is the console script that is named like the distribution, else the only one it has.
"""

import importlib.metadata
import re
import sys
from pathlib import Path


def canonical(name: str) -> str:
    """The normalised form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(name: str, target: str) -> None:
    entries = importlib.metadata.distribution(name).entry_points
    scripts = sorted(entry.name for entry in entries if entry.group == "console_scripts")
    named = [script for script in scripts if canonical(script) == canonical(name)]
    candidates = named or scripts
    if not candidates:
        sys.exit(f"The package {name} has no command to run: it declares no console script.")
    if len(candidates) > 1:
        sys.exit(f"The package {name} has several commands and none is named like it: {', '.join(candidates)}.")
    Path(target).symlink_to(Path(sys.prefix, "bin", candidates[0]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
