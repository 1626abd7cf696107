"""Calls that go round in circles: the same call, with the same arguments and the same outcome, again and again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chat.models import Step

FAILURES_TOLD, FAILURES_MOST = 3, 5
REPEATS_TOLD, REPEATS_MOST = 5, 10
"""The same answer may be what is waited for to change, so it may come more often."""


@dataclass
class Repeats:
    """What was called in one run, and what came of it, by how often."""

    seen: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, arguments: Any, step: Step) -> tuple[int, bool]:
        """Note a call that has ended; returns how often it ended so, and whether that is too often."""
        succeeded = step.status == Step.Status.SUCCEEDED
        outcome = step.result if succeeded else [step.error_code, step.error_message]
        text = json.dumps([name, arguments, succeeded, outcome], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        self.seen[key] += 1
        return self.seen[key], self.seen[key] >= (REPEATS_MOST if succeeded else FAILURES_MOST)


def warning(step: Step, times: int) -> str:
    """What the model is told with the outcome; empty while it is early."""
    if step.status == Step.Status.SUCCEEDED:
        if times < REPEATS_TOLD:
            return ""
        return f"(You made this same call {times} times, and got the same result each time. Use it, or do something else.)"
    if times < FAILURES_TOLD:
        return ""
    return f"(This same call failed in the same way {times} times. Do not make it again as it is: change it, or do without it and say so.)"
