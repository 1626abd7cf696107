"""A conversation in a real Chromium with everything behind it: the runner, a toolbox, a server in a container, and the scripted model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from docker import DockerClient
from playwright.sync_api import Page, expect

from bench.scripted.serving import Served, serving
from tests.e2e.browser import chromium, page, signed_in
from tests.e2e.conftest import Rest

__all__ = ["chromium", "page", "signed_in"]

ENDS_MS = 60_000
TOP_OF_COMPOSER = "document.getElementById('composer-place').getBoundingClientRect().top"


@dataclass(frozen=True)
class Place:
    """Two agents with the same server: one may call freely, one asks first. Both think with the scripted model."""

    rest: Rest
    model: Served
    server: str
    prefix: str
    free: str
    asking: str

    def say(self, tool: str, then: str = "", **arguments: Any) -> str:
        """A message that makes the model call a tool."""
        return f"call {self.prefix}__{tool} {json.dumps(arguments)}{then}"


@pytest.fixture(scope="module")
def place(rest: Rest, image: str) -> Iterator[Place]:
    with serving() as model:
        server = rest.deploy_image(image, "python", "/srv/older.py")
        made = rest.until_settled(server)
        assert made["status"] == "running"
        provider = rest.made(
            "model-providers/",
            kind="openai",
            name=f"Scripted {uuid4().hex[:6]}",
            base_url=model.url,
            api_key="k",
            default_model=model.model,
        )
        agents = []
        for name, approval in (("Free", "never"), ("Careful", "always")):
            agent = rest.made("agents/", name=f"{name} {uuid4().hex[:6]}", tool_mode="all")["id"]
            rest.made(f"agents/{agent}/grants/", server=server, approval=approval)
            status, answer = rest.ask("PUT", f"agents/{agent}/models/", [{"provider": provider["id"], "model": model.model}])
            assert status == 200, answer
            agents.append(agent)
        yield Place(rest, model, server, made["name"].replace("-", "_"), *agents)
        for agent in agents:
            rest.ask("DELETE", f"agents/{agent}/")
        rest.ask("DELETE", f"model-providers/{provider['id']}/")


@pytest.fixture(autouse=True)
def no_faults(place: Place) -> Iterator[None]:
    yield
    place.model.reset()


def begin(page: Page, agent: str, text: str) -> None:
    """A new conversation with this agent, live."""
    page.goto(f"/chat/new/?agent={agent}")
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.locator("html")).to_have_attribute("data-live", "open")


def until_ended(page: Page, status: str = "succeeded") -> None:
    expect(page.locator(".turn-foot").last).to_have_attribute("data-status", status, timeout=ENDS_MS)
    expect(page.locator("#send")).to_be_visible()


def test_several_tools_stream_and_a_reload_in_the_middle_goes_on(page: Page, place: Place) -> None:
    server = place.rest.deploy("everything")
    made = place.rest.until_settled(server)
    assert made["status"] == "running"
    place.rest.made(f"agents/{place.free}/grants/", server=server, approval="never")
    calls = [
        {"id": "a", "server": made["name"], "tool": "echo", "args": {"message": "abc"}, "step": 0},
        {"id": "b", "server": made["name"], "tool": "get-sum", "args": {"a": 2, "b": 3}, "step": 0},
        {"id": "c", "server": made["name"], "tool": "trigger-long-running-operation", "args": {"duration": 2, "steps": 4}, "step": 1},
    ]
    place.model.play({"id": "t", "prompt": "Measure both.", "gold_calls": calls, "answer": "They have **three** and *five* letters."})
    begin(page, place.free, "Measure both.")
    expect(page.locator(".call[data-status=running] progress[value]")).to_be_visible(timeout=ENDS_MS)
    page.reload()
    expect(page.locator(".call").last).to_have_attribute("data-status", "running")
    until_ended(page)
    expect(page.locator(".call[data-status=succeeded]")).to_have_count(3)
    expect(page.locator(".round").first.locator(".call")).to_have_count(2)
    expect(page.locator(".md strong")).to_have_text("three")
    page.locator(".call summary").first.click()
    expect(page.locator(".call-body").first).to_contain_text("Echo: abc")
    page.locator(".given summary").click()
    expect(page.locator(".given-tools")).to_contain_text("get-sum")

    page.get_by_role("link", name="Attach a resource").click()
    offered = page.locator(".shelf-item").first
    name = offered.locator(".shelf-name").inner_text()
    offered.click()
    expect(page.locator(".composer-chip")).to_have_text([name])
    place.model.reset()
    page.get_by_label("Message", exact=True).fill("What is in it?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator(".said-file")).to_have_count(1)
    expect(page.locator(".composer-chip")).to_have_count(0)
    until_ended(page)

    page.goto(f"/chat/new/?agent={place.free}")
    page.get_by_role("link", name="Attach a resource").click()
    page.locator(".shelf-item", has_text=name).first.click()
    page.locator("#composer-input").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Buy milk."}])
    expect(page.locator(".composer-chip")).to_have_count(2)
    page.get_by_label("Message", exact=True).fill("What is in both?")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    expect(page.locator(".said-file")).to_have_count(2)
    until_ended(page)

    top = page.evaluate(TOP_OF_COMPOSER)
    page.get_by_label("Message", exact=True).fill("beat 40 every 0.1")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator(".md[data-open]")).to_have_text(re.compile(r"\d+\.\d+"))
    page.reload()
    expect(page.locator(".turn").last.locator(".md[data-open]")).to_have_text(re.compile(r"\d+\.\d+"))
    expect(page.locator("#stop")).to_be_visible()
    until_ended(page)
    shown = page.locator(".turn").last.locator(".md").inner_text().split()
    assert len(shown) == 40
    assert [float(moment) for moment in shown] == sorted(float(moment) for moment in shown)
    assert page.evaluate(TOP_OF_COMPOSER) == top
    page.reload()
    assert page.locator(".turn").last.locator(".md").inner_text().split() == shown


def test_a_call_is_stopped_with_its_run(page: Page, place: Place) -> None:
    begin(page, place.free, place.say("hold", gate="never"))
    expect(page.locator(".call[data-status=running] progress[value]")).to_be_visible(timeout=ENDS_MS)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    until_ended(page, "cancelled")
    expect(page.locator(".call")).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#send")).to_be_visible()


def test_a_call_is_approved_and_one_refused(page: Page, place: Place) -> None:
    begin(page, place.asking, place.say("length", text="abc"))
    expect(page.locator(".ask")).to_contain_text("abc", timeout=ENDS_MS)
    expect(page.locator("#approvals-count")).to_contain_text("1")
    page.get_by_role("button", name="Approve", exact=True).click()
    until_ended(page)
    expect(page.locator(".call")).to_have_attribute("data-status", "succeeded")
    expect(page.locator(".md").last).to_contain_text("3")
    page.get_by_label("Message", exact=True).fill(place.say("length", text="never"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Refuse", exact=True).click(timeout=ENDS_MS)
    until_ended(page)
    expect(page.locator(".call").last).to_have_attribute("data-status", "refused")


def test_arguments_are_edited_and_then_approved(page: Page, place: Place) -> None:
    begin(page, place.asking, place.say("length", text="abc"))
    page.locator(".ask").get_by_role("link", name="Edit").click(timeout=ENDS_MS)
    page.locator("form.ask textarea").fill('{"text": "abcdefg"}')
    page.get_by_role("button", name="Approve", exact=True).click()
    until_ended(page)
    expect(page.locator(".md").last).to_contain_text("7")
    expect(page.locator(".call-args")).to_contain_text("abcdefg")


def test_a_server_asks_and_is_answered_by_a_form(page: Page, place: Place, image: str) -> None:
    # Of a server that others call too it could not be told, for a while, in whose call it asks.
    server = place.rest.deploy_image(image, "python", "/srv/older.py")
    made = place.rest.until_settled(server)
    place.rest.made(f"agents/{place.free}/grants/", server=server, approval="never")
    begin(page, place.free, replace(place, prefix=made["name"].replace("-", "_")).say("quiz"))
    expect(page.locator("form.ask")).to_contain_text("A word?", timeout=ENDS_MS)
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("form.ask .field-error")).to_be_visible()
    page.locator("form.ask").get_by_label("word").fill("rosebud")
    page.get_by_role("button", name="Answer").click()
    until_ended(page)
    expect(page.locator(".md").last).to_contain_text("rosebud")
    expect(page.locator("form.ask")).to_have_count(0)


def test_a_model_that_is_down_is_said_and_asked_again(page: Page, place: Place) -> None:
    place.model.fail("http_400:*")
    begin(page, place.free, "Hello")
    until_ended(page, "failed")
    expect(page.locator(".turn-foot .banner")).to_contain_text("does not accept the request")
    place.model.fail("http_500:1")
    page.locator(".turn").last.hover()
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".line[data-tone=warning]")).to_be_visible(timeout=ENDS_MS)
    until_ended(page)
    expect(page.locator(".md").last).to_contain_text("You said: Hello")


def test_a_server_that_is_killed_in_the_middle_is_said_and_comes_back(page: Page, place: Place, engine: DockerClient) -> None:
    begin(page, place.free, place.say("hold", gate="never"))
    expect(page.locator(".call[data-status=running] progress[value]")).to_be_visible(timeout=ENDS_MS)
    for container in engine.containers.list(filters={"label": f"io.agentopia.server={place.server}"}):
        container.kill()
    until_ended(page)
    expect(page.locator(".call")).to_have_attribute("data-status", "interrupted")
    expect(page.locator(".call-error")).not_to_be_empty()
    place.rest.until(place.server, "running")
    page.get_by_role("link", name="Try with other arguments").click()
    expect(page.locator("form.ask textarea")).to_have_value(re.compile("never"))
    page.get_by_label("Message", exact=True).fill(place.say("length", text="abcd"))
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    until_ended(page)
    expect(page.locator(".md").last).to_contain_text("4")
