"""A conversation is deleted while its agent is at work: the work stops, on the toolbox too, and nothing is left of it."""

from __future__ import annotations

import pytest

from agents.models import ToolCall
from chat.models import Conversation, Run, RunEvent, Step, Words
from chat.services.conversations import delete_conversation
from tests.chat.running.box import Gate
from tests.chat.running.conftest import Place, handed, place, until
from tests.chat.scripted import scripted

__all__ = ["handed", "place", "scripted"]

pytestmark = pytest.mark.django_db(transaction=True)
ALL = (Conversation, Run, RunEvent, Step, Words)


def test_in_the_middle_of_a_call(place: Place) -> None:
    gate = Gate()
    place.box.tools["write"] = gate
    place.play(("write", {"path": "/tmp/a"}))
    work = place.begin(place.send())
    gate.wait_until_reached()
    delete_conversation(user=place.user, conversation_id=place.conversation.pk)
    work.join(20)
    assert not work.is_alive()
    assert gate.ended.wait(20)
    assert gate.was_cancelled
    assert [model.objects.count() for model in ALL] == [0] * len(ALL)
    call = until(lambda: ToolCall.objects.exclude(status="running").first())
    assert (call.status, call.agent_id) == ("cancelled", place.agent.pk)


def test_while_it_answers(place: Place) -> None:
    """Again and again, wherever the worker just is: neither waits for the other for ever."""
    place.play(("echo", {"message": "a"}), answer="Long " * 200)
    for events in range(8):
        run = place.send()
        work = place.begin(run)
        until(lambda: RunEvent.objects.filter(run=run.pk).count() >= events)  # noqa: B023 (it is called here)
        delete_conversation(user=place.user, conversation_id=run.conversation_id)
        work.join(20)
        assert not work.is_alive()
        assert [model.objects.count() for model in ALL] == [0] * len(ALL)
        place.conversation = Conversation.objects.create(owner=place.user, agent=place.agent, agent_name="Helper")
