"""What a user's agents used of models in a month, in sum: for each agent, or for each model."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from chat.models import ModelUsage
from chat.providers.months import Month

MOST_LINES = 100
BY: dict[str, tuple[str, ...]] = {"agent": ("agent", "name"), "model": ("provider", "name", "model", "provider__owner")}
"""What can be summed by, with what tells one line from another; the first is what has the ``name``."""
SUMS = {
    "sum_requests": Sum("requests", default=0),
    "sum_input": Sum("input_tokens", default=0),
    "sum_output": Sum("output_tokens", default=0),
    "sum_cost": Sum("cost_usd"),
    "sum_unpriced": Sum("requests", filter=Q(cost_usd=None), default=0),
}


@dataclass(frozen=True)
class Sums:
    """``cost`` is in US dollars, and leaves out the ``unpriced`` requests, whose price is not known; None: that is all of them."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    unpriced: int


@dataclass(frozen=True)
class Line(Sums):
    """What was used by one agent, or of one model of one provider. ``id`` is the agent's or the provider's; None: that was deleted.

    ``name`` is what the agent or the provider is called now, or was called last; ``shared``: the provider is an admin's.
    """

    id: UUID | None
    name: str
    model: str
    shared: bool


def used_by(user: User, month: Month) -> Sums:
    """All that the user's agents used."""
    return _sums(_of(user, month).aggregate(**SUMS))


def used_by_agent(user: User, agent_id: UUID, month: Month) -> Sums:
    """What one of them used."""
    return _sums(_of(user, month).filter(agent=agent_id).aggregate(**SUMS))


def lines(user: User, month: Month, by: str, most: int = MOST_LINES) -> list[Line]:
    """One for each that used something, those that cost most first. ``by`` is a key of `BY`."""
    keys = BY[by]
    named = _of(user, month).annotate(name=Coalesce(f"{keys[0]}__name", f"{keys[0]}_name"))
    rows = named.values(*keys).annotate(**SUMS).order_by(F("sum_cost").desc(nulls_last=True), "-sum_requests", *keys)[:most]
    return [_line(row, row[keys[0]]) for row in rows]


def is_first(user: User, month: Month) -> bool:
    """Whether nothing was used before this month."""
    return not ModelUsage.objects.filter(owner=user, created_at__lt=month.begin).exists()


def _of(user: User, month: Month) -> QuerySet[ModelUsage]:
    return ModelUsage.objects.filter(owner=user, created_at__gte=month.begin, created_at__lt=month.end).order_by()


def _sums(row: dict[str, Any]) -> Sums:
    return Sums(row["sum_requests"], row["sum_input"], row["sum_output"], row["sum_cost"], row["sum_unpriced"])


def _line(row: dict[str, Any], whose: UUID | None) -> Line:
    shared = "provider__owner" in row and row["provider__owner"] is None and whose is not None
    return Line(**vars(_sums(row)), id=whose, name=row["name"], model=row.get("model", ""), shared=shared)
