"""What the use of models cost, and how much of a shared provider a user may use up in a calendar month (UTC)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet, Sum

from accounts.models import User
from agentopia.lib.errors import AgentopiaError
from chat.models import ModelProvider, ModelUsage
from chat.providers.months import Month

NOTHING = Decimal(0)


class BudgetReached(AgentopiaError):
    """A user has used up what an admin allows of a shared provider."""

    code = "budget_reached"
    http_status = 402


@dataclass(frozen=True)
class Spent:
    """In dollars, this month."""

    user: str
    cost: Decimal


def spent(provider: ModelProvider, user: User) -> Decimal:
    """What this user has spent of this provider this month, as far as prices are known."""
    return spent_of([provider.pk], user).get(provider.pk, NOTHING)


def spent_of(providers: Iterable[UUID], user: User) -> dict[UUID, Decimal]:
    """The same of several, in one query; those of which nothing was spent are left out."""
    rows = _paid().filter(owner=user, provider__in=providers).values_list("provider").annotate(cost=Sum("cost_usd"))
    return {provider: cost for provider, cost in rows if provider is not None}


def spenders(provider: ModelProvider, most: int = 10) -> tuple[Decimal, list[Spent]]:
    """What all together spent of it this month, and those who spent most."""
    paid = _paid().filter(provider=provider)
    total = paid.aggregate(cost=Sum("cost_usd"))["cost"] or NOTHING
    rows = paid.values_list("owner__email").annotate(cost=Sum("cost_usd")).order_by("-cost")[:most]
    return total, [Spent(email, cost) for email, cost in rows]


def _paid() -> QuerySet[ModelUsage]:
    """What cost something this month. Runs and conversations are not asked: what was spent stays spent when they are deleted."""
    month = Month.now()
    return ModelUsage.objects.filter(created_at__gte=month.begin, created_at__lt=month.end, cost_usd__gt=0).order_by()


def check(provider: ModelProvider, user: User) -> None:
    """Raises `BudgetReached`. A run that is on its way when the budget is reached may ask once more than it allows."""
    if provider.owner_id is not None or provider.budget_usd is None:
        return
    used = spent(provider, user)
    if used >= provider.budget_usd:
        raise BudgetReached(
            f"You have used up what you may spend of “{provider.name}” this month (${provider.budget_usd:.2f}). It begins anew on the "
            f"first of the next month (UTC); until then choose another model, or add a provider of your own under “Models”."
        )
