"""Registries in Django admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from mcp_registry.models import Registry

LIST = "/admin/mcp_registry/registry/"
FIELDS = {"name": "Example", "url": "https://registry.example.org/", "enabled": "on", "interval_minutes": "60"}


@pytest.fixture
def staff(user: User, browser: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    return browser


def test_one_is_added_and_asked_at_once(staff: Client) -> None:
    assert staff.post(f"{LIST}add/", FIELDS).status_code == 302
    registry = Registry.objects.get()
    assert (registry.url, registry.enabled, registry.not_before <= timezone.now()) == ("https://registry.example.org", True, True)
    assert AuditEvent.objects.get(action="registry.added").target_id == str(registry.pk)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "http://registry.example.org"}, "begin with https://"),
        ({"url": "file:///etc/passwd"}, "no address"),
        ({"url": "https://me:pw@registry.example.org"}, "user name or password"),
        ({"url": "https://registry.example.org/?a=1"}, "“?”"),
        ({"interval_minutes": "1"}, "From 5 minutes"),
        ({"name": ""}, "required"),
    ],
)
def test_what_is_wrong_is_said(staff: Client, change: dict[str, Any], told: str) -> None:
    answer = staff.post(f"{LIST}add/", FIELDS | change)
    assert told in answer.content.decode()
    assert not Registry.objects.exists()


def test_the_list_says_how_each_is(staff: Client) -> None:
    Registry.objects.create(name="well", url="https://a.example", succeeded_at=timezone.now(), taken=12)
    Registry.objects.create(name="ill", url="https://b.example", failures=3, problem="It is <b>down</b>.\nMore.")
    Registry.objects.create(name="off", url="https://c.example", enabled=False)
    page = staff.get(LIST).content.decode()
    for word in ("waiting for its next round", "failed 3 times in a row", "It is &lt;b&gt;down&lt;/b&gt;.", "disabled"):
        assert word in page
    ill = Registry.objects.get(name="ill")
    assert "More." in staff.get(f"{LIST}{ill.pk}/change/").content.decode()


def test_a_change_touches_nothing_of_the_round_that_is_under_way(staff: Client) -> None:
    registry = Registry.objects.create(name="Example", url="https://registry.example.org", status="running", attempts=4, cursor="x")
    Registry.objects.filter(pk=registry.pk).update(lease_until=timezone.now())
    staff.post(f"{LIST}{registry.pk}/change/", FIELDS | {"name": "Renamed", "interval_minutes": "30"})
    registry.refresh_from_db()
    assert (registry.name, registry.interval_minutes, registry.status, registry.attempts, registry.cursor) == (
        "Renamed",
        30,
        "running",
        4,
        "x",
    )
    assert AuditEvent.objects.get(action="registry.changed").changes == {"name": ["Example", "Renamed"], "interval_minutes": [60, 30]}
    staff.post(f"{LIST}{registry.pk}/change/", FIELDS | {"url": "https://other.example.org"})
    registry.refresh_from_db()
    assert (registry.status, registry.attempts, registry.cursor) == ("queued", 5, ""), "another address is read from its beginning"


def test_actions_ask_enable_and_disable(staff: Client) -> None:
    registry = Registry.objects.create(name="Example", url="https://registry.example.org")
    later = timezone.now() + timedelta(hours=1)
    Registry.objects.update(not_before=later)

    def act(action: str) -> Registry:
        assert staff.post(LIST, {"action": action, "_selected_action": [str(registry.pk)]}).status_code == 302
        return Registry.objects.get()

    assert act("sync_now").not_before < later
    assert act("disable").enabled is False
    Registry.objects.update(not_before=later)
    assert act("sync_now").not_before == later, "a disabled one is not asked"
    assert act("enable").enabled is True
    assert [event.action for event in AuditEvent.objects.order_by("pk")] == ["registry.asked", "registry.changed", "registry.changed"]


def test_none_is_deleted_with_its_entries(staff: Client) -> None:
    registry = Registry.objects.create(name="Example", url="https://registry.example.org")
    assert staff.post(f"{LIST}{registry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_others_do_not_get_in(browser: Client) -> None:
    assert browser.post(f"{LIST}add/", FIELDS).status_code == 302
    assert not Registry.objects.exists()
