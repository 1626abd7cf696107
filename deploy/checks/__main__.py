"""`make check`: everything that can be told without running Agentopia. Prints what failed; exit code 1 where something did."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from deploy.bootstrap import ROOT

PYTHON = sys.executable

# The slowest first, so that the others run beside it.
CHECKS = {
    "types": [PYTHON, "-m", "mypy"],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "imports": [PYTHON, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"],
    "migrations": [PYTHON, "-m", "deploy.checks.migrations"],
    "django": [PYTHON, "-m", "deploy.checks.system"],
    "template style": [PYTHON, "-m", "djlint", "--lint", "--quiet", "templates"],
    "templates": [PYTHON, "-m", "deploy.checks.templates"],
    "links": [PYTHON, "-m", "deploy.checks.links"],
    "tracked files": [PYTHON, "-m", "deploy.checks.tracked"],
    "locks": [PYTHON, "-m", "deploy.checks.locks"],
}

# None of the checks needs the engines, but the settings want to be told where they would be.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "agentopia.settings",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "only-for-the-checks-which-sign-and-encrypt-nothing",
    "NO_COLOR": "1",
}


def run(name: str) -> bool:
    """Whether the check passed; its output is printed only where it did not."""
    start = time.monotonic()
    done = subprocess.run(
        CHECKS[name], cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    verdict = "ok" if done.returncode == 0 else "FAILED"
    details = "" if done.returncode == 0 else f"\n{done.stdout}{done.stderr}".rstrip()
    print(f"{name:<16}{verdict:<8}{time.monotonic() - start:5.1f} s{details}", flush=True)
    return done.returncode == 0


def main() -> int:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        verdicts = list(pool.map(run, CHECKS))
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
