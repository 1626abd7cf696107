"""Which toolboxes run an old DTMA."""

from __future__ import annotations

from django.test import Client

from accounts.models import User
from tests.toolboxes.pages.conftest import Make, info
from toolboxes.models import Toolbox
from toolboxes.versions import current_version


def get(browser: Client) -> str:
    answer = browser.get("/toolboxes/versions/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_before_any_has_reported(browser: Client, make: Make) -> None:
    make(state="pending")
    assert "No toolbox has reported yet" in get(browser)


def test_all_up_to_date(browser: Client, make: Make) -> None:
    make("a")
    assert f"1 toolbox runs DTMA {current_version()}." in get(browser)
    make("b")
    assert f"2 toolboxes run DTMA {current_version()}." in get(browser)


def test_each_old_one_with_the_command_that_upgrades_it(browser: Client, make: Make, toolbox: Toolbox, stranger: User) -> None:
    old = info(dtma_version="0.0.1")
    make("fine")
    make("theirs", owner=stranger, info=old)
    make("server", info=old)
    Toolbox.objects.filter(pk=toolbox.pk).update(info=old)
    page = get(browser)
    assert 'To be upgraded <span class="badge">2<' in page
    assert page.count("DTMA 0.0.1") == 2
    assert ">sudo agentopia-dtma upgrade<" in page
    assert ">make run<" in page
    assert "theirs" not in page
    assert "data-copy" in page
