"""A call that waits for a person, and the pages of receipts, in a real Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from axe_playwright_python.async_playwright import Axe
from django.conf import settings
from django.utils import timezone
from playwright.async_api import Page, expect
from redis import Redis

from accounts.models import User
from agents.calling.ledger import keeping_receipts
from agents.calling.stream import stream_name
from agents.models import Approval, ToolCall
from agents.services.agents import create_agent
from agents.services.grants import grant
from agents.toolsets import cache
from mcp_registry.models import McpServer
from tests.agents.calling.caller import AgentAtWork, Answering, receipt_of
from tests.agents.granting import tell_tools
from tests.agents.receipts.conftest import WRITE_TOOL
from tests.dtma.agent import eventually
from tests.toolboxes.pages.test_looks import Scheme, each_look, keep, opened, served, visit

pytestmark = pytest.mark.django_db(transaction=True)
WRITE = "files__write_file"
ARGUMENTS = {"path": "/srv/notes.txt", "content": "first line\nsecond line"}
AXE = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.fixture
def scribe(transactional_db: None, user: User, make_server: Callable[..., McpServer]) -> AgentAtWork:
    """An agent that asks before it writes files."""
    with Redis.from_url(settings.ENVIRONMENT.redis_url) as redis:
        redis.delete(stream_name())
    cache.forget()
    server = make_server(name="files")
    tell_tools(server, [WRITE_TOOL])
    agent = create_agent(owner=user, name="Scribe")
    grant(owner=user, agent_id=agent.pk, server_id=server.pk, approval="destructive")
    return AgentAtWork(user, agent, server)


@pytest_asyncio.fixture
async def serving(scribe: AgentAtWork) -> AsyncIterator[None]:
    async with keeping_receipts():
        yield


def calling(scribe: AgentAtWork, toolbox: Answering, **arguments: Any) -> asyncio.Task[Any]:
    """A call on its way."""
    return asyncio.create_task(scribe.call(toolbox, WRITE, {**ARGUMENTS, **arguments}, client="claude-code 2.1"))


async def test_a_call_appears_is_edited_and_approved_by_keyboard(serving: None, scribe: AgentAtWork, user: User) -> None:
    toolbox = Answering()
    async with served() as url, opened(url, user, "screen", "light") as page:
        await visit(page, "/approvals/")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")
        await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
        await page.evaluate("window.unloaded = false; addEventListener('pagehide', () => (window.unloaded = true))")
        call = calling(scribe, toolbox)
        await expect(page.locator("#waiting .cover")).to_have_text("files · write_file")
        await expect(page.locator("#approvals-count")).to_have_text("1 waiting")
        await expect(page.locator("#said")).to_have_text("1 call waits.")
        assert await page.evaluate("window.unloaded") is False

        await tab_to(page, "a.cover")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("files · write_file")
        await tab_to(page, "input[name=argument-path]")
        await page.keyboard.press("Control+a")
        await page.keyboard.type("/tmp/safe.txt")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Nothing is decided yet")).to_be_visible()  # Enter in a field does not approve
        assert (toolbox.asked, call.done()) == ([], False)
        await expect(page.locator("input[name=argument-path]")).to_have_value("/tmp/safe.txt")
        await tab_to(page, "input[name=argument-path]")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#outcome")).to_contain_text("Approved by ada@example.org")
        await expect(page.locator("#outcome")).to_be_focused()
        made = await call
        assert toolbox.asked == [{**ARGUMENTS, "path": "/tmp/safe.txt"}]
        await expect(page.locator("#state")).to_contain_text("The call: Succeeded")
        await expect(page.locator("#approvals-count")).to_be_empty()

        await tab_to(page, "#to-call")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{url}/calls/{made.id}/")
        await expect(page.locator("#arguments")).to_contain_text("/tmp/safe.txt")
        assert (await receipt_of(made)).status == "succeeded"


async def test_what_was_typed_stays_while_others_come_and_go(serving: None, scribe: AgentAtWork, user: User) -> None:
    toolbox = Answering()
    first = calling(scribe, toolbox)
    approval = await waiting_one(scribe)
    async with served() as url, opened(url, user, "screen", "dark") as page:
        await visit(page, f"/approvals/{approval}/")
        await expect(page.locator("html")).to_have_attribute("data-live", "open")
        await page.get_by_label("Path").fill("/tmp/mine.txt")
        second = calling(scribe, toolbox, path="/other")
        await expect(page.locator("#approvals-count")).to_have_text("2 waiting")
        await expect(page.get_by_label("Path")).to_have_value("/tmp/mine.txt")
        await expect(page.get_by_label("Path")).to_be_focused()

        async with opened(url, user, "phone", "light") as phone:
            await visit(phone, "/approvals/")
            await phone.get_by_role("button", name="Refuse write_file").first.tap()
            await expect(phone.locator("#toasts")).to_contain_text("The call is refused")
            await expect(phone.locator("#waiting .row")).to_have_count(1)
            await expect(phone.locator("#past")).to_contain_text("refused")
        await expect(page.locator("#outcome")).to_contain_text("Refused by ada@example.org")
        await expect(page.locator("#approve-form")).to_have_count(0)
        await page.locator("#to-next").click()
        await expect(page.get_by_label("Path")).to_have_value("/other")
        await page.get_by_label("Why not").fill("Too late")
        await page.get_by_role("button", name="Refuse").click()
        await expect(page.locator("#outcome")).to_contain_text("Refused")
    for call in (first, second):
        with pytest.raises(Exception, match="refused this call"):
            await call
    assert toolbox.asked == []


async def waiting_one(scribe: AgentAtWork) -> UUID:
    """The id of the approval that waits, once there is one."""
    found: Approval = await eventually(Approval.objects.filter(agent=scribe.agent, status="waiting").afirst)
    return found.pk


async def tab_to(page: Page, selector: str) -> None:
    """Go on with the Tab key until this has the focus; from the beginning of the content, to have less of a way."""
    await page.locator("#content").focus()
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"The Tab key does not lead to {selector}")


@pytest.fixture
def busy(scribe: AgentAtWork) -> dict[str, Any]:
    """Receipts of every kind, one that waits, and one that was decided."""
    run, now = uuid4(), timezone.now()
    for number in range(60):
        status = ("succeeded",) * 4 + ("tool_error", "failed", "refused", "cancelled", "running")
        kind = status[number % len(status)]
        answered = kind in ("succeeded", "tool_error")
        at = now - timedelta(seconds=40 * number)
        ToolCall.objects.create(
            user=scribe.owner, via=("gateway", "chat", "api")[number % 3], agent=scribe.agent, agent_name="Scribe", server=scribe.server,
            server_name="files", tool_name="write_file" if number % 4 else "a_tool_with_a_rather_long_name_" + "x" * 60,
            client="claude-code 2.1", token_id=1, token_name="laptop", run=run if number % 2 else None, definition_digest="d" * 64,
            status=kind, created_at=at, deadline=now + timedelta(minutes=5),
            ended_at=None if kind == "running" else at + timedelta(seconds=12),
            arguments={"path": f"/srv/{number}.txt", "content": "x" * 50},
            result={"content": [{"type": "text", "text": "Written, " + "and more of it, " * 40}]} if answered else None,
            error_message="" if answered or kind == "running" else "The toolbox did not answer: " + "why " * 30,
            error_code="" if answered or kind == "running" else "toolbox_unreachable", queue_ms=0.4,
            duration_ms=40.0 + number if answered else None, approval_ms=5200.0 if number % 5 == 0 else None,
            server_ms=25.0 if answered else None, cpu_seconds=0.02 * number, peak_memory_bytes=3_000_000 * number,
            egress_bytes=900 * number, cost_shared=number % 7 == 0,
        )  # fmt: skip
    return {"call": ToolCall.objects.filter(status="succeeded", approval_ms__isnull=False).latest("created_at").pk, "run": run}


@each_look
async def test_every_page(serving: None, scribe: AgentAtWork, busy: dict[str, Any], user: User, width: str, scheme: Scheme) -> None:
    tasks = [calling(scribe, Answering()), calling(scribe, Answering(), content="A longer text. " * 60)]
    approval = await waiting_one(scribe)
    failed = await sync_to_async(ToolCall.objects.filter(status="failed").first)()
    assert failed is not None
    paths = {
        "approvals": "/approvals/",
        "approval": f"/approvals/{approval}/",
        "calls": "/calls/",
        "calls-chosen": "/calls/?server=files&window=week",
        "calls-none": "/calls/?search=nothing",
        "call": f"/calls/{busy['call']}/",
        "call-failed": f"/calls/{failed.pk}/",
        "run": f"/calls/runs/{busy['run']}/",
        "totals": "/calls/totals/",
        "totals-none": "/calls/totals/?since=2020-01-01&until=2020-01-01",
        "limits": "/account/calls/",
    }
    found = []
    async with served() as url, opened(url, user, width, scheme) as page:
        for name, path in paths.items():
            await visit(page, path)
            await expect(page.locator("html:not([data-live]), html[data-live=open]")).to_have_count(1)
            if (wider := await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
                found.append(f"{name}: {wider} px too wide")
            found += [f"{name}: {text}" for text in await violations(page)]
            await keep(page, f"{name}-{width}-{scheme}")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert found == []


async def violations(page: Page) -> list[str]:
    """What axe-core finds that keeps anybody from using the page."""
    answer = (await Axe().run(page, options=AXE)).response
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in answer["violations"]]
