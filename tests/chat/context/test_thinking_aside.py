"""What the agent's model is asked beside the conversation: summaries of it, and servers' questions; over HTTP, with faults."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from pydantic_ai.messages import BinaryContent, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import Model

from accounts.models import User
from agentopia.lib.errors import AgentopiaError, InvalidInput
from chat.context import sampling
from chat.context.media import Takes
from chat.context.sampling import Sampler, messages_of
from chat.context.summarising import KEPT_TURNS, summarise
from chat.models import Conversation, ModelProvider, Run
from chat.providers.choosing import ModelUse
from chat.providers.models import model_connections, model_of
from tests.chat.conftest import run_in
from tests.chat.context.messages import a_turn
from tests.chat.scripted import Served, scripted
from tests.dtma.agent import eventually

__all__ = ["scripted"]

WINDOW = 4_000


@pytest_asyncio.fixture
async def model(scripted: Served) -> AsyncIterator[Model]:
    """The agent's."""
    provider = ModelProvider(kind=ModelProvider.Kind.OPENAI, name="Scripted", base_url=scripted.url, api_key="key")
    async with model_connections():
        yield model_of(ModelUse(provider, scripted.model))


@pytest.fixture
def talk(transactional_db: None, user: User, conversation: Conversation) -> Conversation:
    return conversation


async def do[T](work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return await database_sync_to_async(work)(*args, **kwargs)


async def talked(talk: Conversation, count: int, **fields: Any) -> None:
    for number in range(count):
        await do(run_in, talk, f"question {number} {'word ' * 150}", messages=a_turn(f"question {number} {'word ' * 150}"), **fields)


async def test_older_turns_are_summarised_and_the_newest_are_not(talk: Conversation, model: Model) -> None:
    await talked(talk, 12)
    done = await summarise(talk, model, WINDOW)
    await do(talk.refresh_from_db)
    assert done.problem == ""
    assert 0 < done.to == talk.summarised_to <= 12 - KEPT_TURNS
    assert "question 0" in talk.summary  # the scripted model says what it was told
    assert done.usage.input_tokens > 0
    again = await summarise(talk, model, WINDOW)
    assert again.to >= done.to


async def test_a_short_conversation_is_left_alone(talk: Conversation, model: Model, scripted: Served) -> None:
    await talked(talk, KEPT_TURNS)
    assert (await summarise(talk, model, WINDOW)).to == 0
    await talked(talk, 2)
    assert (await summarise(talk, model, 10**6)).to == 0
    assert scripted.log == ()


@pytest.mark.parametrize("fault", ["http_500:*", "http_429:*", "disconnect:*", "garbage_sse:*", "empty_reply:*"])
async def test_where_the_model_fails_nothing_is_lost(talk: Conversation, model: Model, scripted: Served, fault: str) -> None:
    await talked(talk, 12)
    scripted.fail(fault)
    done = await summarise(talk, model, WINDOW)
    await do(talk.refresh_from_db)
    if done.problem:
        assert (done.to, talk.summary, talk.summarised_to) == (0, "", 0)
    else:  # a fault that one answer in one piece does not know
        assert talk.summarised_to == done.to > 0


async def test_what_was_replaced_is_in_no_summary(talk: Conversation, model: Model) -> None:
    await talked(talk, 6, is_superseded=True)
    await talked(talk, 6)
    done = await summarise(talk, model, WINDOW)
    await do(talk.refresh_from_db)
    assert done.to >= 7
    assert talk.summary.count("question 0") == 1


async def test_an_edit_meanwhile_wins(talk: Conversation, model: Model, scripted: Served) -> None:
    await talked(talk, 12)
    scripted.fail("slow:*")

    async def begun() -> bool:
        return bool(scripted.log)

    summarising = asyncio.create_task(summarise(talk, model, WINDOW))
    await eventually(begun)
    await do(Run.objects.filter(conversation=talk, number__gte=2).update, is_superseded=True)
    done = await summarising
    await do(talk.refresh_from_db)
    assert done.problem or done.to  # it was done before the edit, or not at all
    assert bool(talk.summary) == (not done.problem)


def question(text: str = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}], "maxTokens": 50, **more}


async def test_a_servers_question_is_answered_by_the_model(model: Model, scripted: Served) -> None:
    found = await Sampler(WINDOW).answer(question(systemPrompt="Be kind."), model, scripted.model)
    assert found.result["role"] == "assistant"
    assert "capital of France" in found.result["content"]["text"]
    assert found.result["stopReason"] == "endTurn"
    assert found.result["model"]
    assert found.usage.output_tokens > 0
    assert not scripted.log[0]["offered"]  # no tools


async def test_there_are_limits(model: Model, scripted: Served) -> None:
    sampler = Sampler(WINDOW, most=2)
    for _ in range(2):
        await sampler.answer(question(), model, "m")
    with pytest.raises(AgentopiaError, match="2 times"):
        await sampler.answer(question(), model, "m")
    with pytest.raises(InvalidInput, match="too much for the model"):
        await Sampler(WINDOW).answer(question("word " * 5000), model, "m")
    assert len(scripted.log) == 2


async def test_one_question_at_a_time(model: Model, scripted: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, asked = 0, 0, sampling._asked

    async def watched(*args: Any) -> ModelResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await asked(*args)
        finally:
            at_once -= 1

    monkeypatch.setattr(sampling, "_asked", watched)
    sampler = Sampler(WINDOW)
    await asyncio.gather(*(sampler.answer(question(), model, "m") for _ in range(5)))
    assert most == 1


async def test_a_model_that_fails_is_said_to(model: Model, scripted: Served) -> None:
    scripted.fail("http_500:*")
    with pytest.raises(AgentopiaError, match="did not answer"):
        await Sampler(WINDOW).answer(question(), model, "m")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"messages": []},
        {"messages": "text"},
        {"messages": [{"role": "system", "content": {"type": "text", "text": "x"}}]},
        {"messages": [{"role": "assistant", "content": {"type": "text", "text": "x"}}]},
        {"messages": [{"role": "user", "content": {"type": "tool_result", "toolUseId": "x"}}]},
        {"messages": [{"role": "user", "content": {"type": "image", "data": "no base64!", "mimeType": "image/png"}}]},
        {"messages": [{"role": "user", "content": None}]},
        question(tools=[{"name": "x", "inputSchema": {}}]),
        {"messages": 51 * [{"role": "user", "content": {"type": "text", "text": "x"}}]},
    ],
)
def test_what_cannot_be_asked_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        messages_of(params, Takes())


def test_pictures_may_be_asked_about() -> None:
    picture = {"type": "image", "data": base64.b64encode(b"x").decode(), "mimeType": "image/png"}
    (message,) = messages_of({"messages": [{"role": "user", "content": [{"type": "text", "text": "This?"}, picture]}]}, Takes())
    assert isinstance(message, ModelRequest)
    (part,) = message.parts
    assert isinstance(part, UserPromptPart)
    assert [type(content) for content in part.content] == [str, BinaryContent]
