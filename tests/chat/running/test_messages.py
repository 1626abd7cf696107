"""What a user says: the next message, another one in place of it, once more, and a call with other arguments."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from agentopia.lib.errors import Conflict, InvalidInput, NotFound
from chat.models import Run, Step
from chat.providers.choosing import NoModel
from chat.services.messages import LARGEST_ATTACHMENT, NewAttachment, ask_again, edit_message, retry_step, send_message
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, check_order, kinds, of_kind, step_of


def test_a_message_is_a_run_that_is_handed_to_a_worker(place: Place) -> None:
    given = NewAttachment("notes.txt", "text/plain", b"Buy milk.")
    run = send_message(user=place.user, conversation_id=place.conversation.pk, text="Read this.", attachments=[given])
    assert place.handed == [run.pk]
    assert (run.number, run.status) == (1, Run.Status.QUEUED)
    assert [(row.name, row.size) for row in run.attachments.all()] == [("notes.txt", 9)]
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED
    assert "Buy milk." in str(run.messages)


def test_one_at_a_time(place: Place) -> None:
    first = place.send("Hello")
    with pytest.raises(Conflict) as refused:
        place.send("And this")
    assert refused.value.code == "run_in_progress"
    place.perform(first)
    place.send("And this")


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "x" * 100_001])
def test_what_is_no_message(place: Place, text: str) -> None:
    with pytest.raises(InvalidInput):
        place.send(text)


def test_too_large_a_file(place: Place) -> None:
    given = NewAttachment("a", "text/plain", b"x" * (LARGEST_ATTACHMENT + 1))
    with pytest.raises(InvalidInput):
        send_message(user=place.user, conversation_id=place.conversation.pk, text="x", attachments=[given])
    assert not Run.objects.exists()


def test_not_in_anothers_conversation(place: Place, stranger: User) -> None:
    run = place.ask("Hello")
    with pytest.raises(NotFound):
        send_message(user=stranger, conversation_id=place.conversation.pk, text="x")
    with pytest.raises(NotFound):
        edit_message(user=stranger, run_id=run.pk, text="x")
    with pytest.raises(NotFound):
        ask_again(user=stranger, run_id=run.pk)


def test_without_an_agent_or_a_model(place: Place) -> None:
    place.agent.enabled = False
    place.agent.save()
    with pytest.raises(Conflict) as refused:
        place.send("x")
    assert refused.value.code == "agent_off"
    place.agent.enabled = True
    place.agent.save()
    place.provider.delete()
    with pytest.raises(NoModel):
        place.send("x")
    place.agent.delete()
    with pytest.raises(Conflict) as refused:
        place.send("x")
    assert refused.value.code == "agent_gone"


def test_the_conversation_so_far_is_given(place: Place) -> None:
    place.ask("My name is Ada.")
    second = place.ask("What is my name?")
    assert second.number == 2
    assert second.context is not None
    assert second.context["history"]["runs"] == 1
    assert len(second.messages) == 2  # its own alone


def test_an_edited_message_takes_the_place_of_all_that_followed(place: Place) -> None:
    first, second = place.ask("One"), place.ask("Two")
    edited = edit_message(user=place.user, run_id=first.pk, text="Uno")
    place.perform(edited)
    for run in (first, second):
        run.refresh_from_db()
        assert run.is_superseded
    assert (edited.replaces, edited.number, edited.answer) == (first, 3, "You said: Uno")
    assert edited.context is not None
    assert edited.context["history"]["runs"] == 0
    with pytest.raises(Conflict):
        edit_message(user=place.user, run_id=second.pk, text="Due")


def test_asked_again_with_what_was_attached(place: Place) -> None:
    given = NewAttachment("notes.txt", "text/plain", b"Buy milk.")
    first = place.perform(send_message(user=place.user, conversation_id=place.conversation.pk, text="Read this.", attachments=[given]))
    again = place.perform(ask_again(user=place.user, run_id=first.pk))
    assert (again.text, again.status) == ("Read this.", Run.Status.SUCCEEDED)
    assert [row.name for row in again.attachments.all()] == ["notes.txt"]


def test_a_call_is_made_again_with_other_arguments(place: Place) -> None:
    calls: tuple[tuple[str, dict[str, Any]], ...] = (("add", {"a": 1, "b": 2}), ("echo", {"message": "wrong"}))
    place.play(*calls, answer={"$py": "r['c0'] + r['c1']"})
    old = place.ask()
    run = retry_step(user=place.user, step_id=step_of(old, 2).pk, arguments={"message": "right"})
    assert place.handed[-1] == run.pk
    assert [step.status for step in run.steps.all()] == [Step.Status.SUCCEEDED, Step.Status.PENDING]
    place.perform(run)
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert "right" in run.answer
    assert "wrong" not in run.answer
    assert place.box.made("add") == 1  # it is not done again
    assert place.box.calls[-1] == ("echo", {"message": "right"})
    old.refresh_from_db()
    assert old.is_superseded
    assert run.replaces == old
    assert len(of_kind(run, "tool.called")) == 2
    assert kinds(run)[-1] == "run.ended"
    check_order(run)


def test_of_calls_side_by_side_only_that_one_is_made_again(place: Place) -> None:
    place.play(("add", {"a": 1, "b": 2}), ("echo", {"message": "wrong"}), together=True, answer={"$py": "r['c0'] + r['c1']"})
    old = place.ask()
    run = place.perform(retry_step(user=place.user, step_id=old.steps.get(tool_name="echo").pk, arguments={"message": "right"}))
    assert run.status == Run.Status.SUCCEEDED
    assert place.box.made("add") == 1
    assert "right" in run.answer


def test_nothing_of_a_run_that_goes_on_is_replaced(place: Place) -> None:
    gate = place.box.tools["echo"] = Gate()
    place.play(("echo", {"message": "x"}))
    run = place.send()
    thread = place.begin(run)
    gate.wait_until_reached()
    for change in (
        lambda: edit_message(user=place.user, run_id=run.pk, text="x"),
        lambda: ask_again(user=place.user, run_id=run.pk),
        lambda: retry_step(user=place.user, step_id=step_of(run).pk, arguments={}),
    ):
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.code == "run_in_progress"
    gate.open()
    thread.join()
