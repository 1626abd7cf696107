"""The tools that are Agentopia's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async

from accounts.models import User
from agentopia.lib.errors import InvalidInput, NotFound
from agents.toolsets import cache
from agents.toolsets.cache import toolset_of
from chat.context.marking import opened
from chat.context.own_tools import called, found, read
from chat.context.results import for_model, reference_of
from chat.models import Conversation, Run
from mcp_registry.models import McpServer
from tests.agents.granting import agent_with, tell_tools, tool
from tests.chat.conftest import step_in


async def test_tools_are_found_by_what_they_do(user: User, make_server: Callable[..., McpServer], transactional_db: None) -> None:
    def prepared() -> Any:
        cache.forget()
        server = make_server(name="box")
        tell_tools(server, [tool(f"turn_{number}", "Turns a wheel.") for number in range(30)] + [tool("forecast", "Tells the weather.")])
        return agent_with(user, server).pk

    toolset = await toolset_of(await database_sync_to_async(prepared)())
    text, tools = await found(toolset, "what will the weather be", 3)
    told = json.loads(text)["tools"]
    assert told[0]["name"] == tools[0].name == "box__forecast"
    assert told[0]["inputSchema"]["properties"].keys() == {"path"}
    assert len(told) == 3
    assert len(json.loads((await found(toolset, "wheel", 99))[0])["tools"]) == 10


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"name": "a__b", "arguments": {"x": 1}}, ("a__b", {"x": 1})),
        ({"name": "a__b", "arguments": '{"x": 1}'}, ("a__b", {"x": 1})),
        ({"name": "a__b", "arguments": "not json"}, ("a__b", "not json")),
        ({"name": "a__b", "x": 1}, ("a__b", {"x": 1})),
        ({"name": "a__b"}, ("a__b", {})),
        ({"tool_name": "a__b", "parameters": {"x": 1}}, ("a__b", {"x": 1})),
    ],
)
def test_a_call_by_name_is_understood(arguments: Any, expected: Any) -> None:
    assert called(arguments) == expected


@pytest.mark.parametrize("arguments", [None, "a__b", {}, {"name": ""}, {"name": 7}])
def test_a_call_without_a_name_is_not(arguments: Any) -> None:
    with pytest.raises(InvalidInput):
        called(arguments)


def test_a_long_result_is_read_on_from_where_it_was_cut(run: Run, conversation: Conversation) -> None:
    text = "\n".join(f"line {number}: {'word ' * 8}" for number in range(3000))
    result = {"content": [{"type": "text", "text": text}]}
    step = step_in(run, result=result)
    assert for_model(step, result, tokens=4_000).is_cut
    gathered, offset = "", 0
    for _ in range(100):
        whole = opened(read(conversation.pk, reference_of(step), offset))
        assert whole is not None
        part, source, note = whole
        assert source == "the tool read_file of the server files"
        gathered += part
        offset = len(gathered)
        if "That is the end" in note:
            break
    assert gathered == text
    assert "there is nothing from" in read(conversation.pk, f"“{reference_of(step)}”", str(10**9))


def test_results_of_other_conversations_are_not_read(run: Run) -> None:
    step = step_in(run)
    with pytest.raises(NotFound):
        read(uuid4(), reference_of(step))


@pytest.mark.parametrize(("reference", "offset"), [("", 0), ("x", 0), ("1234567g", 0), ("%", 0), (None, 0), ("12345678", "far")])
def test_bad_references_are_refused(conversation: Conversation, reference: Any, offset: Any) -> None:
    with pytest.raises(InvalidInput):
        read(conversation.pk, reference, offset)
