"""The chat's pages: what they show and to whom, and that nothing in them is markup but ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Approval
from agents.services.agents import create_agent
from chat.models import Attachment, Conversation, ModelProvider, Question, Run, Step
from chat.pages.gathering import SHOWN_TURNS
from chat.pages.lists import PER_PAGE
from chat.services import messages
from mcp_registry.models import McpServer
from tests.chat.conftest import MakeRun, step_in
from tests.chat.pages.scenes import FORM, Teller, waiting_approval

HTMX = {"HTTP_HX_REQUEST": "true"}
EVIL = "<script>alert('x')</script>"


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_without_an_agent_it_says_what_to_do(browser: Client) -> None:
    page = text_of(browser.get("/chat/"))
    assert "No agent yet" in page
    assert "/agents/new/" in page


def test_without_a_model_it_says_what_to_do(browser: Client, agent: Agent) -> None:
    page = text_of(browser.get("/chat/new/"))
    assert "add a provider of models" in page
    assert "/account/models/" in page
    assert f"/agents/{agent.pk}/" in page


def test_a_first_message_begins_a_conversation(browser: Client, agent: Agent, provider: ModelProvider) -> None:
    file = SimpleUploadedFile("notes.txt", b"Buy milk.", "text/plain")
    answer = browser.post("/chat/new/", {"agent": str(agent.pk), "text": "Read my notes.", "files": [file]})
    conversation = Conversation.objects.get()
    assert answer["Location"] == f"/chat/{conversation.pk}/"
    assert conversation.title == "Read my notes."
    attachment = Attachment.objects.get()
    assert (attachment.name, attachment.media_type, bytes(attachment.content)) == ("notes.txt", "text/plain", b"Buy milk.")
    assert "Read my notes." in text_of(browser.get(answer["Location"]))


def test_a_page_that_is_live_is_led_to_what_it_began(browser: Client, agent: Agent, provider: ModelProvider) -> None:
    answer = browser.post("/chat/new/", {"agent": str(agent.pk), "text": "Hello"}, **HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"/chat/{Conversation.objects.get().pk}/")


def test_resources_are_offered_before_the_first_message(browser: Client, stranger: User, agent: Agent, provider: ModelProvider) -> None:
    assert f'href="/chat/new/resources/?agent={agent.pk}"' in text_of(browser.get("/chat/new/"))
    assert "None of the agent" in text_of(browser.get(f"/chat/new/resources/?agent={agent.pk}", **HTMX))
    eve = Client()
    eve.force_login(stranger)
    for wanted in (str(agent.pk), "", "x"):
        assert eve.get(f"/chat/new/resources/?agent={wanted}").status_code == 404, wanted
    answer = browser.post("/chat/new/", {"agent": str(agent.pk), "text": "Look", "resource": f"{uuid4()} file:///etc/passwd"}, **HTMX)
    assert "not connected to that server" in text_of(answer)
    assert not Conversation.objects.exists()


def test_what_cannot_be_sent_begins_nothing(browser: Client, agent: Agent) -> None:
    browser.post("/chat/new/", {"agent": str(agent.pk), "text": "Hello"})
    assert not Conversation.objects.exists()


def test_a_message_is_sent_and_a_second_refused_while_it_runs(browser: Client, conversation: Conversation, provider: ModelProvider) -> None:
    path = f"/chat/{conversation.pk}/"
    assert browser.post(path, {"text": "Hello"}, **HTMX).status_code == 204
    refused = browser.post(path, {"text": "And?"}, **HTMX)
    assert refused.status_code == 200
    assert refused["HX-Reswap"] == "none"
    assert conversation.runs.count() == 1


def test_too_much_is_refused_with_its_reason(
    browser: Client, conversation: Conversation, provider: ModelProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [SimpleUploadedFile(f"{number}.txt", b"x") for number in range(21)]
    answer = browser.post(f"/chat/{conversation.pk}/", {"text": "Look", "files": files}, **HTMX)
    assert "At most 20 files" in text_of(answer)
    monkeypatch.setattr(messages, "MOST_BYTES", 3 * 2**20)
    files = [SimpleUploadedFile(f"{number}.txt", b"x" * 2**20) for number in range(4)]
    answer = browser.post(f"/chat/{conversation.pk}/", {"text": "Look", "files": files}, **HTMX)
    assert "3 MB together" in text_of(answer)
    assert not Run.objects.exists()


def test_the_page_shows_everything_and_runs_nothing(browser: Client, busy: Conversation) -> None:
    page = text_of(browser.get(f"/chat/{busy.pk}/"))
    for words in (
        "Rain by year",
        "Asked again after 2 s.",
        "There is no folder",
        "May it?",
        "Where should the report be published?",
        "Rendering page 3 of 8",
    ):
        assert words in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_names_and_texts_of_others_are_text(
    browser: Client, user: User, agent: Agent, conversation: Conversation, make_run: MakeRun
) -> None:
    run = make_run(
        EVIL,
        answer=EVIL,
        status=Run.Status.FAILED,
        error_message=EVIL,
        error_code="x",
        context={"tools": [{"tool": EVIL, "server": EVIL, "why": [EVIL]}], "left_out": [EVIL]},
    )
    Conversation.objects.filter(pk=conversation.pk).update(title=EVIL, agent_name=EVIL)
    Agent.objects.filter(pk=agent.pk).update(name=EVIL)
    told = Teller(run)
    told.tell("model.retry", reason=EVIL)
    told.say(1, EVIL, "thinking")
    told.say(2, EVIL)
    step = told.call(1, 1, EVIL, server_name=EVIL, tool_name=EVIL, name=EVIL, arguments={EVIL: EVIL}, status=Step.Status.RUNNING)
    Step.objects.filter(pk=step.pk).update(result={"content": [{"type": "text", "text": EVIL}], "structuredContent": [{EVIL: EVIL}]})
    told.tell("tool.progress", step=str(step.pk), progress=1, message=EVIL)
    form = {"type": "object", "properties": {EVIL: {"type": "string", "title": EVIL, "description": EVIL, "enum": [EVIL]}}}
    Question.objects.create(step=step, message=EVIL, schema=form, expires_at=timezone.now() + timedelta(minutes=1))
    Attachment.objects.create(run=run, name=EVIL, media_type="text/html", size=1, content=b"x")
    pages = [
        f"/chat/{conversation.pk}/",
        "/chat/",
        f"/chat/calls/{step.pk}/",
        f"/chat/calls/{step.pk}/retry/",
        f"/chat/runs/{run.pk}/given/",
        f"/chat/runs/{run.pk}/edit/",
    ]
    for path in [*pages, f"/chat/{conversation.pk}/manage/", "/search/?q=alert"]:
        page = text_of(browser.get(path))
        assert "<script>alert" not in page, path
        assert "alert" in page, path


def test_a_link_that_a_server_asks_to_open_leads_to_the_web_alone(browser: Client, conversation: Conversation, run: Run) -> None:
    step = Teller(run).call(1, status=Step.Status.RUNNING)
    question = Question.objects.create(
        step=step, message="Sign in", url="javascript:alert(1)", expires_at=timezone.now() + timedelta(minutes=1)
    )
    assert 'href="javascript' not in text_of(browser.get(f"/chat/{conversation.pk}/"))
    Question.objects.filter(pk=question.pk).update(url="https://example.org/sign-in")
    assert 'href="https://example.org/sign-in" rel="nofollow' in text_of(browser.get(f"/chat/{conversation.pk}/"))


def test_nobody_else_reaches_any_of_it(stranger: User, busy: Conversation) -> None:
    eve = Client()
    eve.force_login(stranger)
    run = busy.runs.first()
    assert run is not None
    step, question, attachment = Step.objects.first(), Question.objects.first(), Attachment.objects.first()
    assert step is not None
    assert question is not None
    assert attachment is not None
    reads = [
        f"/chat/{busy.pk}/", f"/chat/{busy.pk}/manage/", f"/chat/{busy.pk}/resources/", f"/chat/runs/{run.pk}/edit/",
        f"/chat/runs/{run.pk}/given/",
        f"/chat/calls/{step.pk}/", f"/chat/calls/{step.pk}/retry/", f"/chat/calls/{step.pk}/decide/", f"/chat/calls/{step.pk}/media/0/",
        f"/chat/attachments/{attachment.pk}/",
    ]  # fmt: skip
    writes = [
        f"/chat/{busy.pk}/", f"/chat/{busy.pk}/manage/", f"/chat/runs/{run.pk}/edit/", f"/chat/runs/{run.pk}/again/",
        f"/chat/runs/{run.pk}/stop/",
        f"/chat/calls/{step.pk}/decide/", f"/chat/calls/{step.pk}/retry/", f"/chat/questions/{question.pk}/",
    ]  # fmt: skip
    for path in reads:
        assert eve.get(path).status_code == 404, path
    for path in writes:
        answer = eve.post(path, {"text": "x", "do": "delete", "decision": "approve", "action": "accept"})
        assert answer.status_code == 404, path
    assert "Rain in Utrecht" not in text_of(eve.get("/chat/?search=rain", **HTMX))
    assert Conversation.objects.filter(pk=busy.pk).exists()


def test_it_makes_as_many_queries_for_many_turns_as_for_few(
    browser: Client,
    conversation: Conversation,
    make_run: MakeRun,
    provider: ModelProvider,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    for number in range(SHOWN_TURNS + 5):
        run = make_run(f"Message {number}", context={"tools": []}, provider=provider)
        for _ in range(3):
            step_in(run)
    with django_assert_max_num_queries(24):
        page = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert f"Message {SHOWN_TURNS + 4}" in page
    assert "Message 4<" not in page
    assert "?before=6" in page
    with django_assert_max_num_queries(10):
        again = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert again.count('class="call"') == page.count('class="call"') == 3 * SHOWN_TURNS
    earlier = text_of(browser.get(f"/chat/{conversation.pk}/?before=6", **HTMX))
    assert "Message 4<" in earlier
    assert "Earlier messages" not in earlier


def test_the_list_is_searched_and_goes_on(browser: Client, user: User, agent: Agent) -> None:
    for number in range(PER_PAGE + 3):
        Conversation.objects.create(owner=user, agent=agent, agent_name="Helper", title=f"About number {number}")
    assert "?page=2" in text_of(browser.get("/chat/"))
    assert text_of(browser.get("/chat/?page=2", **HTMX)).count("chats-item") == 3
    found = text_of(browser.get("/chat/?search=number 17", **HTMX))
    assert found.count("chats-item") == 1
    assert "Nothing was said of" in text_of(browser.get("/chat/?search=elephants", **HTMX))
    assert browser.get("/chat/?search=", **HTMX).content == b""


def test_a_conversation_is_renamed_pinned_and_deleted(browser: Client, conversation: Conversation, make_run: MakeRun) -> None:
    step_in(make_run())
    path = f"/chat/{conversation.pk}/manage/"
    page = text_of(browser.get(path, **HTMX))
    assert "destroys 1 message with the answers" in page
    assert "receipts of its 1 tool call stay" in page
    assert "export/?as=markdown" in page
    browser.post(path, {"do": "rename", "title": "Weather"})
    browser.post(path, {"do": "pin"})
    conversation.refresh_from_db()
    assert conversation.title == "Weather"
    assert conversation.pinned_at is not None
    assert "Pinned" in text_of(browser.get("/chat/"))
    browser.post(path, {"do": "unpin"})
    conversation.refresh_from_db()
    assert conversation.pinned_at is None
    assert browser.post(path, {"do": "delete", "next": f"/chat/{conversation.pk}/"})["Location"] == "/chat/"
    assert not Conversation.objects.exists()


def test_one_is_led_back_to_the_chat_alone(browser: Client, conversation: Conversation) -> None:
    for wanted in ("https://evil.example/chat/", "//evil.example", "/toolboxes/", "javascript:alert(1)"):
        answer = browser.post(f"/chat/{conversation.pk}/manage/", {"do": "pin", "next": wanted})
        assert answer["Location"] == f"/chat/{conversation.pk}/"


def test_a_message_is_edited_and_asked_again(
    browser: Client, conversation: Conversation, make_run: MakeRun, provider: ModelProvider
) -> None:
    first, _ = make_run("One"), make_run("Two")
    form = text_of(browser.get(f"/chat/runs/{first.pk}/edit/", **HTMX))
    assert "1 message) are replaced" in form
    assert "One" in text_of(browser.get(f"/chat/runs/{first.pk}/edit/?cancel=1", **HTMX))
    assert browser.post(f"/chat/runs/{first.pk}/edit/", {"text": "Uno"}, **HTMX).status_code == 204
    page = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert "Uno" in page
    assert "Two" not in page
    Run.objects.filter(text="Uno").update(status=Run.Status.FAILED)
    again = Run.objects.get(text="Uno")
    assert browser.post(f"/chat/runs/{again.pk}/again/", **HTMX).status_code == 204
    assert Run.objects.filter(text="Uno", is_superseded=False).count() == 1
    assert browser.post(f"/chat/runs/{Run.objects.get(text='Uno', is_superseded=False).pk}/stop/", **HTMX).status_code == 204
    assert Run.objects.get(text="Uno", is_superseded=False).status == Run.Status.CANCELLED


@pytest.fixture
def waiting(agent: Agent, run: Run) -> tuple[Step, Approval]:
    approval = waiting_approval(agent, {"path": "/srv/a", "content": "x"})
    arguments = {"path": "/srv/a", "content": "x"}
    return Teller(run).call(1, status=Step.Status.APPROVAL, approval_id=approval.pk, arguments=arguments), approval


def test_a_call_is_approved_and_refused_in_the_conversation(
    browser: Client, conversation: Conversation, waiting: tuple[Step, Approval]
) -> None:
    step, approval = waiting
    assert "May it?" in text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert browser.post(f"/chat/calls/{step.pk}/decide/", {"decision": "approve"}, **HTMX).status_code == 204
    approval.refresh_from_db()
    assert approval.status == Approval.Status.APPROVED
    assert "May it?" not in text_of(browser.get(f"/chat/{conversation.pk}/"))
    late = browser.post(f"/chat/calls/{step.pk}/decide/", {"decision": "refuse"}, **HTMX)
    assert "decided already" in text_of(late)


def test_arguments_that_do_not_fit_come_back(browser: Client, waiting: tuple[Step, Approval]) -> None:
    step, approval = waiting
    form = text_of(browser.get(f"/chat/calls/{step.pk}/decide/", **HTMX))
    assert "With which arguments?" in form
    answer = browser.post(
        f"/chat/calls/{step.pk}/decide/", {"decision": "approve", "edits": "1", f"approve-{approval.pk}-further": "[1"}, **HTMX
    )
    assert answer.status_code == 422
    assert "not valid JSON" in text_of(answer)
    approval.refresh_from_db()
    assert approval.status == Approval.Status.WAITING
    assert browser.post(f"/chat/calls/{step.pk}/decide/", {"decision": "refuse", "note": "Not there."}, **HTMX).status_code == 204
    approval.refresh_from_db()
    assert (approval.status, approval.note) == (Approval.Status.REFUSED, "Not there.")


def test_a_question_is_answered_with_what_fits(browser: Client, run: Run) -> None:
    step = step_in(run, status=Step.Status.RUNNING)
    question = Question.objects.create(step=step, message="Where?", schema=FORM, expires_at=timezone.now() + timedelta(minutes=1))
    path, prefix = f"/chat/questions/{question.pk}/", f"answer-{question.pk}"
    refused = browser.post(path, {"action": "accept", f"{prefix}-branch": "", f"{prefix}-pages": "99"}, **HTMX)
    assert refused.status_code == 422
    assert "required" in text_of(refused)
    given = {
        f"{prefix}-branch": "dev",
        f"{prefix}-format": "pdf",
        f"{prefix}-pages": "3",
        f"{prefix}-sections": ["Summary", "Sources"],
        f"{prefix}-publish": "on",
    }
    assert browser.post(path, {"action": "accept", **given}, **HTMX).status_code == 204
    question.refresh_from_db()
    assert question.status == Question.Status.ANSWERED
    assert question.answer == {"branch": "dev", "format": "pdf", "pages": 3, "sections": ["Summary", "Sources"], "publish": True}


@pytest.mark.parametrize(("action", "status"), [("decline", "declined"), ("cancel", "cancelled")])
def test_a_question_need_not_be_answered(browser: Client, run: Run, action: str, status: str) -> None:
    question = Question.objects.create(
        step=step_in(run, status=Step.Status.RUNNING), message="Where?", schema=FORM, expires_at=timezone.now() + timedelta(minutes=1)
    )
    assert browser.post(f"/chat/questions/{question.pk}/", {"action": action}, **HTMX).status_code == 204
    question.refresh_from_db()
    assert question.status == status


def test_a_failed_call_is_made_with_other_arguments(
    browser: Client, conversation: Conversation, make_run: MakeRun, provider: ModelProvider, make_server: Callable[..., McpServer]
) -> None:
    server = make_server(name="notes")
    run = make_run(messages=[], status=Run.Status.FAILED)
    step = step_in(
        run,
        server=server,
        server_name="notes",
        tool_name="echo",
        name="notes__echo",
        arguments={"message": "hi"},
        status=Step.Status.FAILED,
        result=None,
    )
    form = text_of(browser.get(f"/chat/calls/{step.pk}/retry/", **HTMX))
    assert f'name="retry-{step.pk}-message"' in form
    assert 'value="hi"' in form
    masked = browser.post(f"/chat/calls/{step.pk}/retry/", {f"retry-{step.pk}-message": "••••••"}, **HTMX)
    assert masked.status_code == 422


def test_pictures_are_served_so_that_they_do_nothing(browser: Client, busy: Conversation) -> None:
    step = Step.objects.get(tool_name="draw")
    answer: HttpResponse = browser.get(f"/chat/calls/{step.pk}/media/0/")
    assert answer["Content-Type"] == "image/png"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert browser.get(f"/chat/calls/{step.pk}/media/7/").status_code == 404
    page = text_of(browser.get(f"/chat/{busy.pk}/"))
    assert f"/chat/calls/{step.pk}/media/0/" in page


def test_attachments_are_saved_not_opened(browser: Client, run: Run) -> None:
    given = Attachment.objects.create(run=run, name='a"b<x>.html', media_type="text/html", size=5, content=b"<b>x</b>")
    answer = browser.get(f"/chat/attachments/{given.pk}/")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer.content == b"<b>x</b>"


def test_resources_of_servers_that_are_not_the_agents_are_not_read(
    browser: Client, conversation: Conversation, provider: ModelProvider
) -> None:
    assert "None of the agent" in text_of(browser.get(f"/chat/{conversation.pk}/resources/", **HTMX))
    for given in (f"{uuid4()} file:///etc/passwd", "nonsense", f"{uuid4()}"):
        answer = browser.post(f"/chat/{conversation.pk}/", {"text": "Look", "resource": given}, **HTMX)
        assert "not connected to that server" in text_of(answer)
    assert not Run.objects.exists()


def test_a_call_unfolds_to_what_it_was_given_and_brought(browser: Client, busy: Conversation) -> None:
    step = Step.objects.filter(tool_name="rain").first()
    assert step is not None
    page = text_of(browser.get(f"/chat/calls/{step.pk}/"))
    assert '<th scope="col">city</th>' in page
    assert "&lt;b&gt;Turin&lt;/b&gt;" in page
    assert "As JSON" in page


def test_what_the_model_was_given_can_be_read(browser: Client, busy: Conversation) -> None:
    run = busy.runs.order_by("number").first()
    assert run is not None
    page = text_of(browser.get(f"/chat/runs/{run.pk}/given/"))
    for words in ("128.0 k tokens", "write_file", "used lately", "always given", "cities.csv", "A part of the agent&#x27;s instructions."):
        assert words in page


def test_without_its_agent_a_conversation_can_be_read_alone(browser: Client, conversation: Conversation, make_run: MakeRun) -> None:
    make_run("Hello")
    Conversation.objects.filter(pk=conversation.pk).update(agent=None)
    page = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert "Its agent was deleted" in page
    assert "Hello" in page


def test_the_palette_finds_conversations_and_begins_them(browser: Client, user: User, conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(title="Rain in Utrecht")
    create_agent(owner=user, name="Night shift")
    assert f"/chat/{conversation.pk}/" in text_of(browser.get("/search/?q=utrecht"))
    page = text_of(browser.get("/search/?q=chat with night"))
    assert "New chat with Night shift" in page
    assert "New chat" in text_of(browser.get("/search/?q=new chat"))


def test_an_agent_leads_to_a_chat_with_it(browser: Client, agent: Agent) -> None:
    assert f"/chat/new/?agent={agent.pk}" in text_of(browser.get(f"/agents/{agent.pk}/"))
    assert browser.get(f"/chat/new/?agent={uuid4()}").status_code == 404


def test_signed_out_one_is_sent_to_sign_in(conversation: Conversation) -> None:
    for path in ("/chat/", f"/chat/{conversation.pk}/"):
        assert Client().get(path)["Location"].startswith("/accounts/login/")


def test_the_wrong_method_changes_nothing(browser: Client, run: Run) -> None:
    for path in (f"/chat/runs/{run.pk}/stop/", f"/chat/runs/{run.pk}/again/"):
        assert browser.get(path).status_code == 405
    assert json.loads(json.dumps(run.status)) == "running"
