"""The WebSocket of a conversation: what comes, in which order, and that a page that opens in the middle shows the same."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.conf import settings
from django.test import Client
from django.utils import timezone
from redis.asyncio import Redis

from accounts.models import User
from agentopia.lib.live import GONE
from agents.approvals import Verdict, decide
from agents.models import Agent
from chat import following
from chat import live as chat_live
from chat.live import LAYER, run_group, tell, told
from chat.models import Conversation, ModelProvider, Question, Run, RunEvent, Step
from chat.routing import websocket_urlpatterns
from chat.services.conversations import delete_conversation
from chat.services.messages import ask_again, send_message
from tests.chat.conftest import MakeRun, step_in
from tests.chat.pages.scenes import FORM, waiting_approval

pytestmark = pytest.mark.django_db(transaction=True)


class Tab:
    """A page's socket, as a browser has it."""

    def __init__(self, path: str, user: Any, query: str = "") -> None:
        scope = {"type": "websocket", "path": f"/ws/chat/{path}", "query_string": query.encode(), "headers": [], "user": user}
        self.page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)

    async def __aenter__(self) -> Tab:
        await self.page.send_input({"type": "websocket.connect"})
        assert (await self.page.receive_output(timeout=5))["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.page.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.page.wait(timeout=5)

    async def next(self) -> str:
        """What comes next."""
        return str((await self.page.receive_output(timeout=20))["text"])

    async def heard(self, *wanted: str) -> str:
        """All that comes until each of these was said."""
        found = ""
        while not all(word in found for word in wanted):
            found += (await self.page.receive_output(timeout=10))["text"]
        return found

    async def begun(self) -> str:
        """All that comes until the page has its list, which is after what differs of its turns."""
        return await self.heard('id="chats"')


class Worker:
    """Writes a run's events as rows and tells of them, as a runner does; ``silent`` ones are not told, as if a message was lost."""

    def __init__(self, run: Run, seq: int = 0) -> None:
        self.run, self.seq = run, seq

    async def say(self, kind: str, silent: bool = False, **data: Any) -> None:
        self.seq += 1
        row = await RunEvent.objects.acreate(run=self.run, seq=self.seq, kind=kind, data=data)
        if not silent:
            await tell(self.run.pk, [told(self.seq, kind, data, row.created_at)])

    async def call(self, step: Step, title: str) -> None:
        await self.say("tool.called", step=str(step.pk), number=step.number, round=step.round, title=title)

    async def end(self, status: str = "succeeded") -> None:
        row = await RunEvent.objects.acreate(run=self.run, seq=self.seq + 1, kind="run.ended", data={"status": status})
        await Run.objects.filter(pk=self.run.pk).aupdate(status=status, ended_at=timezone.now(), answer="Done.")
        await tell(self.run.pk, [told(self.seq + 1, "run.ended", {"status": status}, row.created_at)])
        await sync_to_async(chat_live.publish_change)(self.run)


def path_of(conversation: Conversation) -> str:
    return f"{conversation.pk}/"


async def opened_page(user: User, conversation: Conversation) -> tuple[str, str]:
    """The page as it is requested, and what its socket says that it has seen."""

    def get() -> str:
        client = Client()
        client.force_login(user)
        return client.get(f"/chat/{conversation.pk}/").content.decode()

    html = await database_sync_to_async(get)()
    found = re.search(r"\?seen=(\w+)", html)
    assert found is not None
    return html, f"seen={found[1]}"


def turns_in(html: str) -> str:
    """The turns of a page, without what differs from one rendering to the next."""
    found = re.search(r'<div id="turns">.*</article>\s*</div>', html, re.DOTALL)
    assert found is not None
    plain = re.sub(r'<input type="hidden" name="csrfmiddlewaretoken"[^>]*>', "", found[0])
    return " ".join(re.sub(r"<time.*?</time>", "", plain, flags=re.DOTALL).split())


async def test_a_text_grows_and_its_finished_blocks_are_sent_once(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="")
        await tab.heard(f'id="run-{run.pk}-part-1"')
        await worker.say("text.delta", part=1, text="First **block**.\n\nSecond")
        first = await tab.heard("<strong>block</strong>")
        assert f"beforeend:#run-{run.pk}-part-1-done" in first
        assert "Second" in first
        await worker.say("text.delta", part=1, text=" <script>x</script>")
        second = await tab.heard("Second")
        assert "First" not in second
        assert "<script>" not in second
        await worker.say("text.end", part=1, text="First **block**.\n\nSecond!")
        assert "First" in await tab.heard("Second!")


async def test_a_page_that_opens_in_the_middle_is_told_only_what_comes_after(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    await worker.say("text.start", part=1, text="")
    await worker.say("text.delta", part=1, text="Before. ")
    html, seen = await opened_page(user, conversation)
    assert "Before." in html
    async with Tab(path_of(conversation), user, seen) as tab:
        told_it = await tab.begun()
        await worker.say("text.delta", part=1, text="After.")
        told_it += await tab.heard("Before. After.")
        assert f'id="run-{run.pk}-part-1-tail"' in told_it
        assert 'id="turns"' not in told_it


async def test_what_came_between_page_and_socket_is_shown(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    _, seen = await opened_page(user, conversation)
    await worker.say("text.start", part=1, text="")
    await worker.say("text.delta", part=1, text="In between.")
    async with Tab(path_of(conversation), user, seen) as tab:
        assert 'id="turns"' in await tab.heard("In between.")


async def test_a_reload_shows_what_the_socket_showed(user: User, conversation: Conversation, run: Run) -> None:
    """All that was streamed, laid upon the page as a browser does, is what a reload gives: here by what the socket itself sends anew."""
    worker = Worker(run)
    step = await sync_to_async(step_in)(run, status=Step.Status.RUNNING, started_at=timezone.now())
    story: list[tuple[str, dict[str, Any]]] = [
        ("thinking.start", {"part": 1, "text": ""}), ("thinking.delta", {"part": 1, "text": "Hm."}),
        ("thinking.end", {"part": 1, "text": "Hm."}),
        ("tool.called", {"step": str(step.pk), "number": 1, "round": 1, "title": "Read"}),
        ("tool.progress", {"step": str(step.pk), "progress": 1, "total": 4, "message": "a quarter"}),
        ("model.retry", {"reason": "Too busy."}), ("text.start", {"part": 2, "text": ""}), ("text.delta", {"part": 2, "text": "Half a"}),
        ("text.dropped", {"part": 2}), ("text.start", {"part": 3, "text": ""}), ("text.delta", {"part": 3, "text": "A whole\n\n- one"}),
    ]  # fmt: skip
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        for kind, data in story:
            await worker.say(kind, **data)
        await tab.heard("one", "a quarter", "hidden")
    html, _ = await opened_page(user, conversation)
    async with Tab(path_of(conversation), user) as second:
        again = await second.heard('id="turns"', "one")
    assert turns_in(again) == turns_in(html)
    for words in ("a quarter", "Too busy.", "A whole", "Hm."):
        assert words in html
        assert words in again
    assert "Half a" not in html


async def test_a_lost_message_is_read_from_the_rows(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="")
        await worker.say("text.delta", part=1, text="one ")
        await worker.say("text.delta", part=1, text="two ", silent=True)
        await worker.say("text.delta", part=1, text="three")
        assert "one three" not in await tab.heard("one two three")


async def test_events_that_come_twice_or_late_are_shown_once(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    layer: Any = get_channel_layer(LAYER)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("notice", code="x", text="Only once.")
        again = [{"seq": 1, "kind": "notice", "data": {"code": "x", "text": "Only once."}, "at": timezone.now().isoformat()}]
        await layer.group_send(run_group(run.pk), {"type": "run.events", "events": again})
        await worker.say("notice", code="x", text="The last word.")
        assert (await tab.heard("The last word.")).count("Only once.") == 1


async def test_cards_appear_side_by_side_and_change(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    first, second = [
        await sync_to_async(step_in)(run, status=Step.Status.RUNNING, result=None, started_at=timezone.now()) for _ in range(2)
    ]
    async with Tab(path_of(conversation), user) as tab:
        assert 'id="step-' not in await tab.begun(), "their rows are there before their events: each appears once"
        await worker.call(first, "Read one")
        await tab.heard(f'id="step-{first.pk}"')
        await worker.call(second, "Read two")
        appended = await tab.heard(f'id="step-{second.pk}"')
        assert f"beforeend:#run-{run.pk}-round-1" in appended
        await worker.say("tool.progress", step=str(first.pk), progress=2, total=4, message="half")
        progress = await tab.heard("half")
        assert f'id="step-{first.pk}-progress"' in progress
        assert f'id="step-{first.pk}"' not in progress, "who reads or types in the card is not disturbed"
        await Step.objects.filter(pk=first.pk).aupdate(status=Step.Status.FAILED, error_message="No such file.", ended_at=timezone.now())
        await worker.say("tool.ended", step=str(first.pk), status="failed", ms=12.0)
        ended = await tab.heard("No such file.")
        assert 'data-status="failed"' in ended
        assert f'id="step-{second.pk}"' not in ended


async def test_an_approval_that_is_decided_elsewhere_leaves_the_card(
    user: User, agent: Agent, conversation: Conversation, run: Run
) -> None:
    worker = Worker(run)
    approval = await sync_to_async(waiting_approval)(agent)
    step = await sync_to_async(step_in)(run, status=Step.Status.APPROVAL, approval_id=approval.pk, result=None)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.call(step, "Write")
        await worker.say("tool.approval", step=str(step.pk), approval=str(approval.pk))
        await tab.heard("May it?")
        await sync_to_async(decide)(owner=user, approval_id=approval.pk, verdict=Verdict.APPROVE)
        assert "May it?" not in await tab.heard("It goes on in a moment.")


async def test_a_question_appears_and_goes(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    step = await sync_to_async(step_in)(run, status=Step.Status.RUNNING, result=None)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.call(step, "Publish")
        until = timezone.now() + timedelta(minutes=1)
        question = await Question.objects.acreate(step=step, message="Where to?", schema=FORM, expires_at=until)
        await worker.say("question.asked", question=str(question.pk), step=str(step.pk))
        assert f'id="question-{question.pk}"' in await tab.heard("Where to?")
        await Question.objects.filter(pk=question.pk).aupdate(status=Question.Status.ANSWERED)
        await worker.say("question.closed", question=str(question.pk), status="answered")
        assert "Where to?" not in await tab.heard(f'id="step-{step.pk}"')


async def test_a_run_that_ends_frees_the_composer(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    html, seen = await opened_page(user, conversation)
    assert 'id="stop"' in html
    async with Tab(path_of(conversation), user, seen) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="Done.")
        await worker.say("text.end", part=1, text="Done.")
        await worker.end()
        ended = await tab.heard('id="send"', 'data-status="succeeded"', "Helper has finished.")
        assert f'<article class="turn" id="run-{run.pk}"' not in ended, "its turn is there already"


async def test_a_run_that_ends_without_a_word_is_shown_as_it_is(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="Half")
        await tab.heard("Half")
        await Run.objects.filter(pk=run.pk).aupdate(status=Run.Status.FAILED, error_message="It was lost.", ended_at=timezone.now())
        await sync_to_async(chat_live.publish_change)(run)
        await tab.heard("It was lost.", 'id="send"')


async def test_a_message_from_elsewhere_appears_and_is_followed(user: User, conversation: Conversation, provider: ModelProvider) -> None:
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        run = await sync_to_async(send_message)(user=user, conversation_id=conversation.pk, text="From the phone")
        begun = await tab.heard("From the phone", 'id="stop"')
        assert begun.count(f'<article class="turn" id="run-{run.pk}"') == 1
        last = await RunEvent.objects.filter(run=run).acount()
        await Worker(run, last).say("text.start", part=1, text="Hello!")
        assert "beforeend" in await tab.heard("Hello!")


async def test_an_edit_replaces_what_follows(user: User, conversation: Conversation, make_run: MakeRun, provider: ModelProvider) -> None:
    await sync_to_async(make_run)("One")
    two = await sync_to_async(make_run)("Two")
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        run = await sync_to_async(ask_again)(user=user, run_id=two.pk)
        anew = await tab.heard('id="turns"', f'id="run-{run.pk}"')
        assert "One" in anew
        assert f'id="run-{two.pk}"' not in anew
        last = await RunEvent.objects.filter(run=run).acount()
        await Worker(run, last).say("text.start", part=1, text="Again!")
        await tab.heard("Again!")


async def test_two_tabs_hear_the_same(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as one, Tab(path_of(conversation), user) as other:
        await asyncio.gather(one.begun(), other.begun())
        await worker.say("notice", code="x", text="For both.")
        first, second = await asyncio.gather(one.heard("For both."), other.heard("For both."))
        assert first == second


async def test_many_pieces_go_in_few_messages(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="")
        for number in range(300):
            await worker.say("text.delta", part=1, text=f"w{number} ")
        messages = 0
        while "w299" not in (await tab.page.receive_output(timeout=10))["text"]:
            messages += 1
        assert messages < 150


async def test_strangers_and_who_is_signed_out_hear_nothing(stranger: User, conversation: Conversation) -> None:
    tab = Tab(path_of(conversation), stranger)
    async with tab:
        assert (await tab.page.receive_output(timeout=5))["code"] == GONE


async def test_a_deleted_conversation_says_so(user: User, conversation: Conversation) -> None:
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await sync_to_async(delete_conversation)(user=user, conversation_id=conversation.pk)
        while True:
            if (output := await tab.page.receive_output(timeout=5))["type"] == "websocket.close":
                break
        assert output["code"] == GONE


async def test_the_list_hears_of_new_conversations(user: User, agent: Agent, provider: ModelProvider, conversation: Conversation) -> None:
    async with Tab("", user) as tab:
        await tab.begun()
        await sync_to_async(send_message)(user=user, conversation_id=conversation.pk, text="Count the sheep")
        assert "It is at work" in await tab.heard("Count the sheep")


async def test_a_connection_to_redis_that_broke_is_made_again(
    user: User, conversation: Conversation, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENCE_SECONDS", 0.5)
    worker = Worker(run)
    async with Tab(path_of(conversation), user) as tab:
        await tab.begun()
        await worker.say("text.start", part=1, text="Before. ")
        await tab.heard("Before.")
        layer: Any = get_channel_layer(LAYER)
        hearing = layer._get_layer()._shards[0]._pubsub.connection._writer  # others hear by the same Redis: theirs are left alone
        host, port = hearing.get_extra_info("sockname")[:2]
        async with Redis.from_url(settings.ENVIRONMENT.redis_url) as redis:
            assert await redis.client_kill_filter(addr=f"{host}:{port}") == 1
        await worker.say("text.delta", part=1, text="Meanwhile. ")
        await tab.heard("Meanwhile.")
        monkeypatch.setattr(following, "SILENCE_SECONDS", 60)
        for number in range(3):
            await worker.say("text.delta", part=1, text=f"After {number}. ")
            await tab.heard(f"After {number}.")
