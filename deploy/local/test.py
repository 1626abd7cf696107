"""`make test`: PostgreSQL and Redis for the tests, Docker and Chromium made ready, then pytest with everything."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest

from deploy.debian import AptError, install_packages
from deploy.local.engine import ensure_engine
from deploy.local.errors import LaunchError
from deploy.local.home import open_home
from deploy.local.images import ensure_base
from deploy.local.processes import ROOT, supervised
from deploy.local.run import end_on_signals
from deploy.local.services import ensure_services

BUSY = ("tests/e2e", "tests/fleet", "tests/deploy", "tests/dtma", "tests/toolboxes/install", "tests/conformance", "tests/gateway")
"""Tests of whole installations, machines and containers."""
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first takes a fraction of the processor: it has no windows to draw."""
PACKAGES = ("chromium-headless-shell", "chromium")
MOST_AGAIN = 12
"""If no more tests than this fail of the whole suite, their files are run once more, with nothing else running."""
FAILED_LIST = "AGENTOPIA_FAILED_LIST"
"""The environment variable with the path of the file that names the failed tests, a line each (``tests/failures.py``)."""

PROGRAMS = {
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "faketime": "faketime",
    "ip": "iproute2",
    "openssl": "openssl",
}
"""What tests of the host agent need of the system, with its package: machines to install on, images to pull, a clock that jumps, networks,
certificates.
"""


def find_browser() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def ensure_browser() -> str:
    """The path of a Chromium, installed where that is allowed. Raises LaunchError."""
    if path := find_browser():
        return path
    for package in PACKAGES:  # not every system has the first one
        try:
            install_packages([package, "fonts-liberation"])
        except AptError as error:
            if package == PACKAGES[-1]:
                raise LaunchError(f"The tests drive a real Chromium: {error}") from error
        if path := find_browser():
            return path
    raise LaunchError("The tests drive a real Chromium, and its package brought none: install one and run this again.")


def ensure_driver() -> None:
    """Make playwright's own Node.js run: small systems lack a library that it needs. Raises LaunchError."""
    version = [sys.executable, "-m", "playwright", "--version"]
    if subprocess.run(version, capture_output=True).returncode == 0:
        return
    try:
        install_packages(["libatomic1"])
    except AptError as error:
        raise LaunchError(f"playwright, which drives Chromium in the tests, does not run: {error}") from error
    tried = subprocess.run(version, capture_output=True, text=True)
    if tried.returncode != 0:
        raise LaunchError(f"playwright, which drives Chromium in the tests, does not run: {tried.stderr.strip()}")


def passes(arguments: list[str]) -> list[list[str]]:
    """What pytest is started with, one after the other. The whole suite is run by several processes: first what keeps the processors
    busy, then the rest, much of which waits for a database.
    """
    if arguments:
        return [arguments]
    processors, spread = max(2, os.cpu_count() or 1), ["--dist=loadgroup", "--no-loadscope-reorder"]
    busy = [f"--numprocesses={processors}", *spread, *BUSY]
    return [busy, [f"--numprocesses={processors + 1}", *spread, *(f"--ignore={folder}" for folder in BUSY)]]


def ensure_programs() -> None:
    """Install what the tests use of the system, before several processes might at once. Raises LaunchError."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        try:
            install_packages(missing)
        except AptError as error:
            raise LaunchError(f"The tests need {', '.join(missing)}: {error}") from error


def run_all(arguments: list[str], environment: dict[str, str], failed: Path) -> int:
    """The exit code of all passes: a failed test ends none of them, anything else ends all. Of the whole suite a few failed tests are tried
    once more.
    """
    failed.unlink(missing_ok=True)
    worst = 0
    for given in passes(arguments):
        code = run_pytest(given, environment | {FAILED_LIST: str(failed)})
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return code
        worst = max(worst, code)
    return worst if arguments or worst == pytest.ExitCode.OK else run_again(failed, environment)


def run_again(failed: Path, environment: dict[str, str]) -> int:
    """The exit code of the files of a few failed tests, alone; the tests of some files stand on one another. The suite keeps the processors
    busy for its whole time, and what waits for real machines may come too late there. Which tests needed it is said, since a test that
    fails now and then is a fault to be mended, here or in what it tests.
    """
    names = failed.read_text().splitlines() if failed.exists() else []
    if not 0 < len(names) <= MOST_AGAIN:
        return int(pytest.ExitCode.TESTS_FAILED)
    print(f"\n{len(names)} failed while everything ran, and their files are run once more, alone:", *names, sep="\n  ", flush=True)
    code = run_pytest(list(dict.fromkeys(name.partition("::")[0] for name in names)), environment)
    if code == pytest.ExitCode.OK:
        print("Failed at first and passed alone:", *names, sep="\n  ", flush=True)
    return code


def run_pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """pytest's exit code. Ctrl-C reaches pytest by itself; another signal is handed on, so that its fixtures clean up."""
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL
    )

    def hand_on(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            tests.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    return tests.wait()


def test(arguments: list[str]) -> int:
    """Raises LaunchError."""
    home = open_home(Path(os.environ.get("AGENTOPIA_TEST_HOME") or ROOT / "var" / "test"))
    with home.locked("the tests"):
        os.umask(0o022)
        client = ensure_engine()
        ensure_base(client)
        browser = ensure_browser()
        ensure_driver()
        ensure_programs()
        state = home.read_state()
        services = ensure_services(home, state, client, durable=False)
        client.close()
        home.write_state(state)
        with supervised(home, services.programs, {}) as processes:
            services.wait(processes)
            environment = {
                "AGENTOPIA_HOME": str(home.path),
                "DATABASE_URL": services.database_url,
                "REDIS_URL": services.redis_url,
                "SECRET_KEY": state["secret_key"],
                "CHROMIUM": browser,
            }
            return run_all(arguments, environment, home.path / "failed")


def main() -> None:
    end_on_signals()
    try:
        sys.exit(test(sys.argv[1:]))
    except LaunchError as error:
        sys.exit(f"The tests cannot run: {error}")


if __name__ == "__main__":
    main()
