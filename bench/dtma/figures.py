"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured number and, where there is one, the target that it must not exceed (or, with ``at_least``, fall below)."""

    what: str
    measured: float
    unit: str
    target: float | None = None
    at_least: bool = False
    work: str = ""
    """What was done to measure it."""

    @property
    def met(self) -> bool:
        """Whether it keeps its target; a figure without one always does."""
        if self.target is None:
            return True
        return self.measured >= self.target if self.at_least else self.measured <= self.target

    def __str__(self) -> str:
        target = verdict = ""
        if self.target is not None:
            target = f"{'≥' if self.at_least else '≤'} {self.target:g} {self.unit}"
            verdict = "met" if self.met else "NOT MET"
        return f"{self.what:<56} {self.measured:>9.2f} {self.unit:<8} {target:<14} {verdict:<8} {self.work}"
