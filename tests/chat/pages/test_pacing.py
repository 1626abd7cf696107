"""Many pages at once: what gathers goes in one message, in its order, and nothing of it is left out."""

from __future__ import annotations

import asyncio
import re

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from agents.models import Agent
from chat.models import Conversation, Run
from chat.pages import consumers
from chat.pages.pacing import LONGEST, SHORTEST, Pace
from tests.chat.conftest import run_in
from tests.chat.pages.test_live import Tab, Worker, path_of

PAGES, PIECES = 12, 60


def test_one_page_alone_is_sent_what_there_is_at_once() -> None:
    pace = Pace()
    pace.cost, pace.lag = 0.05, 0.5
    with pace.sending():
        assert pace.pause(0) == SHORTEST
        assert SHORTEST < pace.pause(30_000) < LONGEST
        assert pace.pause(10_000_000) == LONGEST


def test_the_more_there_are_and_the_more_they_cost_the_longer_they_rest() -> None:
    pace = Pace()
    pace.cost, pace.active = 0.002, 50
    few = Pace()
    few.cost, few.active = 0.002, 5
    assert few.pause(0) == SHORTEST
    assert SHORTEST < pace.pause(0) < LONGEST
    pace.cost = 0.01
    assert pace.pause(0) == LONGEST, "a page is never much later than that"
    few.lag = 0.04
    assert SHORTEST < few.pause(0) < LONGEST, "an event loop that is late has others waiting"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cost", [0.0, 1.0])
async def test_all_of_it_comes_in_its_order(user: User, agent: Agent, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
    pace = Pace()
    pace.cost = cost
    monkeypatch.setattr(consumers, "pace", pace)
    made = [await sync_to_async(_running)(user, agent) for _ in range(PAGES)]
    texts = await asyncio.gather(*(_watched(user, conversation, run) for conversation, run in made))
    for told, (_, run) in zip(texts, made, strict=True):
        shown = re.findall(rf"\b{run.pk.hex[:6]}w(\d+)\b", told[-1])
        assert [int(number) for number in shown] == list(range(PIECES)), "the last message has all of the text"
        newest = [int(found[-1]) for text in told[:-1] if (found := re.findall(r"w(\d+)", text))]
        assert newest == sorted(newest)
        assert len(told) < PIECES
    assert pace.active == 0


def _running(user: User, agent: Agent) -> tuple[Conversation, Run]:
    made = Conversation.objects.create(owner=user, agent=agent, agent_name=agent.name)
    return made, run_in(made, status=Run.Status.RUNNING)


async def _watched(user: User, conversation: Conversation, run: Run) -> list[str]:
    """What a page is sent of a run's text, message by message; the last one has all of it."""
    worker, texts = Worker(run), list[str]()
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="")
        words = [f"{run.pk.hex[:6]}w{number} " for number in range(PIECES)]
        for word in words:
            await worker.say("text.delta", part=1, text=word)
        await worker.say("text.end", part=1, text="".join(words) + "end.")
        while not texts or "end." not in texts[-1]:
            texts.append(await tab.next())
    return texts
