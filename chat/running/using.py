"""What an answer of a model used up: counted to its run, and booked in the ledger of its owner. Nothing else writes either."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import DecimalField, F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from pydantic_ai.usage import RequestUsage

from chat.models import ModelUsage, Run
from chat.providers.choosing import ModelUse, price_of

# What has been deleted meanwhile is left out, since the provider is paid all the same. A later request of the run adds to the row and asks
# for none of these any more, so that it is in nobody's way who deletes them.
_BEGIN = """
INSERT INTO chat_modelusage (
    owner_id, agent_id, agent_name, provider_id, provider_name, model, run_id,
    created_at, requests, input_tokens, output_tokens, cost_usd
) VALUES (
    %(owner)s, (SELECT id FROM agents_agent WHERE id = %(agent)s FOR KEY SHARE), %(agent_name)s,
    (SELECT id FROM chat_modelprovider WHERE id = %(provider)s FOR KEY SHARE), %(provider_name)s, %(model)s,
    (SELECT id FROM chat_run WHERE id = %(run)s FOR KEY SHARE),
    %(now)s, 1, %(input_tokens)s, %(output_tokens)s, %(cost)s
) RETURNING provider_id
"""


@dataclass(frozen=True)
class Used:
    """What one request took of a model; ``told`` is the data of its event: what the run has used in all. None: no price is known."""

    run: Run
    use: ModelUse
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    told: dict[str, Any]


def counted(run: Run, use: ModelUse, usage: RequestUsage) -> Used:
    """Add what one request to this model used to the run as its worker has it; `book` writes it down."""
    cost = price_of(use, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    run.requests += 1
    run.input_tokens += usage.input_tokens
    run.output_tokens += usage.output_tokens
    if cost is not None:
        run.cost_usd = (run.cost_usd or Decimal(0)) + cost
    run.provider_id, run.model = use.provider.pk, use.model
    in_all = {"requests": run.requests, "input_tokens": run.input_tokens, "output_tokens": run.output_tokens}
    told = {**in_all, "cost_usd": None if run.cost_usd is None else float(run.cost_usd)}
    return Used(run, use, usage.input_tokens, usage.output_tokens, cost, told)


def book(used: Used, **fields: Any) -> None:
    """Add it to the run's row, with other ``fields`` of that, and to the ledger, in a transaction of the caller's that holds the run."""
    added = _added(used)
    mine = ModelUsage.objects.filter(run=used.run.pk, provider=used.use.provider.pk, model=used.use.model)
    provider_id = used.use.provider.pk if mine.update(**added) else _begun(used)
    Run.objects.filter(pk=used.run.pk).update(**added, provider_id=provider_id, model=used.use.model, **fields)


def _added(used: Used) -> dict[str, Any]:
    """In the database's own words: what a worker remembers may be less than what is there."""
    added: dict[str, Any] = {
        "requests": F("requests") + 1,
        "input_tokens": F("input_tokens") + used.input_tokens,
        "output_tokens": F("output_tokens") + used.output_tokens,
    }
    if used.cost is not None:
        added["cost_usd"] = Coalesce(F("cost_usd"), Value(Decimal(0)), output_field=DecimalField()) + used.cost
    return added


def _begun(used: Used) -> UUID | None:
    """A row for the run's first request to this model; returns the provider, or None where that is gone."""
    conversation, provider = used.run.conversation, used.use.provider
    entry = {
        "owner": conversation.owner_id,
        "agent": conversation.agent_id,
        "agent_name": conversation.agent_name,
        "provider": provider.pk,
        "provider_name": provider.name,
        "model": used.use.model,
        "run": used.run.pk,
        "now": timezone.now(),
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost": used.cost,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, entry)
        provider_id: UUID | None = cursor.fetchone()[0]
    return provider_id
