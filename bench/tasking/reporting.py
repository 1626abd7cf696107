"""What came of the tasks, mode by mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.tasking.modes import NOTHING
from bench.tasking.servers import Held

TARGET, TARGET_FAULTS = 0.95, 0.9


@dataclass(frozen=True)
class Outcome:
    """One task in one mode. Without a `reason` it was done; `trouble` is what happened on the way."""

    mode: str
    task: str
    seconds: float
    calls: int
    reason: str = ""
    trouble: str = ""

    def __str__(self) -> str:
        told = f"  {self.reason}" * bool(self.reason) + f"  [{self.trouble}]" * bool(self.trouble and self.reason)
        return f"{self.mode:<16} {self.task:<8} {'FAILED' if self.reason else 'done'}  {self.seconds:6.1f} s  {self.calls:3} calls{told}"


@dataclass
class Report:
    """All outcomes, and what they were measured with."""

    model: str
    held: Held
    outcomes: list[Outcome] = field(default_factory=list)
    offered: Sequence[int] = ()

    def share(self, mode: str) -> float:
        """How many of the tasks were done in a mode, from 0 to 1."""
        those = [outcome for outcome in self.outcomes if outcome.mode == mode]
        return sum(not outcome.reason for outcome in those) / len(those)

    @property
    def faults(self) -> dict[str, float]:
        """The shares with faults, by mode."""
        return {mode: self.share(mode) for mode in dict.fromkeys(outcome.mode for outcome in self.outcomes) if mode != NOTHING.name}

    @property
    def met(self) -> bool:
        return self.share(NOTHING.name) >= TARGET and min(self.faults.values(), default=1.0) >= TARGET_FAULTS

    @property
    def tasks(self) -> int:
        return len({outcome.task for outcome in self.outcomes})

    def as_json(self) -> dict[str, Any]:
        return {
            "success": self.share(NOTHING.name),
            "success_faults": min(self.faults.values(), default=None),
            "tasks": self.tasks,
            "faults": self.faults,
            "model": self.model,
            "servers": len(self.held.ids),
            "tools": sum(self.held.tools.values()),
            "seconds": sum(outcome.seconds for outcome in self.outcomes),
            "failures": [vars(outcome) for outcome in self.outcomes if outcome.reason],
        }

    def __str__(self) -> str:
        lines = [f"\n{self.tasks} tasks by {self.model}, with an agent that holds {self.held}"]
        if self.offered:
            lines.append(f"A request to the model offers {min(self.offered)} to {max(self.offered)} tools.")
        lines.append(f"done: {self.share(NOTHING.name):.1%} (at least {TARGET:.0%})")
        lines += [f"with {mode}: {share:.1%} (at least {TARGET_FAULTS:.0%})" for mode, share in self.faults.items()]
        return "\n".join([*lines, *(str(outcome) for outcome in self.outcomes if outcome.reason)])
