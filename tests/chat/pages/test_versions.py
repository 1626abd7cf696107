"""Earlier versions of messages: how many there are is said, and each can be read with what followed it then, by its owner alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts.models import User
from chat.models import Conversation, ModelProvider, Run
from chat.pages import gathering
from chat.pages.versions import History, Row
from chat.services.messages import ask_again, edit_message
from tests.chat.conftest import MakeRun, step_in
from tests.chat.pages.test_views import HTMX, text_of


@pytest.fixture
def versions(user: User, make_run: MakeRun, provider: ModelProvider) -> list[Run]:
    """Three of the first message, the first of which was gone on with; the second message was asked twice then."""
    one, two = make_run("One", answer="First."), make_run("Two", answer="Second.")
    again = _ended(ask_again(user=user, run_id=two.pk), "Second, again.")
    uno = _ended(edit_message(user=user, run_id=one.pk, text="Uno"), "Primo.")
    eins = _ended(edit_message(user=user, run_id=uno.pk, text="Eins"), "Erstens.")
    return [one, two, again, uno, eins]


def _ended(run: Run, answer: str) -> Run:
    Run.objects.filter(pk=run.pk).update(status=Run.Status.SUCCEEDED, answer=answer, ended_at=run.created_at)
    return run


def test_the_newest_says_how_many_there_are(browser: Client, conversation: Conversation, versions: list[Run]) -> None:
    _, _, _, uno, eins = versions
    page = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert "3 / 3" in page
    assert f'href="/chat/{conversation.pk}/?version={uno.pk}#run-{uno.pk}" aria-label="Earlier version"' in page
    assert 'aria-label="Later version"' not in page
    assert "Uno" not in page
    assert f'id="run-{eins.pk}"' in page


def test_an_earlier_one_is_shown_with_what_followed_it_then(browser: Client, conversation: Conversation, versions: list[Run]) -> None:
    one, two, again, uno, eins = versions
    page = text_of(browser.get(f"/chat/{conversation.pk}/?version={one.pk}"))
    for words in ("1 / 3", "2 / 2", "First.", "Second, again.", "An earlier version.", "Back to the newest"):
        assert words in page
    for hidden in ("Primo.", "Erstens.", 'id="composer"', "ws-connect"):
        assert hidden not in page
    assert f"?version={two.pk}#run-{two.pk}" in page
    assert f"?version={uno.pk}#run-{uno.pk}" in page
    middle = text_of(browser.get(f"/chat/{conversation.pk}/?version={uno.pk}"))
    assert "2 / 3" in middle
    assert f'href="/chat/{conversation.pk}/#run-{eins.pk}" aria-label="Later version"' in middle
    assert "Second" not in middle
    before = text_of(browser.get(f"/chat/{conversation.pk}/?version={two.pk}"))
    assert f"?version={again.pk}#run-{again.pk}" in before
    assert "Second, again." not in before


def test_nobody_elses_and_none_that_is_not_there(browser: Client, stranger: User, conversation: Conversation, versions: list[Run]) -> None:
    eve = Client()
    eve.force_login(stranger)
    path = f"/chat/{conversation.pk}/?version="
    assert eve.get(f"{path}{versions[0].pk}").status_code == 404
    theirs = Conversation.objects.create(owner=stranger, agent_name="Theirs")
    assert eve.get(f"/chat/{theirs.pk}/?version={versions[0].pk}").status_code == 404
    assert "First." not in text_of(eve.get(f"/chat/{theirs.pk}/?version={versions[0].pk}&before=9", **HTMX))
    for wrong in (uuid4(), "1", "%00", "x" * 300):
        assert browser.get(f"{path}{wrong}").status_code == 404, wrong


def test_a_long_one_is_read_piece_by_piece(
    browser: Client, user: User, conversation: Conversation, make_run: MakeRun, provider: ModelProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAST_TURNS", 4)
    runs = [make_run(f"Number {number}.") for number in range(12)]
    edit_message(user=user, run_id=runs[4].pk, text="Otherwise.")
    page = text_of(browser.get(f"/chat/{conversation.pk}/?version={runs[4].pk}"))
    assert [number for number in range(12) if f"Number {number}." in page] == [2, 3, 4, 5]
    assert f"?version={runs[6].pk}#run-{runs[6].pk}" in page, "what followed is a page of its own"
    earlier = f"?version={runs[4].pk}&amp;before=3"
    assert earlier in page
    more = text_of(browser.get(f"/chat/{conversation.pk}/{earlier.replace('&amp;', '&')}", **HTMX))
    assert [number for number in range(12) if f"Number {number}." in more] == [0, 1]
    assert "Earlier messages" not in more


def test_it_makes_no_more_queries_for_more_versions(
    browser: Client,
    user: User,
    conversation: Conversation,
    make_run: MakeRun,
    provider: ModelProvider,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    run = make_run("0")
    for number in range(6):
        step_in(run)
        run = _ended(edit_message(user=user, run_id=run.pk, text=str(number)), "Done.")
    with django_assert_max_num_queries(25):
        page = text_of(browser.get(f"/chat/{conversation.pk}/"))
    assert "7 / 7" in page


def test_what_stood_when_is_told_from_the_rows() -> None:
    a, b, c, d, e = (UUID(int=number) for number in range(1, 6))
    history = History([Row(a, 1, None, True), Row(b, 2, None, True), Row(c, 3, b, True), Row(d, 4, a, False), Row(e, 5, None, False)])
    assert history.stood_with(b) == [a, b]
    assert history.stood_with(c) == history.stood_with(a) == [a, c]
    assert history.stood_with(e) == [d, e]
    assert history.versions_of(e) is None
    found = history.versions_of(c)
    assert found is not None
    assert (found.number, found.total, found.later) == (2, 2, "")


def test_what_is_kept_of_an_ended_turn_is_reached_by_its_owner_alone(
    browser: Client, stranger: User, conversation: Conversation, make_run: MakeRun
) -> None:
    run = make_run("<b>Mine</b>", answer="# <i>Ours</i>")
    step_in(run, arguments={"path": "<u>x</u>"})
    path = f"/chat/{conversation.pk}/"
    first, second = (text_of(browser.get(path)) for _ in range(2))
    for page in (first, second):
        assert "&lt;b&gt;Mine" in page
        assert "&lt;i&gt;Ours" in page
        assert "&lt;u&gt;x" in page
    eve = Client()
    eve.force_login(stranger)
    assert eve.get(path).status_code == 404
    for token in (browser.cookies, eve.cookies):
        assert "csrftoken" not in token or token["csrftoken"].value not in second[second.index('id="turns"') : second.index("turn-foot")]
