"""What no file in the repository may hold: a package registry's host, a path of the machine it was written on, or too much."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.bootstrap import ROOT

# The ordinary clients know where their registries are; an address in a file would overrule a mirror that a site has set up.
REGISTRIES = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|registry\.npmjs\.(org|com)|api\.nuget\.org|registry-1\.docker\.io|(deb|security|ftp)\.debian\.org|archive\.ubuntu\.com)\b"
)
MACHINE = re.compile("|".join(re.escape(f"{path}/") for path in {str(ROOT), sys.base_prefix}))
MOST_LINES, MOST_TEST_LINES = 400, 600


def files() -> list[Path]:
    """Every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for name in sorted(filter(None, listed.stdout.split("\0"))) if (path := ROOT / name).is_file()]


def problems(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError:
        return
    name = path.relative_to(ROOT)
    for number, line in enumerate(lines, start=1):
        if found := REGISTRIES.search(line):
            yield f"{name}:{number}: names the package registry {found[0]}"
        if found := MACHINE.search(line):
            yield f"{name}:{number}: names {found[0]}, a path of this machine"
    most = MOST_TEST_LINES if name.parts[0] == "tests" else MOST_LINES
    if name.suffix == ".py" and "migrations" not in name.parts and len(lines) > most:
        yield f"{name}: has {len(lines)} lines, more than {most}"


def main() -> int:
    found = [problem for path in files() for problem in problems(path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
