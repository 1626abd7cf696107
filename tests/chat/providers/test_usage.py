"""What models were used for and cost, in sum: months, agents, models, and of nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from agentopia.lib.errors import InvalidInput
from agents.models import Agent
from agents.services.agents import change_agent, create_agent, delete_agent
from chat.models import ModelUsage
from chat.providers.months import Month
from chat.providers.services import change_provider, remove_provider
from chat.providers.spending import spenders, spent_of
from chat.providers.usage import Line, is_first, lines, used_by, used_by_agent
from tests.chat.providers.conftest import AddProvider, used

pytestmark = pytest.mark.django_db
NOW = Month.now()


def told(rows: list[Line]) -> list[tuple[str, str, int, Decimal | None, int]]:
    return [(row.name, row.model, row.requests, row.cost, row.unpriced) for row in rows]


def test_months() -> None:
    assert (str(Month(2026, 1).previous), str(Month(2026, 12).next), str(Month.parse("2026-11"))) == ("2025-12", "2027-01", "2026-11")
    assert (Month(2026, 12).begin, Month(2026, 12).end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert Month(2025, 12) < Month(2026, 1) <= NOW


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "1999-01", "٢٠٢٦-١١", "2026-11-01", "2026-11\n"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(InvalidInput, match="as in 2026-11") as caught:
        Month.parse(text)
    assert caught.value.fields.keys() == {"month"}


def test_by_agent_and_by_model(user: User, agent: Agent, add: AddProvider) -> None:
    mine, shared = add("Mine"), add("Shared", owner=None)
    other = create_agent(owner=user, name="Other")
    used(user, mine, "0.5", agent, input_tokens=1000, output_tokens=200, requests=3)
    used(user, mine, "0.25", other)
    used(user, mine, None, agent, model="local", requests=2)
    used(user, shared, "2", other)
    by_agent, by_model = lines(user, NOW, "agent"), lines(user, NOW, "model")
    assert told(by_agent) == [("Other", "", 2, Decimal("2.25"), 0), ("Helper", "", 5, Decimal("0.5"), 2)]
    assert [row.id for row in by_agent] == [other.pk, agent.pk]
    assert told(by_model) == [
        ("Shared", "model-small", 1, Decimal(2), 0), ("Mine", "model-small", 4, Decimal("0.75"), 0), ("Mine", "local", 2, None, 2),
    ]  # fmt: skip
    assert [(row.id, row.shared) for row in by_model] == [(shared.pk, True), (mine.pk, False), (mine.pk, False)]
    assert (by_model[1].input_tokens, by_model[1].output_tokens) == (1100, 210)
    total = used_by(user, NOW)
    assert (total.requests, total.input_tokens, total.output_tokens, total.cost, total.unpriced) == (7, 1300, 230, Decimal("2.75"), 2)
    assert used_by_agent(user, agent.pk, NOW).requests == 5
    assert lines(user, NOW, "model", most=2) == by_model[:2]


def test_nothing(user: User, agent: Agent) -> None:
    assert (lines(user, NOW, "agent"), lines(user, NOW, "model"), is_first(user, NOW)) == ([], [], True)
    total = used_by(user, NOW)
    assert (total.requests, total.input_tokens, total.cost, total.unpriced) == (0, 0, None, 0)


def test_a_month_has_its_first_moment_and_not_the_next_ones(user: User, add: AddProvider) -> None:
    provider, moment = add(), timedelta(microseconds=1)
    month = Month(2026, 2)
    for at, model in ((month.begin - moment, "before"), (month.begin, "first"), (month.end - moment, "last"), (month.end, "after")):
        used(user, provider, "1", created_at=at, model=model)
    assert sorted(row.model for row in lines(user, month, "model")) == ["first", "last"]
    assert [row.model for row in lines(user, month.previous, "model")] == ["before"]
    assert [row.model for row in lines(user, month.next, "model")] == ["after"]
    assert [is_first(user, each) for each in (month.previous, month, month.next)] == [True, False, False]
    assert spent_of([provider.pk], user) == {}


def test_what_is_renamed_is_one_thing_and_what_is_deleted_keeps_its_name(user: User, agent: Agent, add: AddProvider) -> None:
    provider = add("Mine")
    used(user, provider, "1", agent)
    change_agent(owner=user, agent_id=agent.pk, name="Renamed")
    change_provider(owner=user, provider_id=provider.pk, name="Also renamed")
    agent.name = provider.name = "Renamed"
    used(user, provider, "1", agent)
    assert [(row.name, row.requests) for row in lines(user, NOW, "agent")] == [("Renamed", 2)]
    assert [(row.name, row.requests) for row in lines(user, NOW, "model")] == [("Also renamed", 2)]
    delete_agent(owner=user, agent_id=agent.pk)
    remove_provider(owner=user, provider_id=provider.pk)
    assert sorted((row.name, row.id) for row in lines(user, NOW, "agent")) == [("Helper", None), ("Renamed", None)]
    assert sorted((row.name, row.id, row.shared) for row in lines(user, NOW, "model")) == [("Mine", None, False), ("Renamed", None, False)]
    assert used_by(user, NOW).cost == Decimal(2)


def test_of_others_nothing_is_told(user: User, stranger: User, agent: Agent, add: AddProvider) -> None:
    shared = add("Shared", owner=None)
    used(user, shared, "1", agent)
    used(stranger, shared, "2")
    assert used_by(user, NOW).cost == Decimal(1)
    assert [row.cost for row in lines(stranger, NOW, "agent")] == [Decimal(2)]
    assert used_by_agent(stranger, agent.pk, NOW).requests == 0
    assert [(each.user, each.cost) for each in spenders(shared)[1]] == [("eve@example.org", Decimal(2)), ("ada@example.org", Decimal(1))]
    stranger.delete()
    assert ModelUsage.objects.get().owner == user
