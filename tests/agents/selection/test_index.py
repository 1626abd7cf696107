"""What an index finds, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from agents.embedding.reading import Reader
from agents.selection.clauses import clauses_of
from agents.selection.index import Index
from agents.selection.texts import document, split_name, terms

TOOLS: list[tuple[str, str, str]] = [
    ("weather", "getForecast", "The weather of the coming days at a place."),
    ("weather", "get_alerts", "Warnings of storms and floods."),
    ("mail", "send_message", "Sends an e-mail to one or more people."),
    ("mail", "search_messages", "Finds e-mails by words, sender or date."),
    ("github", "create_issue", "Opens a new issue in a repository."),
    ("github", "list_pull_requests", "The pull requests of a repository."),
    ("maps", "directions", "The way from one address to another, by car, bicycle or on foot."),
    ("calculator", "evaluate", "Computes an arithmetic expression."),
]


def index_of(model: Reader | None, tools: Sequence[tuple[str, str, str]] = TOOLS, unread: Sequence[int] = ()) -> Index:
    documents = [document(server, {"name": name, "description": told}) for server, name, told in tools]
    reads: Sequence[Any] = model.read([each.text for each in documents]) if model else [None] * len(tools)
    return Index([tool[0] for tool in tools], documents, [None if place in unread else read for place, read in enumerate(reads)], model)


def best(index: Index, request: str, limit: int = 3) -> list[str]:
    return [TOOLS[place][1] for place in index.order(request, limit).documents]


@pytest.mark.parametrize(
    ("request_", "tool"),
    [
        ("Will it rain in Oslo tomorrow?", "getForecast"),
        ("send Maria a note that I am late", "send_message"),
        ("how do I cycle from the station to the museum", "directions"),
        ("what is 17 times 23", "evaluate"),
        ("report a bug in our repo", "create_issue"),
    ],
)
def test_other_words_for_the_same(model: Reader, request_: str, tool: str) -> None:
    assert best(index_of(model), request_)[0] == tool


def test_by_words_alone_where_no_model_is_installed() -> None:
    order = index_of(None).order("send an e-mail message", 3)
    assert TOOLS[order.documents[0]][1] == "send_message"
    assert not order.by_meaning.any()


def test_each_need_of_a_request_is_met(model: Reader) -> None:
    request = "Check whether storms are coming up north and then open an issue about it; send an e-mail to Maria."
    assert set(best(index_of(model), request, 4)) > {"get_alerts", "create_issue", "send_message"}


def test_scores_fall_from_1_to_0_at_least(model: Reader) -> None:
    scores = index_of(model).order("send an e-mail", len(TOOLS)).scores
    assert scores[0] == pytest.approx(1)
    assert (np.diff(scores) <= 0).all()
    assert scores.min() >= 0


def test_a_tool_that_was_not_read_yet_is_found_by_its_words(model: Reader) -> None:
    assert best(index_of(model, unread=[4]), "open a new issue in the repository")[0] == "create_issue"


@pytest.mark.parametrize("request_", ["", "   ", "?!", "the of and", "\ud800", "\u0000", "天気", "x" * 50_000, "word. " * 3_000])
@pytest.mark.parametrize("read", [True, False])
def test_any_request_has_an_answer(model: Reader, request_: str, read: bool) -> None:
    order = index_of(model if read else None).order(request_, 5)
    assert len(order.documents) == len(set(order.documents.tolist())) == 5
    assert np.isfinite(order.scores).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_tools(model: Reader, count: int) -> None:
    assert len(index_of(model, TOOLS[:count]).order("send an e-mail", 10).documents) == count


def test_tools_all_alike_are_all_found(model: Reader) -> None:
    found = index_of(model, [("same", "tool", "Does it.")] * 60).order("do it", 60)
    assert sorted(found.documents.tolist()) == list(range(60))


def test_what_is_added_moves_a_tool_up(model: Reader) -> None:
    index = index_of(model)
    request = "messages"
    before = best(index, request, len(TOOLS))
    bonus = np.zeros(len(TOOLS), np.float32)
    bonus[4] = 5
    assert before[0] != "create_issue"
    assert best(index, request)[0] == before[0]
    assert TOOLS[index.order(request, 1, bonus).documents[0]][1] == "create_issue"


def test_names_are_cut_into_words() -> None:
    assert split_name("getHTTPStatus_v2") == "get HTTP Status v2"
    assert terms("listPullRequests") == ["list", "pull", "request"]
    assert terms("天気予報") == ["天", "気", "予", "報", "天気", "気予", "予報"]


def test_odd_definitions_are_searched_all_the_same() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"name": "a", "description": None, "inputSchema": None},
        {"name": "b", "description": 5, "inputSchema": {"properties": []}},
        {"name": "c", "inputSchema": {"properties": {"x": True, "y": {"description": ["no text"], "properties": {"z": {}}}}}},
    ]
    assert [document("server", definition).terms["server"] for definition in odd] == [1, 1, 1, 1]
    assert "z" in document("server", odd[3]).terms


def test_clauses() -> None:
    assert clauses_of("Find flights to Rome and book a hotel.") == ["Find flights to Rome and book a hotel."]
    assert clauses_of("Find flights to Rome, then book a hotel there. Thanks!") == ["Find flights to Rome", "book a hotel there."]
    assert clauses_of("查询天气。然后发送邮件。") == ["查询天气。", "然后发送邮件。"]
