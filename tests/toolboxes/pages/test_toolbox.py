"""A toolbox's own page."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.toolboxes.pages.conftest import Make, info
from toolboxes.models import Toolbox
from toolboxes.status import State

VIEWS = ("", "servers/", "servers/capacity/", "events/", "settings/", "removal/")


def get(browser: Client, toolbox: Toolbox, view: str = "") -> str:
    answer = browser.get(f"/toolboxes/{toolbox.pk}/{view}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_facts_of_its_host(browser: Client, make: Make) -> None:
    page = get(browser, make("alpha"))
    facts = (
        "Debian 13, x86_64",
        "6.12",
        "Docker 28.1",
        "seccomp, firewall",
        "https://127.0.0.1:9",
        "until <time",
        "8.0\xa0GB",
        "of 4 cores",
    )
    assert [fact for fact in facts if fact not in page] == []
    assert 'data-source="/api/v1/toolboxes/' in page


def test_of_one_that_does_not_report_it_says_so_and_shows_no_figure(browser: Client, make: Make) -> None:
    page = get(browser, make(state="unresponsive"))
    assert "It has missed three heartbeats" in page
    assert "since <time" in page
    assert page.count("<dd>—</dd>") == 4


def test_one_that_never_reported_has_a_page_too(browser: Client, make: Make) -> None:
    page = get(browser, make(state="pending"))
    assert "No machine has become this toolbox yet." in page
    assert "none that counts" in page


def test_an_old_dtma_leads_to_the_command_that_upgrades_it(browser: Client, make: Make) -> None:
    toolbox = make(info=info(dtma_version="0.0.1"))
    assert f"/toolboxes/{toolbox.pk}/settings/#upgrade" in get(browser, toolbox)
    assert "sudo agentopia-dtma upgrade" in get(browser, toolbox, "settings/")


def test_what_a_host_says_of_itself_is_escaped(browser: Client, make: Make) -> None:
    toolbox = make(info=info(hostname="<script>alert(1)</script>", system='"><img src=x>'))
    assert "<script>alert" not in get(browser, toolbox)
    assert "<img src=x" not in get(browser, toolbox)


def test_what_makes_it_is_followed_on_every_page_of_it(browser: Client, make: Make) -> None:
    page = get(browser, make(state="removing"), "events/")
    assert "Servers removed" in page
    assert 'data-state="waiting"' in page


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("state", [state for state in State if state is not State.REMOVED])
def test_every_page_in_every_state(browser: Client, make: Make, state: State, view: str) -> None:
    get(browser, make(state=state), view)


@pytest.mark.parametrize("view", VIEWS)
def test_a_strangers_toolbox_is_not_found(browser: Client, make: Make, stranger: User, view: str) -> None:
    toolbox = make(owner=stranger)
    assert browser.get(f"/toolboxes/{toolbox.pk}/{view}").status_code == 404


@pytest.mark.parametrize("view", [*VIEWS, "settings/install/", "settings/revoke/"])
def test_nobody_is_sent_to_sign_in(make: Make, view: str) -> None:
    answer = Client().get(f"/toolboxes/{make().pk}/{view}")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")
