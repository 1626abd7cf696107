"""The history of a toolbox."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.toolboxes.pages.conftest import Make
from toolboxes.models import Toolbox, ToolboxEvent
from toolboxes.services.events import record

Severity = ToolboxEvent.Severity


@pytest.fixture
def toolbox(make: Make) -> Toolbox:
    toolbox = make()
    record(toolbox=toolbox, kind="one", text="Something <b>small</b>.")
    record(toolbox=toolbox, kind="two", text="Something odd.", severity=Severity.WARNING)
    record(toolbox=toolbox, kind="three", text="Something bad.", severity=Severity.ERROR)
    return toolbox


def get(browser: Client, toolbox: Toolbox, query: str = "") -> str:
    answer = browser.get(f"/toolboxes/{toolbox.pk}/events/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_newest_first_and_escaped(browser: Client, toolbox: Toolbox) -> None:
    page = get(browser, toolbox)
    places = [page.index(text) for text in ("Something bad.", "Something odd.", "Something &lt;b&gt;small", "It was added.")]
    assert places == sorted(places)


@pytest.mark.parametrize(("severity", "count"), [("", 4), ("warning", 2), ("error", 1), ("nonsense", 4)])
def test_by_severity(browser: Client, toolbox: Toolbox, severity: str, count: int) -> None:
    assert get(browser, toolbox, f"?severity={severity}").count('class="row event"') == count


def test_nothing_of_that_kind(browser: Client, make: Make) -> None:
    assert "Nothing went wrong" in get(browser, make(), "?severity=error")


@pytest.mark.parametrize("page", ["2", "99", "x"])
def test_fifty_a_page(browser: Client, toolbox: Toolbox, page: str) -> None:
    ToolboxEvent.objects.bulk_create(ToolboxEvent(toolbox=toolbox, kind="more", text=f"No. {n}") for n in range(60))
    shown = get(browser, toolbox, f"?page={page}").count('class="row event"')
    assert shown == (50 if page == "x" else 14)
