"""A run from its message to its answer."""

from __future__ import annotations

from chat.models import Run, Step
from tests.chat.running.conftest import Place, check_order, kinds, of_kind, step_of


def test_an_answer_streams_in_parts_and_is_kept(place: Place) -> None:
    run = place.ask("Hello there.")
    assert (run.status, run.answer, run.error_code) == (Run.Status.SUCCEEDED, "You said: Hello there.", "")
    assert kinds(run) == ["run.started", "context", "text.start", "text.end", "usage", "run.ended"]
    shown = "".join(data["text"] for data in of_kind(run, "text.delta"))
    assert shown == of_kind(run, "text.end")[0]["text"] == run.answer
    check_order(run)
    assert run.requests == 1
    assert run.input_tokens > 0
    assert run.lease_until is None
    assert run.context is not None
    assert run.conversation.title == "Hello there."


def test_a_call_is_made_and_its_result_used(place: Place) -> None:
    place.play(("echo", {"message": "ahoy"}), answer={"$py": "r['c0']"})
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    assert "ahoy" in run.answer
    step = step_of(run)
    assert (step.status, step.name, step.server_name, step.tool_name) == (Step.Status.SUCCEEDED, "notes__echo", "notes", "echo")
    assert step.result == {"content": [{"type": "text", "text": "ahoy"}]}
    assert place.box.calls == [("echo", {"message": "ahoy"})]
    order = [kind for kind in kinds(run) if kind.startswith(("tool.", "usage", "run."))]
    assert order == ["run.started", "usage", "tool.called", "tool.running", "tool.ended", "usage", "run.ended"]
    ended = of_kind(run, "tool.ended")[0]
    assert ended["status"] == "succeeded"
    assert ended["receipt"] == str(step.receipt_id)
    assert ended["ms"] > 0
    check_order(run)
