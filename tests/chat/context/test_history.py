"""Earlier runs of a conversation as the next one's history."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from chat.context.history import Earlier, History
from chat.context.marking import enveloped, opened
from chat.context.tokens import of_text
from chat.context.turns import OLD_RESULT_TOKENS, tokens, turn_of
from chat.models import Run
from tests.chat.context.messages import a_turn, asked, called, kept, returned, said, words

PLENTY = 100_000


def history_of(runs: list[Run], older: list[int], summary: str, summarised_to: int, room: int) -> History:
    return Earlier(runs, older, summary, summarised_to).within(room)


def run_of(number: int, messages: Any = None, **fields: Any) -> Run:
    usual = {"text": f"question {number}", "answer": f"answer {number}", "status": Run.Status.SUCCEEDED}
    return Run(number=number, messages=a_turn(f"question {number}") if messages is None else messages, **usual | fields)


def check_order(messages: list[ModelMessage]) -> None:
    """Requests and responses in turn, and every call answered at once: all that providers ask of a history."""
    assert [type(message) for message in messages] == [ModelRequest, ModelResponse] * (len(messages) // 2)
    for before, after in zip(messages, [*messages[1:], None], strict=False):
        wanted = {part.tool_call_id for part in before.parts if isinstance(part, ToolCallPart)}
        given = {part.tool_call_id for part in after.parts if isinstance(part, ToolReturnPart)} if after else set()
        assert wanted == given


def test_what_fits_is_given_whole_and_in_order() -> None:
    history = history_of([run_of(1), run_of(2)], [], "", 0, PLENTY)
    assert words(history.messages) == [
        "question 1", "files__read_file", "contents", "Done.", "question 2", "files__read_file", "contents", "Done.",
    ]  # fmt: skip
    assert (history.runs, history.left_out, history.summarised_to, history.in_short) == (2, 0, 0, 0)
    assert history.tokens == tokens(history.messages)
    check_order(history.messages)


def test_nothing_of_it_belongs_to_one_provider() -> None:
    for message in turn_of(run_of(1), is_old=False):
        assert not any(isinstance(part, ThinkingPart) for part in message.parts)
        for part in message.parts:
            assert getattr(part, "id", None) is None
            assert getattr(part, "provider_name", None) is None
        assert not isinstance(message, ModelRequest) or message.instructions is None
        assert not isinstance(message, ModelResponse) or message.provider_response_id is None


@pytest.mark.parametrize(
    "messages",
    [
        kept(asked("q"), called("a", "b")),
        kept(asked("q"), called("a", "b"), returned("r", "b")),
        kept(asked("q"), called("a"), returned("r", "a")),
        kept(asked("q"), called("a"), called("b"), returned("r", "b"), said("x")),
        kept(asked("q"), returned("r", "nobody asked"), said("x")),
        kept(asked("q")),
        kept(said("first")),
        [{"kind": "of another version"}],
        [],
    ],
)
@pytest.mark.parametrize("status", [Run.Status.FAILED, Run.Status.CANCELLED, Run.Status.SUCCEEDED])
def test_runs_that_broke_off_are_made_whole(messages: Any, status: Run.Status) -> None:
    history = history_of([run_of(1, messages, status=status, error_message="It broke."), run_of(2)], [], "", 0, PLENTY)
    check_order(history.messages)


def test_an_answer_that_never_came_is_said() -> None:
    failed = run_of(1, kept(asked("q")), status=Run.Status.FAILED, answer="", error_message="The model is down.")
    assert words(turn_of(failed, is_old=False))[-1] == "(This was not answered: The model is down.)"
    stopped = run_of(1, kept(asked("q")), status=Run.Status.CANCELLED, answer="")
    assert "stopped" in words(turn_of(stopped, is_old=False))[-1]
    interrupted = turn_of(run_of(1, kept(asked("q"), called("a"))), is_old=False)
    assert "nobody knows whether it had its effect" in words(interrupted)[2]


def test_older_results_are_shortened_within_their_marks() -> None:
    long = enveloped("word " * 4000, "the tool x of the server y")
    runs = [run_of(number, a_turn("q", long)) for number in (1, 2)]
    history = history_of(runs, [], "", 0, PLENTY)
    old, new = history.messages[2].parts[0], history.messages[6].parts[0]
    assert isinstance(old, ToolReturnPart)
    assert isinstance(new, ToolReturnPart)
    assert new.content == long
    whole = opened(str(old.content))
    assert whole is not None
    assert of_text(whole[0]) <= OLD_RESULT_TOKENS + 50
    assert whole[1] == "the tool x of the server y"


def test_older_pictures_are_said_in_words() -> None:
    picture = BinaryContent(data=b"x", media_type="image/png")
    seen = kept(ModelRequest(parts=[UserPromptPart(["Look", picture])]), said("A dot."))
    history = history_of([run_of(1, seen), run_of(2, seen)], [], "", 0, PLENTY)
    old, new = history.messages[0].parts[0], history.messages[2].parts[0]
    assert isinstance(old, UserPromptPart)
    assert isinstance(new, UserPromptPart)
    assert old.content == ["Look", "[a file of the type image/png, given then]"]
    assert isinstance(new.content[1], BinaryContent)


def test_where_there_is_little_room_the_newest_come_first() -> None:
    runs = [run_of(number, a_turn(f"question {number}", "word " * 300)) for number in range(1, 11)]
    one = tokens(turn_of(runs[0], is_old=True))
    for room in range(0, 12 * one, one // 3):
        history = history_of(runs, [], "", 0, room)
        assert history.tokens == tokens(history.messages) <= room
        check_order(history.messages)
        assert history.left_out == 10 - history.runs
        if history.runs:
            assert words(history.messages)[-1] in ("Done.", "answer 10")
    assert history_of(runs, [], "", 0, 9 * one // 2).in_short > 0


def test_the_summary_stands_for_what_it_covers() -> None:
    long = "word " * 300
    runs = [run_of(number, a_turn(f"question {number}", answer=long), answer=long) for number in range(1, 11)]
    one = tokens(turn_of(runs[0], is_old=True))
    history = history_of(runs, [], "They spoke of ships.", 6, 4 * one)
    assert "They spoke of ships." in words(history.messages)[0]
    assert (history.summarised_to, history.left_out) == (6, max(0, 4 - history.runs))
    check_order(history.messages)
    whole = history_of(runs, [], "They spoke of ships.", 6, PLENTY)
    assert (whole.summarised_to, whole.runs) == (0, 10)
    behind = history_of(runs, [-1, 0], "They spoke of ships.", 0, PLENTY)
    assert (behind.runs, behind.left_out) == (10, 0)


def test_runs_that_were_not_looked_at_are_counted() -> None:
    assert history_of([run_of(3)], [1, 2], "", 0, PLENTY).left_out == 2
    assert history_of([run_of(3)], [1, 2], "Ships.", 1, PLENTY).left_out == 1


def test_text_parts_keep_what_they_say() -> None:
    turn = turn_of(run_of(1, kept(asked("q"), said("An answer."))), is_old=True)
    assert turn[-1].parts == [TextPart("An answer.")]
