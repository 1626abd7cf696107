"""An agent's tools for a request: ranked with reasons, chosen by its mode, new ones at once, and better for what served before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync

from accounts.models import User
from agents.embedding.reading import Reader
from agents.models import Agent, SelectionFeedback, ToolEmbedding
from agents.selection import feedback, memory, stored
from agents.selection.asking import TASK
from agents.selection.feedback import note_use
from agents.selection.ranking import Ranked, chosen_for, rank
from agents.services.agents import change_agent
from agents.services.grants import set_tool_rules
from agents.tasks import forget_old_readings, read_tools
from agents.toolsets.cache import toolset_of
from mcp_registry.models import McpServer
from tests.agents.granting import agent_with, grant_of, tell_tools, tool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("model")]
type MakeServer = Callable[..., McpServer]

TOOLS = [
    tool("send_message", "Sends an e-mail to one or more people."),
    tool("get_forecast", "The weather of the coming days at a place."),
    tool("create_issue", "Opens a new issue in a repository."),
    tool("evaluate", "Computes an arithmetic expression."),
]


@pytest.fixture
def server(make_server: MakeServer) -> McpServer:
    server = make_server(name="office")
    tell_tools(server, TOOLS)
    return server


@pytest.fixture
def agent(user: User, server: McpServer) -> Agent:
    return agent_with(user, server)


def ranked(agent: Agent, request: str, limit: int = 4) -> list[Ranked]:
    async def found() -> list[Ranked]:
        return await rank(await toolset_of(agent.pk), request, limit)

    return async_to_sync(found)()


def names(found: list[Ranked]) -> list[str]:
    return [each.tool.tool_name for each in found]


def test_before_a_worker_has_read_them_tools_go_by_words_and_say_so(agent: Agent) -> None:
    found = ranked(agent, "open an issue in the repository")
    assert names(found)[0] == "create_issue"
    assert found[0].why == [
        "“issue” in its name.",
        "“repository”, “open” in its description.",
        "Found by its words alone: no tool's meaning is known yet.",
    ]


def test_then_by_meaning(agent: Agent, server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0)
    ranked(agent, "will it rain tomorrow")
    read_tools(str(server.pk))
    found = ranked(agent, "will it rain tomorrow")
    assert names(found)[0] == "get_forecast"
    assert found[0].score == pytest.approx(1)
    assert found[0].why == ["Close in meaning to “will it rain tomorrow”."]


def test_by_words_where_no_model_is_installed(agent: Agent, server: McpServer, without_model: None) -> None:
    read_tools(str(server.pk))
    assert not ToolEmbedding.objects.exists()
    assert names(ranked(agent, "compute an arithmetic expression"))[0] == "evaluate"


def test_what_was_read_is_read_once(user: User, server: McpServer, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    read_tools(str(server.pk))
    assert ToolEmbedding.objects.count() == len(TOOLS)

    def never(_reader: Reader, texts: list[str]) -> None:
        pytest.fail(f"read again: {texts}")

    monkeypatch.setattr(Reader, "read", never)
    read_tools(str(server.pk))


def test_a_worker_is_told_of_new_tools(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr("agents.selection.asking.hand_over", lambda task, server_id: sent.append((task, server_id)))
    server = make_server(name="news")
    sent.clear()
    tell_tools(server, [*TOOLS, tool("new")])
    assert sent == [(TASK, server.pk)]


def test_a_new_tool_is_found_at_once(agent: Agent, server: McpServer) -> None:
    read_tools(str(server.pk))
    ranked(agent, "anything")
    tell_tools(server, [*TOOLS, tool("light_lamp", "Lights the lamp of a lighthouse.")])
    assert names(ranked(agent, "the lamp of the lighthouse"))[0] == "light_lamp"


def test_a_tool_that_is_gone_is_not_found(agent: Agent, server: McpServer) -> None:
    assert "evaluate" in names(ranked(agent, "compute"))
    tell_tools(server, TOOLS[:3])
    assert "evaluate" not in names(ranked(agent, "compute"))


def test_what_an_agent_is_given_is_as_its_mode_says(user: User, agent: Agent) -> None:
    set_tool_rules(owner=user, grant_id=grant_of(agent).pk, name="evaluate", pinned=True)

    def chosen(mode: Agent.ToolMode) -> list[str]:
        change_agent(owner=user, agent_id=agent.pk, tool_mode=mode, top_k=1)

        async def found() -> list[str]:
            return [each.tool_name for each in await chosen_for(await toolset_of(agent.pk), "open an issue")]

        return async_to_sync(found)()

    assert chosen(Agent.ToolMode.ALL) == [each["name"] for each in TOOLS]
    assert chosen(Agent.ToolMode.SELECTED) == ["evaluate", "create_issue"]
    assert chosen(Agent.ToolMode.SEARCH) == ["evaluate"]


def test_what_served_before_comes_sooner_and_says_so(agent: Agent, server: McpServer) -> None:
    request = "tell the team about the release"
    assert names(ranked(agent, request))[0] != "create_issue"
    for _ in range(4):
        note_use(agent.pk, server.pk, "create_issue", request)
    found = ranked(agent, "tell our team about the new release")
    assert found[0].tool.tool_name == "create_issue"
    assert "It served “tell the team about the release” before." in found[0].why


def test_what_served_another_agent_counts_for_nothing(user: User, agent: Agent, server: McpServer) -> None:
    other = agent_with(user, server, name="Other")
    note_use(other.pk, server.pk, "create_issue", "tell the team about the release")
    assert not any("served" in why for each in ranked(agent, "tell the team about the release") for why in each.why)


def test_only_the_newest_uses_are_kept(agent: Agent, server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "KEPT_OF_AGENT", 7)
    for number in range(8):
        note_use(agent.pk, server.pk, "evaluate", f"sum {number}")
    note_use(agent.pk, server.pk, "evaluate", "  sum   7 ")
    kept = SelectionFeedback.objects.filter(tool_name="evaluate")
    assert [(each.request, each.uses) for each in kept] == [("sum 7", 2), ("sum 6", 1), ("sum 5", 1), ("sum 4", 1), ("sum 3", 1)]
    for number in range(5):
        note_use(agent.pk, server.pk, "create_issue", f"bug {number}")
    assert SelectionFeedback.objects.count() == 7
    note_use(agent.pk, server.pk, "create_issue", "   ")
    assert SelectionFeedback.objects.count() == 7


def test_what_was_read_long_ago_is_forgotten(server: McpServer) -> None:
    read_tools(str(server.pk))
    forget_old_readings()
    assert ToolEmbedding.objects.count() == len(TOOLS)
    ToolEmbedding.objects.update(created_at="2020-01-01T00:00:00Z")
    forget_old_readings()
    assert not ToolEmbedding.objects.exists()


def test_indexes_that_no_process_can_hold_all_are_let_go(
    user: User, agent: Agent, server: McpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TOOLS_KEPT", 5)
    ranked(agent, "compute")
    other = agent_with(user, server, name="Other")
    ranked(other, "compute")
    assert list(memory._kept) == [other.pk]
    assert names(ranked(agent, "compute an expression"))[0] == "evaluate"


def test_keys_differ_by_text() -> None:
    assert stored.key_of("one") != stored.key_of("other")
    assert len(stored.key_of("\ud800")) == 64
