"""Connecting servers to an agent: whole or chosen tools, until when; changing that, testing it, taking it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from agents.models import Agent, Grant
from agents.services.grants import revoke_grant
from dtma_wire import Phase
from mcp_registry.models import McpServer

FORM = {"grant": "", "scope": "all", "approval": "destructive", "on_change": "hold", "ends": "never"}


def address(agent: Agent, server: McpServer, view: str = "") -> str:
    return f"/agents/{agent.pk}/servers/{server.pk}/{view}"


def test_without_a_server_it_leads_to_the_catalogue(browser: Client, agent: Agent) -> None:
    page = browser.get(f"/agents/{agent.pk}/servers/").content.decode()
    assert "There is no server to connect" in page
    assert 'href="/catalog/"' in page


def test_servers_are_offered_and_searched(browser: Client, agent: Agent, granted: Grant, make_server: Callable[..., McpServer]) -> None:
    make_server(name="mail")
    page = browser.get(f"/agents/{agent.pk}/servers/").content.decode()
    assert page.count(">connected<") == 1
    found = browser.get(f"/agents/{agent.pk}/servers/?search=mail", headers={"HX-Request": "true", "HX-Target": "choice"}).content.decode()
    assert "mail" in found
    assert "files" not in found
    assert "<html" not in found


def test_a_whole_server_is_connected(browser: Client, agent: Agent, files: McpServer) -> None:
    page = browser.get(address(agent, files)).content.decode()
    assert "Connect “files”" in page
    assert "Disconnect" not in page
    answer = browser.post(address(agent, files), FORM)
    assert (answer.status_code, answer["Location"]) == (302, f"/agents/{agent.pk}/")
    made = agent.grants.get()
    assert (made.server, made.tools, made.approval, made.on_change, made.expires_at) == (files, None, "destructive", "hold", None)
    page = browser.get(f"/agents/{agent.pk}/").content.decode()
    for name in ("read_file", "delete_file", "touch_file"):
        assert name in page
    assert page.count("asks first") == 2, "what says nothing of itself may destroy, too"


def test_chosen_tools_are_connected_for_a_day_with_limits(browser: Client, agent: Agent, files: McpServer) -> None:
    given = {"scope": "chosen", "tools": ["read_file", "touch_file"], "ends": "day", "calls_per_minute": "5", "approval": "always"}
    assert browser.post(address(agent, files), {**FORM, **given}).status_code == 302
    made = agent.grants.get()
    assert (made.tools, made.approval, made.calls_per_minute) == (["read_file", "touch_file"], "always", 5)
    assert made.expires_at is not None
    assert timedelta(hours=23) < made.expires_at - timezone.now() <= timedelta(days=1)
    page = browser.get(f"/agents/{agent.pk}/").content.decode()
    assert "2 chosen tools" in page
    assert "delete_file" not in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scope": "chosen"}, "Choose at least one tool, or all."),
        ({"scope": "chosen", "tools": ["nothing"]}, "not one of the available choices"),
        ({"ends": "at"}, "Say until when."),
        ({"ends": "at", "ends_at": "2001-01-01T10:00"}, "This time has passed."),
        ({"approval": "sometimes"}, "Select a valid choice"),
        ({"cpu_seconds_per_day": "-1"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(browser: Client, agent: Agent, files: McpServer, given: dict[str, Any], said: str) -> None:
    answer = browser.post(address(agent, files), {**FORM, **given})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not agent.grants.exists()


def test_it_is_changed_and_what_is_typed_is_what_is_kept(browser: Client, agent: Agent, granted: Grant, files: McpServer) -> None:
    ends = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    given = {
        **FORM,
        "grant": str(granted.pk),
        "scope": "chosen",
        "tools": ["read_file"],
        "on_change": "accept",
        "ends": "at",
        "ends_at": ends,
    }
    assert browser.post(address(agent, files), given).status_code == 302
    granted.refresh_from_db()
    assert (granted.tools, granted.on_change) == (["read_file"], "accept")
    page = browser.get(address(agent, files)).content.decode()
    assert f'value="{ends}"' in page
    assert page.count(" checked") == 3, "the choice of chosen tools, one tool, and the theme"


def test_a_form_from_before_it_was_disconnected_connects_nothing(
    browser: Client, user: User, agent: Agent, granted: Grant, files: McpServer
) -> None:
    revoke_grant(owner=user, grant_id=granted.pk)
    answer = browser.post(address(agent, files), {**FORM, "grant": str(granted.pk)})
    assert answer.status_code == 422
    assert "meanwhile" in answer.content.decode()
    assert not agent.grants.exists()


def test_it_is_disconnected(browser: Client, agent: Agent, granted: Grant, files: McpServer) -> None:
    assert "can use no tool of “files”" in browser.get(address(agent, files)).content.decode()
    answer = browser.post(address(agent, files, "disconnect/"))
    assert (answer.status_code, answer["Location"]) == (302, f"/agents/{agent.pk}/")
    assert not agent.grants.exists()
    assert browser.post(address(agent, files, "disconnect/")).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_test_of_a_server_that_does_not_answer_says_so(browser: Client, agent: Agent, granted: Grant, files: McpServer) -> None:
    answer = browser.post(address(agent, files, "test/"), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "It does not answer" in page
    assert "The toolbox “box” does not answer." in page
    assert "<html" not in page
    assert "<html" in browser.post(address(agent, files, "test/")).content.decode(), "without script it is a whole page"


def test_a_server_that_stopped_and_a_grant_that_ended_are_told_of(
    browser: Client, agent: Agent, granted: Grant, files: McpServer, make_server: Callable[..., McpServer]
) -> None:
    Grant.objects.filter(pk=granted.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    broken = make_server(Phase.CRASHED, name="broken")
    browser.post(address(agent, broken), FORM)
    page = browser.get(f"/agents/{agent.pk}/").content.decode()
    assert "(ended)" in page
    assert "(failed)" in page or "(crashed)" in page


@pytest.mark.parametrize("view", ["", "disconnect/", "test/", "tools/read_file/"])
def test_another_users_server_cannot_be_connected(stranger: User, agent: Agent, files: McpServer, granted: Grant, view: str) -> None:
    client = Client()
    client.force_login(stranger)
    own = Agent.objects.create(owner=stranger, name="own", slug="own")
    for whose in (agent, own):
        assert client.post(address(whose, files, view), FORM).status_code == 404
    assert not own.grants.exists()
    assert agent.grants.count() == 1
