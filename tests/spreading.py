"""Which tests go together where several processes run them, and which of them begin."""

from __future__ import annotations

import pytest

LONGEST_FIRST = ("fleet", "deploy", "install", "hosts", "e2e", "conformance", "dtma", "gateway")
"""Folders whose tests wait for whole machines, stacks and containers."""


def group_of(item: pytest.Item) -> str:
    """What must run in one process, in this order."""
    if "stack" in getattr(item, "fixturenames", ()):
        return "stack"
    return "fleet" if "fleet" in item.path.parts else str(item.path)


def rank_of(item: pytest.Item) -> int:
    """The lower, the sooner."""
    if "stack" in getattr(item, "fixturenames", ()):
        return 0
    return next((rank for rank, folder in enumerate(LONGEST_FIRST, 1) if folder in item.path.parts), len(LONGEST_FIRST) + 1)
