"""Calls of tools: side by side, failing, going in circles, with results of all kinds."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models import ToolCall
from agents.services.agents import change_agent
from chat.models import Run, Step
from chat.running import loops, patience
from dtma_wire import Phase
from mcp_registry.services.observation import observe
from tests.chat.running.box import Fail, Gate, HangUp, Refuse
from tests.chat.running.conftest import READING, TEXT, TOOLS, Place, check_order, notices, of_kind, retell, step_of, tool, until
from tests.conftest import state_of


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(patience.Patience, "pause", 0.01)


def after(*outcomes: Any) -> Any:
    """A tool that raises, or gives, these in turn, and the last of them from then on."""
    left = list(outcomes)

    def answer(arguments: dict[str, Any]) -> Any:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return answer


def test_calls_of_one_answer_run_side_by_side(place: Place) -> None:
    gates = {"one": Gate("1"), "two": Gate("2")}
    place.box.tools["echo"] = lambda arguments: gates[arguments["message"]](arguments)
    place.play(("echo", {"message": "one"}), ("echo", {"message": "two"}), together=True, answer={"$py": "r['c0'] + r['c1']"})
    run = place.send()
    thread = place.begin(run)
    for gate in gates.values():
        gate.wait_until_reached()  # neither was answered yet
    assert {step.status for step in until(lambda: list(run.steps.filter(status=Step.Status.RUNNING)))} == {Step.Status.RUNNING}
    for gate in gates.values():
        gate.open()
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED
    assert {step.round for step in run.steps.all()} == {1}
    check_order(run)


def test_an_error_of_the_tool_is_told_to_the_model(place: Place) -> None:
    place.box.tools["echo"] = after({"content": [{"type": "text", "text": "No such city."}], "isError": True}, "sunny")
    place.play(("echo", {"message": "x"}), answer={"$py": "r['c0']"})
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    first = step_of(run)
    assert (first.status, first.error_code, first.error_message) == ("failed", "tool_error", "No such city.")
    assert "sunny" in run.answer


def test_the_same_failure_again_and_again_ends_the_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "FAILURES_TOLD", 2)
    monkeypatch.setattr(loops, "FAILURES_MOST", 3)
    place.box.tools["echo"] = after({"content": [{"type": "text", "text": "No."}], "isError": True})
    place.play(("echo", {"message": "x"}))
    run = place.ask()
    assert (run.status, run.error_code) == (Run.Status.FAILED, "loop")
    assert "3 times" in run.error_message
    assert notices(run) == ["loop", "loop"]
    assert place.box.made("echo") == 3
    check_order(run)


def test_a_server_that_crashed_is_waited_for(place: Place) -> None:
    place.box.tools["write"] = after(Refuse(503, "server_not_ready"), Refuse(503, "server_not_ready"), "written")
    place.play(("write", {"path": "/a", "text": "b"}))
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    assert step_of(run).status == Step.Status.SUCCEEDED
    assert step_of(run).tries == 3
    assert notices(run) == ["server_waited"]


def test_a_server_that_was_stopped_is_not_waited_for(place: Place) -> None:
    place.play(("echo", {"message": "x"}), answer="It does not run.")
    observe(server_id=place.server.pk, state=state_of(place.server, Phase.STOPPED))
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    assert step_of(run).error_code in ("server_not_running", "tool_not_found")


@pytest.mark.parametrize(("name", "arguments"), [("echo", {"message": "x"}), ("write", {"path": "/a", "text": "b"})])
def test_a_crash_in_the_middle(place: Place, name: str, arguments: dict[str, Any]) -> None:
    place.box.tools[name] = after(Fail(patience.SERVER_GONE, "The server ended."), "done")
    place.play((name, arguments))
    run = place.ask()
    step = step_of(run)
    if name == "echo":  # it only reads
        assert step.status == Step.Status.SUCCEEDED
        assert place.box.made(name) == 2
    else:
        assert step.status == Step.Status.INTERRUPTED
        assert "Nobody knows" in step.error_message
        assert run.steps.filter(tries__gt=1).count() == 0
    assert run.status == Run.Status.SUCCEEDED


@pytest.mark.parametrize(("name", "arguments"), [("echo", {"message": "x"}), ("write", {"path": "/a", "text": "b"})])
def test_a_toolbox_that_breaks_off(place: Place, name: str, arguments: dict[str, Any]) -> None:
    place.box.tools[name] = after(HangUp(), "done")
    place.play((name, arguments))
    run = place.ask()
    step = step_of(run)
    assert run.status == Run.Status.SUCCEEDED
    assert step.status == (Step.Status.SUCCEEDED if name == "echo" else Step.Status.INTERRUPTED)
    receipts = ToolCall.objects.filter(run=run.pk, tool_name=name)
    assert receipts.count() == place.box.made(name)


def test_a_limit_that_ends_soon_is_waited_for(place: Place) -> None:
    agent = place.agent
    agent.calls_per_minute = 1
    change_agent(owner=place.user, agent_id=agent.pk, calls_per_minute=1)
    place.play(("echo", {"message": "one"}), ("echo", {"message": "two"}))
    run = place.ask()
    assert run.status == Run.Status.SUCCEEDED
    last = step_of(run, 2)
    assert last.status == Step.Status.SUCCEEDED or last.error_code == "limit_reached"
    assert "limit_waited" in notices(run) or last.error_code == "limit_reached"


def test_a_tool_that_changed_meanwhile_is_called_as_it_is_now(place: Place) -> None:
    gate = Gate("read")
    place.box.tools["echo"] = gate
    place.play(("echo", {"message": "x"}), ("write", {"path": "/a", "text": "b"}))
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    other = tool("write", "path", "mode", path=TEXT, text=TEXT, mode={"type": "string", "default": "new"})
    retell(place, [TOOLS[0], other, TOOLS[2]])
    gate.open()
    thread.join()
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED
    assert step_of(run, 2).status == Step.Status.SUCCEEDED or step_of(run, 3).status == Step.Status.SUCCEEDED


def test_a_tool_that_is_held_is_told_so(place: Place) -> None:
    gate = Gate("read")
    place.box.tools["echo"] = gate
    place.play(("echo", {"message": "x"}), ("write", {"path": "/a", "text": "b"}))
    place.agent.grants.update(on_change="hold")
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    retell(place, [TOOLS[0], tool("write", "path", path=TEXT, text=TEXT, new=TEXT), TOOLS[2]])
    gate.open()
    thread.join()
    run.refresh_from_db()
    assert step_of(run, 2).error_code == "tool_held"
    assert "waits for the approval of its owner" in step_of(run, 2).error_message
    assert place.box.made("write") == 0
    assert run.status == Run.Status.SUCCEEDED


def test_progress_is_told(place: Place) -> None:
    place.play(("echo", {"message": "x"}))
    run = place.ask()
    assert of_kind(run, "tool.running")[0]["receipt"] == str(step_of(run).receipt_id)


def test_a_name_that_is_nearly_right_is_found(place: Place) -> None:
    retell(place, [*TOOLS, tool("read_file", annotations=READING)])
    place.box.tools["read_file"] = lambda arguments: "text"
    place.play(("echo", {"message": "x"}))
    place.model.fail("unknown_tool")
    run = place.ask()
    assert step_of(run).error_code == "tool_not_found"
    told = [part for message in run.messages for part in message["parts"] if part.get("tool_call_id") == step_of(run).tool_call_id]
    assert "“notes__echo”" in told[-1]["content"]
    assert run.status == Run.Status.SUCCEEDED
