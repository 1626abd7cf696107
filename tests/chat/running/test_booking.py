"""What answers of models use up is counted to the run and booked in the ledger, once, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from pydantic_ai.usage import RequestUsage

from accounts.models import User
from agents.services.agents import delete_agent
from chat.context import summarising
from chat.models import ModelChoice, ModelProvider, ModelUsage, Run
from chat.providers.choosing import BudgetReached, ModelUse, check_budget
from chat.providers.services import remove_provider
from chat.running import using
from chat.running.remembering import add
from chat.running.using import book, counted
from chat.services.conversations import delete_conversation
from tests.chat.running.box import Talk
from tests.chat.running.conftest import Place, of_kind, scripted_provider, until
from tests.chat.running.test_resuming import ECHO, killed_in_the_middle

TOOK = RequestUsage(input_tokens=100, output_tokens=10)

type Prices = Callable[..., None]


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> Prices:
    """What one request costs, by the names of providers; of others no price is known."""

    def are(**costs: str) -> None:
        known = {name: Decimal(cost) for name, cost in costs.items()}
        monkeypatch.setattr(using, "price_of", lambda use, *tokens: known.get(use.provider.name))

    return are


def booked(run: Run | None) -> list[tuple[str, int, Decimal | None]]:
    rows = ModelUsage.objects.filter(run=run).order_by("pk")
    return [(row.provider_name, row.requests, row.cost_usd) for row in rows]


def check_sums(run: Run) -> None:
    """The ledger says what the run does, and that is what its events told."""
    rows = ModelUsage.objects.filter(run=run)
    for name in ("requests", "input_tokens", "output_tokens"):
        assert sum(getattr(row, name) for row in rows) == getattr(run, name) == of_kind(run, "usage")[-1][name], name
    assert run.input_tokens > 0
    assert sum(row.cost_usd or 0 for row in rows) == (run.cost_usd or 0)


def second_provider(place: Place, name: str = "Second") -> ModelProvider:
    """Another one, which the agent goes on with where its own fails."""
    other = scripted_provider(place.user, place.model, name)
    for position, provider in enumerate((place.provider, other)):
        ModelChoice.objects.create(agent=place.agent, position=position, provider=provider, model=place.model.model)
    return other


def test_each_provider_is_booked_what_it_answered(place: Place, prices: Prices) -> None:
    prices(Scripted="1.5", Second="0.25")
    second = second_provider(place)
    place.play(("echo", {"message": "one"}), ("add", {"a": 2, "b": 3}))
    place.model.fail("http_400@1")
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert booked(run) == [("Scripted", 1, Decimal("1.5")), ("Second", 2, Decimal("0.5"))]
    assert (run.provider_id, run.cost_usd) == (second.pk, Decimal(2))
    check_sums(run)
    row = ModelUsage.objects.filter(run=run).earliest("pk")
    assert (row.owner, row.agent, row.agent_name, row.model) == (place.user, place.agent, place.agent.name, place.model.model)
    assert run.started_at is not None
    assert run.started_at <= row.created_at


def test_where_one_has_no_price_the_other_counts(place: Place, prices: Prices) -> None:
    prices(Second="0.25")
    second_provider(place)
    place.play(("echo", {"message": "one"}))
    place.model.fail("http_400@1")
    run = place.ask()
    assert booked(run) == [("Scripted", 1, None), ("Second", 1, Decimal("0.25"))]
    assert run.cost_usd == Decimal("0.25")


def test_a_model_that_is_free_costs_nothing_and_not_nobody_knows_what(place: Place, prices: Prices) -> None:
    prices(Scripted="0")
    run = place.ask("Hello")
    assert (run.cost_usd, booked(run)) == (Decimal(0), [("Scripted", 1, Decimal(0))])


def test_after_a_worker_was_killed_everything_is_counted_once(place: Place) -> None:
    run = killed_in_the_middle(place, ECHO)
    assert run.requests == len(of_kind(run, "usage")) == 3
    assert booked(run) == [("Scripted", 3, None)]
    check_sums(run)


def test_what_a_worker_remembers_takes_nothing_back(place: Place, prices: Prices) -> None:
    prices(Scripted="1")
    run = place.ask("Hello")
    before = run.input_tokens
    use = ModelUse(place.provider, "scripted-1")
    remembered = [Run.objects.select_related("conversation").get(pk=run.pk) for _ in range(2)]
    for each in remembered:
        with transaction.atomic():
            book(counted(each, use, TOOK))
    run.refresh_from_db()
    assert (run.requests, run.input_tokens, run.cost_usd) == (3, before + 200, Decimal(3))
    assert booked(run) == [("Scripted", 3, Decimal(3))]


def test_what_servers_ask_is_booked(place: Place, prices: Prices) -> None:
    async def samples(arguments: dict[str, Any], talk: Talk) -> str:
        params = {"messages": [{"role": "user", "content": {"type": "text", "text": "A word?"}}], "maxTokens": 50}
        answer = await talk.ask("sampling/createMessage", params)
        return str(answer["result"]["content"]["text"])

    prices(Scripted="0.5")
    place.box.talking["echo"] = samples
    place.play(("echo", {"message": "x"}), answer={"$py": "r['c0']"})
    run = place.ask()
    assert booked(run) == [("Scripted", 3, Decimal("1.5"))]
    check_sums(run)


def test_a_summary_is_booked_though_the_answer_had_no_price(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarising, "KEPT_TURNS", 1)
    monkeypatch.setattr(summarising, "SHARE", 0)
    place.ask("Hello")
    answers = iter([None, Decimal("0.75")])
    monkeypatch.setattr(using, "price_of", lambda *args: next(answers))
    run = place.ask("And again")
    place.conversation.refresh_from_db()
    assert place.conversation.summary
    assert (run.requests, run.cost_usd) == (2, Decimal("0.75"))
    assert booked(run) == [("Scripted", 2, Decimal("0.75"))]
    assert run.input_tokens > of_kind(run, "usage")[-1]["input_tokens"]


def test_deleting_a_conversation_gives_no_budget_back(place: Place, prices: Prices, stranger: User) -> None:
    prices(Scripted="1")
    place.provider.owner, place.provider.budget_usd = None, Decimal("0.5")
    place.provider.save()
    place.ask("Hello")
    delete_conversation(user=place.user, conversation_id=place.conversation.pk)
    assert booked(None) == [("Scripted", 1, Decimal(1))]
    use = ModelUse(place.provider, place.provider.default_model)
    with pytest.raises(BudgetReached):
        check_budget(use, place.user)
    check_budget(use, stranger)


def test_whatever_was_deleted_meanwhile_a_summary_is_booked(place: Place, prices: Prices) -> None:
    prices(Scripted="1")
    run = Run.objects.select_related("conversation").get(pk=place.ask("Hello").pk)
    use, name = ModelUse(place.provider, "scripted-1"), place.agent.name
    remove_provider(owner=place.user, provider_id=place.provider.pk)
    add(counted(run, use, TOOK))
    run.refresh_from_db()
    assert (run.provider, run.requests, run.cost_usd) == (None, 2, Decimal(2))
    delete_agent(owner=place.user, agent_id=place.agent.pk)
    add(counted(run, use, TOOK))
    delete_conversation(user=place.user, conversation_id=place.conversation.pk)
    add(counted(run, use, TOOK))
    rows = ModelUsage.objects.all()
    assert {(row.agent_id, row.agent_name, row.provider_id, row.provider_name, row.run_id) for row in rows} == {
        (None, name, None, "Scripted", None)
    }
    assert [row.cost_usd for row in rows] == [Decimal(1)] * 4


def test_a_provider_is_removed_in_the_moment_in_which_it_is_first_used(place: Place) -> None:
    run = Run.objects.select_related("conversation").get(pk=place.ask("Hello").pk)
    second = scripted_provider(place.user, place.model, "Second")
    removing = threading.Thread(target=in_a_thread(lambda: remove_provider(owner=place.user, provider_id=second.pk)))
    with transaction.atomic():
        book(counted(run, ModelUse(second, "scripted-1"), TOOK))
        removing.start()
        until(lambda: waiting_backends() > 0)
    removing.join()
    assert not ModelProvider.objects.filter(pk=second.pk).exists()
    assert booked(run) == [("Scripted", 1, None), ("Second", 1, None)]
    run.refresh_from_db()
    assert (run.provider, run.requests) == (None, 2)


def in_a_thread(work: Callable[[], None]) -> Callable[[], None]:
    """With a connection that ends with it."""

    def do() -> None:
        try:
            work()
        finally:
            connection.close()

    return do


def waiting_backends() -> int:
    """How many of the database's sessions wait for a lock of another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return int(cursor.fetchone()[0])
