"""The chat's pages in a real Chromium, on a phone and on a screen, light and dark. `SCREENSHOTS=folder` keeps a picture of each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from playwright.async_api import expect

from accounts.models import User
from agents.models import Agent
from chat.models import Conversation, Run
from chat.pages.lists import PER_PAGE
from tests.chat.pages.scenes import ANSWER, busy_conversation, ended_run
from tests.e2e.test_approvals import violations
from tests.toolboxes.pages.test_looks import Scheme, each_look, keep, opened, served, visit

UNROLLED = """() => {
  for (const [name, style] of [['.page', 'height: auto'], ['#chat-scroll', 'overflow: visible; flex: none']])
    document.querySelector(name).style.cssText = style;
}"""
"""Shows the whole conversation, for a picture."""
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(transactional_db: None, user: User, agent: Agent) -> Conversation:
    made = busy_conversation(user, agent)
    for number in range(PER_PAGE + 5):
        other = Conversation.objects.create(
            owner=user, agent=agent, agent_name=agent.name, title=f"An earlier one about “{number}” " + "x" * (number % 40)
        )
        moment = timezone.now() - timedelta(hours=number * 5)
        Conversation.objects.filter(pk=other.pk).update(updated_at=moment, pinned_at=moment if number in (3, 9) else None)
    return made


def edited(like: Conversation) -> Run:
    """The newest version of a message, of which there are two, in a conversation of its own."""
    made = Conversation.objects.create(owner=like.owner, agent=like.agent, agent_name=like.agent_name, title="Said anew")
    old = ended_run(made, 1, "What is the capital of Asutralia?", answer=ANSWER, is_superseded=True)
    ended_run(made, 2, "And its largest city?", answer="Sydney.", is_superseded=True)
    return ended_run(made, 3, "What is the capital of Australia?", answer="**Canberra.**", replaces=old)


@each_look
async def test_every_page(busy: Conversation, user: User, agent: Agent, width: str, scheme: Scheme) -> None:
    nothing_said = await sync_to_async(Conversation.objects.create)(owner=user, agent=agent, agent_name=agent.name)
    orphaned = await sync_to_async(Conversation.objects.create)(owner=user, agent=None, agent_name="Gone")
    said_anew = await sync_to_async(edited)(busy)
    paths = {
        "conversation": f"/chat/{busy.pk}/",
        "newer": f"/chat/{said_anew.conversation_id}/",
        "past": f"/chat/{said_anew.conversation_id}/?version={said_anew.replaces_id}#run-{said_anew.replaces_id}",
        "keeping": "/account/conversations/",
        "list": "/chat/",
        "new": "/chat/new/",
        "empty": f"/chat/{nothing_said.pk}/",
        "orphaned": f"/chat/{orphaned.pk}/",
        "manage": f"/chat/{busy.pk}/manage/",
    }
    found = []
    async with served() as url, opened(url, user, width, scheme) as page:
        for name, path in paths.items():
            await visit(page, path)
            await expect(page.locator("html:not([data-live]), html[data-live=open]")).to_have_count(1)
            if (wider := await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
                found.append(f"{name}: {wider} px too wide")
            found += [f"{name}: {text}" for text in await violations(page)]
            await keep(page, f"chat-{name}-{width}-{scheme}")
        await visit(page, f"/chat/{busy.pk}/")
        for fold in await page.locator(".call-fold > summary").all():
            await fold.click()
        await page.locator(".given > summary").first.click()
        await page.locator(".ask a", has_text="Edit").click()
        await expect(page.locator("form.ask[data-keep]")).to_have_count(2)
        await expect(page.locator("details[open]", has_text="Fetching it…")).to_have_count(0)
        found += [f"unfolded: {text}" for text in await violations(page)]
        await page.evaluate(UNROLLED)
        await keep(page, f"chat-unfolded-{width}-{scheme}")
    assert found == []
