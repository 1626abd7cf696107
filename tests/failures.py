"""The list of failed tests that ``make test`` reads, to try a few of them once more."""

from __future__ import annotations

import os
import re
from pathlib import Path

from _pytest.terminal import TerminalReporter

from deploy.local.test import FAILED_LIST


def write_down(reporter: TerminalReporter) -> None:
    """Add what failed to the file that ``make test`` named, if it did; in a worker of pytest-xdist nothing is known of the others."""
    if path := os.environ.get(FAILED_LIST):
        reports = [*reporter.getreports("failed"), *reporter.getreports("error")]
        names = dict.fromkeys(name_of(report.nodeid) for report in reports)
        with Path(path).open("a") as file:
            file.writelines(f"{name}\n" for name in names)


def name_of(node_id: str) -> str:
    """A test's name as pytest takes it: pytest-xdist appends the group that it ran in (``group_of``)."""
    return re.sub(r"@(stack|fleet|/[^@]*\.py)$", "", node_id)
