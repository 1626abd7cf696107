"""Calendar months, which the use of models is counted by. They are those of UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from django.utils import timezone

from agentopia.lib.errors import InvalidInput

WRITTEN = re.compile(r"(2\d{3})-(0[1-9]|1[0-2])", re.ASCII)
PROBLEM = "Write a month as in 2026-11: the year, a hyphen, and the month with two digits."


@dataclass(frozen=True, order=True)
class Month:
    """``month`` is from 1 to 12. Its text is that of ISO 8601: ``2026-11``."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @classmethod
    def now(cls) -> Self:
        """The one that it is."""
        now = timezone.now().astimezone(UTC)
        return cls(now.year, now.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidInput`, which names ``month``."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise InvalidInput(f"month: {PROBLEM}", fields={"month": PROBLEM})
        return cls(int(found[1]), int(found[2]))

    @property
    def begin(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The beginning of the next, which is no part of it."""
        return self.next.begin

    @property
    def next(self) -> Self:
        return self._shifted(1)

    @property
    def previous(self) -> Self:
        return self._shifted(-1)

    def _shifted(self, months: int) -> Self:
        year, month = divmod(12 * self.year + self.month - 1 + months, 12)
        return type(self)(year, month + 1)
