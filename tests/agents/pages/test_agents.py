"""Making agents, finding them, changing and deleting them."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from agents.models import Agent, Grant
from agents.services.agents import create_agent

FORM = {"name": "Release notes", "slug": "", "instructions": "Writes.", "model": "", "tool_mode": "all", "top_k": "10"}


def test_the_empty_list_says_what_an_agent_is(browser: Client) -> None:
    page = browser.get("/agents/")
    assert page.status_code == 200
    assert "No agent yet" in page.content.decode()
    assert 'href="/agents/new/"' in page.content.decode()


def test_one_is_made(browser: Client, user: User) -> None:
    answer = browser.post("/agents/new/", {**FORM, "calls_per_minute": "30"})
    made = user.agents.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/agents/{made.pk}/")
    assert (made.slug, made.enabled, made.calls_per_minute, made.calls_per_day) == ("release-notes", True, 30, None)
    page = browser.get(f"/agents/{made.pk}/").content.decode()
    assert "It has no tools yet" in page
    assert "http://testserver/mcp/release-notes" in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": ""}, "This field is required."),
        ({"slug": "No Slug"}, "Enter a valid value"),
        ({"top_k": "51"}, "less than or equal to 50"),
        ({"calls_per_day": "0"}, "greater than or equal to 1"),
        ({"tool_mode": "none"}, "Select a valid choice"),
        ({"name": "a\0b"}, "Null characters"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(browser: Client, user: User, given: dict[str, str], said: str) -> None:
    answer = browser.post("/agents/new/", {**FORM, **given})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not user.agents.exists()


def test_a_name_in_addresses_that_is_taken(browser: Client, agent: Agent) -> None:
    answer = browser.post("/agents/new/", {**FORM, "slug": agent.slug})
    assert answer.status_code == 422
    assert "Taken." in answer.content.decode()
    assert '<details class="more" id="more" open>' in answer.content.decode(), "what is wrong is not folded away"


def test_the_list_tells_of_tools_and_is_searched(browser: Client, user: User, granted: Grant) -> None:
    create_agent(owner=user, name="Other")
    page = browser.get("/agents/").content.decode()
    assert "3 tools of 1 server" in page
    assert "Not connected to any server" in page
    found = browser.get("/agents/?search=release", headers={"HX-Request": "true", "HX-Target": "agents"}).content.decode()
    assert "Release notes" in found
    assert "Other" not in found
    assert "<html" not in found
    assert "No agent is called that" in browser.get("/agents/?search=nothing").content.decode()


def test_it_is_changed_and_switched_off(browser: Client, agent: Agent) -> None:
    address = f"/agents/{agent.pk}/settings/"
    assert 'value="release-notes"' in browser.get(address).content.decode()
    answer = browser.post(address, {**FORM, "slug": "notes", "name": "Notes"})
    assert (answer.status_code, answer["Location"]) == (302, address)
    agent.refresh_from_db()
    assert (agent.name, agent.slug, agent.enabled) == ("Notes", "notes", False)
    assert "switched off" in browser.get(f"/agents/{agent.pk}/").content.decode()


def test_it_is_deleted(browser: Client, user: User, agent: Agent) -> None:
    assert browser.get(f"/agents/{agent.pk}/delete/").status_code == 405
    answer = browser.post(f"/agents/{agent.pk}/delete/")
    assert (answer.status_code, answer["Location"]) == (302, "/agents/")
    assert not user.agents.exists()
    assert browser.get(f"/agents/{agent.pk}/").status_code == 404


def test_markup_in_a_name_is_text(browser: Client, user: User) -> None:
    made = create_agent(owner=user, name="<b>bold</b>", instructions="<script>alert(1)</script>")
    for address in ("/agents/", f"/agents/{made.pk}/", f"/agents/{made.pk}/settings/"):
        page = browser.get(address).content.decode()
        assert "<b>bold" not in page
        assert "<script>alert" not in page


@pytest.mark.parametrize("view", ["", "settings/", "held/", "servers/"])
def test_another_users_agent_is_not_there(stranger: User, agent: Agent, view: str) -> None:
    client = Client()
    client.force_login(stranger)
    assert client.get(f"/agents/{agent.pk}/{view}").status_code == 404
    assert client.post(f"/agents/{agent.pk}/delete/").status_code == 404
    assert Agent.objects.filter(pk=agent.pk).exists()
