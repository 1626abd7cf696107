"""What one run may use up, and what becomes of its events."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from chat.models import ModelUsage, Run, RunEvent
from chat.running import performing, using
from chat.services.forgetting import KEPT, forget_deltas
from chat.tasks import dispatch_due_runs
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, of_kind, step_of

CALLS = [("add", {"a": 1, "b": place}) for place in range(4)]


def ended(place: Place) -> Run:
    place.play(*CALLS)
    run = place.ask()
    check_order(run)
    return run


def test_requests(place: Place, settings: Any) -> None:
    settings.RUN_MAX_REQUESTS = 2
    run = ended(place)
    assert (run.status, run.error_code, run.requests) == (Run.Status.FAILED, "budget_requests", 2)
    assert run.steps.filter(status="succeeded").count() == 2


def test_tokens(place: Place, settings: Any) -> None:
    settings.RUN_MAX_TOKENS = 100
    assert ended(place).error_code == "budget_tokens"


def test_cost(place: Place, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RUN_MAX_COST_USD = 1.5
    monkeypatch.setattr(using, "price_of", lambda *args: Decimal(1))
    run = ended(place)
    assert (run.error_code, run.cost_usd) == ("budget_cost", Decimal(2))
    assert of_kind(run, "usage")[-1]["cost_usd"] == 2.0


def test_time(place: Place, settings: Any) -> None:
    settings.RUN_MAX_SECONDS = 1.0
    gate = place.box.tools["echo"] = Gate()
    place.play(("echo", {"message": "x"}))
    run = place.ask()
    assert (run.status, run.error_code) == (Run.Status.FAILED, "budget_time")
    assert gate.ended.wait(10)
    assert gate.was_cancelled
    assert step_of(run).status == "cancelled"


def test_what_the_provider_may_cost_its_user(place: Place) -> None:
    place.provider.owner, place.provider.budget_usd = None, Decimal("0.01")
    place.provider.save()
    place.ask("Hello")
    ModelUsage.objects.update(cost_usd=Decimal(1))
    run = place.ask("And again")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "budget_reached")
    assert run.error_message


def test_a_mistake_of_our_own_is_no_silence(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(doing: Any) -> str:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(performing, "think", broken)
    run = place.ask("Hello")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "internal_error")
    check_order(run)


def test_pieces_of_texts_are_forgotten_after_a_while(place: Place) -> None:
    run = place.ask("Hello")
    assert forget_deltas() == 0
    Run.objects.update(ended_at=timezone.now() - KEPT - timedelta(seconds=1))
    assert forget_deltas() > 0
    assert not RunEvent.objects.filter(kind="text.delta").exists()
    assert of_kind(run, "text.end")[0]["text"] == "You said: Hello"


def test_what_the_broker_lost_is_handed_over_again(place: Place) -> None:
    run = place.send("Hello")
    place.handed.clear()
    dispatch_due_runs()
    assert place.handed == [run.pk]


def test_a_run_that_its_workers_die_of_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "MOST_ATTEMPTS", 0)
    run = place.ask("Hello")
    assert (run.status, run.error_code) == (Run.Status.FAILED, "interrupted")
