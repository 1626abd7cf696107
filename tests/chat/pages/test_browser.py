"""A conversation in a real Chromium, its runs written and told of as a worker does: what streams, what stays where it is, what keys do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.utils import timezone
from playwright.async_api import Page, expect

from accounts.models import User
from chat import live as chat_live
from chat.models import Attachment, Conversation, ModelProvider, Question, Run, Step
from chat.services.runs import stop_run
from tests.chat.conftest import MakeRun, step_in
from tests.chat.pages.scenes import FORM
from tests.chat.pages.test_live import Worker
from tests.toolboxes.pages.test_looks import opened, served, visit

pytestmark = pytest.mark.django_db(transaction=True)
TOP_OF_COMPOSER = "document.getElementById('composer-place').getBoundingClientRect().top"
FROM_END = "-document.getElementById('chat-scroll').scrollTop"
LONG = "\n\n".join(f"Paragraph number {number}, of some length, so that there is something to scroll through here." for number in range(40))


async def live(page: Page, conversation: Conversation) -> None:
    await visit(page, f"/chat/{conversation.pk}/")
    await expect(page.locator("html")).to_have_attribute("data-live", "open")


async def settled(run: Run) -> None:
    """The run has ended, as its worker says."""
    await Run.objects.filter(pk=run.pk).aupdate(status=Run.Status.SUCCEEDED, ended_at=timezone.now())
    await sync_to_async(chat_live.publish_change)(run)


async def test_a_run_streams_and_a_second_tab_shows_the_same(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        top = await page.evaluate(TOP_OF_COMPOSER)
        await worker.say("text.start", part=1, text="")
        await worker.say("text.delta", part=1, text="I will **look")
        await expect(page.locator(".md[data-open]")).to_contain_text("I will **look")
        await worker.say("text.delta", part=1, text="** it up.\n\n- one\n- two")
        await expect(page.locator(".md strong")).to_have_text("look")
        await expect(page.locator(".md li")).to_have_count(2)
        await worker.say("text.end", part=1, text="I will **look** it up.\n\n- one\n- two")
        await expect(page.locator(".md[data-open]")).to_have_count(0)
        steps = [await sync_to_async(step_in)(run, status=Step.Status.RUNNING, result=None, started_at=timezone.now()) for _ in range(2)]
        for step, title in zip(steps, ("Read one", "Read two"), strict=True):
            await worker.call(step, title)
        await expect(page.locator(".call")).to_have_count(2)
        boxes = [await one.bounding_box() for one in await page.locator(".call").all()]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[0]["y"] == boxes[1]["y"], "calls of one round stand side by side"
        await worker.say("tool.progress", step=str(steps[0].pk), progress=1, total=4, message="a quarter")
        await expect(page.locator(".call progress").first).to_have_attribute("value", "25")
        await Step.objects.filter(pk=steps[0].pk).aupdate(
            status=Step.Status.SUCCEEDED, result={"content": [{"type": "text", "text": "<b>ok</b>"}]}
        )
        await worker.say("tool.ended", step=str(steps[0].pk), status="succeeded", ms=1200.0)
        await expect(page.locator(".call").first).to_have_attribute("data-status", "succeeded")
        await page.locator(".call summary").first.click()
        await expect(page.locator(".call-body").first).to_contain_text("<b>ok</b>")

        tab = await page.context.new_page()
        await visit(tab, f"/chat/{conversation.pk}/")
        await worker.say("text.start", part=2, text="Both see this.")
        for shown in (page, tab):
            await expect(shown.locator(".md").last).to_have_text("Both see this.")
        assert await page.locator("#turns").inner_text() != ""
        await expect(tab.locator(".call-name")).to_have_text(["Read one", "Read two"])
        assert await page.evaluate(TOP_OF_COMPOSER) == top, "the composer stays where it is"
        await tab.close()


async def test_the_end_is_followed_only_by_who_is_there(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    await worker.say("text.start", part=1, text=LONG)
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        assert await page.evaluate(FROM_END) < 2, "a page opens at its end"
        await worker.say("text.delta", part=1, text="\n\n" + LONG)
        await worker.say("text.delta", part=1, text="\n\nThe first end.")
        await expect(page.get_by_text("The first end.")).to_be_in_viewport()
        await expect(page.locator("#to-newest")).to_be_hidden()

        await page.locator("#chat-scroll").hover()
        await page.mouse.wheel(0, -900)
        await expect(page.locator("#to-newest")).to_be_visible()
        seen = page.locator(".md p", has_text="Paragraph number 30,").nth(1)
        before = await seen.bounding_box()
        await worker.say("text.delta", part=1, text="\n\n" + LONG + "\n\nThe second end.")
        await expect(page.get_by_text("The second end.")).to_be_attached()
        after = await seen.bounding_box()
        assert before is not None
        assert after is not None
        assert abs(before["y"] - after["y"]) < 3, "what is read stays where it is"
        await page.locator("#to-newest").click()
        await expect(page.get_by_text("The second end.")).to_be_in_viewport()
        await expect(page.locator("#to-newest")).to_be_hidden()


async def test_a_message_is_written_with_the_keyboard_alone(user: User, conversation: Conversation, provider: ModelProvider) -> None:
    async with served() as url, opened(url, user, "screen", "dark") as page:
        await live(page, conversation)
        message = page.get_by_label("Message", exact=True)
        await expect(message).to_be_focused()
        await page.keyboard.type("Two")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("lines")
        await page.reload()
        await expect(message).to_have_value("Two\nlines")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said-text")).to_have_text("Two\nlines")
        await expect(message).to_have_value("")
        await expect(page.locator("#stop")).to_be_visible()
        run = await Run.objects.aget()
        assert run.text == "Two\nlines"
        await page.keyboard.type("Next")
        await page.keyboard.press("Enter")
        await expect(message).to_have_value("Next")  # kept until the run has ended
        await page.keyboard.press("Escape")
        await expect(message).not_to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".turn-foot")).to_contain_text("You stopped the run.")
        await expect(page.locator("#send")).to_be_visible()
        await expect(page.locator("#said")).to_have_text("Helper has finished.")


async def test_files_are_attached_by_choice_and_by_pasting(user: User, conversation: Conversation, provider: ModelProvider) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        chosen = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Buy milk."}
        await page.locator("#composer-input").set_input_files([chosen, {**chosen, "name": "more.txt"}])
        await expect(page.locator(".composer-chip")).to_have_count(2)
        await page.get_by_role("button", name="Remove notes.txt").click()
        await expect(page.locator(".composer-chip")).to_have_text(["more.txt"])
        await page.evaluate(
            """() => { const carrier = new DataTransfer(); carrier.setData('text/plain', 'word '.repeat(2000));
            document.getElementById('message').dispatchEvent(new ClipboardEvent('paste', {clipboardData: carrier, cancelable: true})); }"""
        )
        await expect(page.locator(".composer-chip")).to_have_text(["more.txt", "Pasted text.txt"])
        await page.get_by_label("Message", exact=True).fill("Read them")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said-file")).to_have_count(2)
        await expect(page.locator(".composer-chip")).to_have_count(0)
    sizes = {row.name: row.size async for row in Attachment.objects.all()}
    assert sizes == {"more.txt": 9, "Pasted text.txt": 10_000}


async def test_what_is_refused_stays_as_it_was_typed(user: User, conversation: Conversation) -> None:
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        await expect(page.locator("#trouble")).to_contain_text("add a provider of models")
        await page.keyboard.type("Hello")
        await page.keyboard.press("Enter")
        await expect(page.locator("#toasts")).to_contain_text("add a provider of models")
        await expect(page.get_by_label("Message", exact=True)).to_have_value("Hello")


async def test_what_is_typed_into_a_card_is_not_taken_away(user: User, conversation: Conversation, run: Run) -> None:
    worker = Worker(run)
    step = await sync_to_async(step_in)(run, status=Step.Status.RUNNING, result=None, started_at=timezone.now())
    until = timezone.now() + timedelta(minutes=5)
    question = await Question.objects.acreate(step=step, message="Where to?", schema=FORM, expires_at=until)
    await worker.call(step, "Publish")
    async with served() as url, opened(url, user, "phone", "light") as page:
        await live(page, conversation)
        branch = page.get_by_label("Branch")
        await branch.fill("mine")
        await worker.say("tool.progress", step=str(step.pk), progress=1, total=2, message="half")
        await Step.objects.filter(pk=step.pk).aupdate(tries=2)  # the whole card is sent anew
        await worker.say("tool.running", step=str(step.pk))
        await expect(page.get_by_text("2 tries")).to_be_visible()
        await expect(branch).to_have_value("mine")
        await expect(branch).to_be_focused()
        await page.get_by_label("Pages").fill("99")
        await page.get_by_role("button", name="Answer").tap()
        await expect(page.locator(".field-error").first).to_be_visible()
        await expect(branch).to_have_value("mine")
        await page.get_by_label("Pages").fill("3")
        await page.get_by_label("Format").select_option("md")
        await page.get_by_label("Figures").check()
        await page.get_by_role("button", name="Answer").tap()
        await database_sync_to_async(_until_answered)(question)
    assert question.answer == {"branch": "mine", "format": "md", "pages": 3, "sections": ["Figures"], "publish": False}


def _until_answered(question: Question) -> None:
    for _ in range(400):
        question.refresh_from_db()
        if question.status == Question.Status.ANSWERED:
            return
    pytest.fail("It was not answered.")


async def test_a_message_is_edited_in_its_place(user: User, conversation: Conversation, make_run: MakeRun, provider: ModelProvider) -> None:
    await sync_to_async(make_run)("First one")
    await sync_to_async(make_run)("Second one")
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        await page.locator(".said").first.hover()
        await page.get_by_role("link", name="Edit the message").first.click()
        await expect(page.locator(".said-edit textarea")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".said-edit")).to_have_count(0)
        await page.locator(".said").first.hover()
        await page.get_by_role("link", name="Edit the message").first.click()
        await page.locator(".said-edit textarea").fill("Another one")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said-text")).to_have_text(["Another one"])
        run = await Run.objects.aget(text="Another one")
        await sync_to_async(stop_run)(user=user, run_id=run.pk)
        await page.locator(".turn").hover()
        await page.get_by_role("button", name="Ask again").click()
        await expect(page.locator("#stop")).to_be_visible()
        await expect(page.locator(".said-text")).to_have_text(["Another one"])

        await expect(page.locator(".versions")).to_have_text(re.compile(r"3 / 3"))
        await page.get_by_role("link", name="Earlier version").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="Earlier version").click()
        await expect(page.locator(".said-text")).to_have_text(["First one", "Second one"])
        await expect(page.locator(".versions")).to_have_text(re.compile(r"1 / 3"))
        await expect(page.get_by_role("link", name="Edit the message")).to_be_hidden()
        await page.get_by_role("link", name="Back to the newest").click()
        await expect(page.locator("#stop")).to_be_visible()
        await expect(page.locator(".said-text")).to_have_text(["Another one"])


async def test_conversations_are_found_managed_and_deleted(user: User, conversation: Conversation, make_run: MakeRun) -> None:
    run = await sync_to_async(make_run)("About sheep")
    await Conversation.objects.filter(pk=conversation.pk).aupdate(title="Sheep")
    await Conversation.objects.acreate(owner=user, agent=conversation.agent, agent_name="Helper", title="Goats")
    async with served() as url, opened(url, user, "screen", "light") as page:
        await live(page, conversation)
        await page.get_by_label("Search conversations").fill("goa")
        await expect(page.locator("#chats-found .chats-title")).to_have_text(["Goats"])
        await expect(page.locator("#chats")).to_be_hidden()
        await page.get_by_label("Search conversations").fill("")
        await expect(page.locator("#chats .chats-title")).to_have_count(2)
        await page.get_by_role("link", name="Rename, pin, export or delete", exact=True).click()
        await page.get_by_label("Name", exact=True).fill("Lambs")
        await page.get_by_role("button", name="Rename").click()
        await expect(page.locator("#chat-crumb")).to_contain_text("Lambs")
        await page.get_by_role("link", name="Rename, pin, export or delete", exact=True).click()
        await expect(page.get_by_text("destroys 1 message with the answers")).to_be_visible()
        await page.get_by_role("button", name="Delete the conversation").click()
        await expect(page.locator("#toasts")).to_contain_text("is deleted")
        await expect(page.locator("#chats .chats-title")).to_have_text(["Goats"])
        assert not await database_sync_to_async(Run.objects.filter(pk=run.pk).exists)()
        await visit(page, "/chat/new/")
