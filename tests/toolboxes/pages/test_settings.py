"""What can be changed of a toolbox."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from accounts.models import User
from tests.toolboxes.pages.conftest import Make
from toolboxes.models import EnrolmentToken, Job, Toolbox
from toolboxes.selectors import described_toolbox_for
from toolboxes.services.enrolment import new_token


def test_it_is_renamed(browser: Client, make: Make) -> None:
    toolbox = make("before")
    assert browser.post(f"/toolboxes/{toolbox.pk}/settings/", {"name": " after "}).status_code == 302
    toolbox.refresh_from_db()
    assert toolbox.name == "after"
    assert toolbox.events.first().text == "It was called “before”, and is “after” now."  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "problem"), [("", "required"), ("-x", "begins and ends"), ("TAKEN", "already"), ("x" * 64, "at most 63")])
def test_a_name_that_will_not_do(browser: Client, make: Make, name: str, problem: str) -> None:
    make("taken")
    toolbox = make("before")
    answer = browser.post(f"/toolboxes/{toolbox.pk}/settings/", {"name": name})
    assert answer.status_code == 422
    assert problem in answer.content.decode()
    toolbox.refresh_from_db()
    assert toolbox.name == "before"


def test_a_new_install_command_is_shown_once(browser: Client, user: User, make: Make) -> None:
    toolbox = make()
    first = new_token(toolbox=toolbox, by=user)
    answer = browser.post(f"/toolboxes/{toolbox.pk}/settings/install/")
    assert answer.headers["Cache-Control"].count("no-store")
    page = html.unescape(answer.content.decode())
    found = re.search(r"curl -fsSL (\S+)/install/(\S+) \| sudo sh -s -- --ca-fingerprint sha256:[0-9a-f]+", page)
    assert found is not None
    made = EnrolmentToken.objects.get(digest=EnrolmentToken.digest_of(found[2]))
    assert made.toolbox == toolbox
    assert made.is_open()
    assert not EnrolmentToken.objects.get(digest=EnrolmentToken.digest_of(first.token)).is_open()
    assert found[2] not in browser.get(f"/toolboxes/{toolbox.pk}/settings/").content.decode()
    assert not any(found[2] in event.text for event in toolbox.events.all())


def test_this_machine_needs_no_command(browser: Client, toolbox: Toolbox) -> None:
    assert "New install command" not in browser.get(f"/toolboxes/{toolbox.pk}/settings/").content.decode()
    assert browser.post(f"/toolboxes/{toolbox.pk}/settings/install/").status_code == 409
    assert not EnrolmentToken.objects.exists()


def test_revoking_takes_effect_at_once(browser: Client, user: User, make: Make) -> None:
    toolbox = make()
    assert browser.post(f"/toolboxes/{toolbox.pk}/settings/revoke/").status_code == 302
    assert not toolbox.certificates.filter(revoked_at=None).exists()
    assert described_toolbox_for(user, toolbox.pk).state == "revoked"
    assert browser.post(f"/toolboxes/{toolbox.pk}/settings/revoke/", follow=True).status_code == 200


@pytest.mark.parametrize("path", ["settings/", "settings/install/", "settings/revoke/", "removal/"])
def test_a_stranger_changes_nothing(browser: Client, make: Make, stranger: User, path: str) -> None:
    toolbox = make("theirs", owner=stranger)
    assert browser.post(f"/toolboxes/{toolbox.pk}/{path}", {"name": "mine", "confirmation": "theirs"}).status_code == 404
    toolbox.refresh_from_db()
    assert toolbox.name == "theirs"
    assert toolbox.certificates.filter(revoked_at=None).exists()
    assert not EnrolmentToken.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.parametrize("path", ["settings/install/", "settings/revoke/"])
def test_what_changes_something_is_posted(browser: Client, make: Make, path: str) -> None:
    assert browser.get(f"/toolboxes/{make().pk}/{path}").status_code == 405
