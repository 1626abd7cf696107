"""How long receipts are kept, and how much may be called: the page of one's account."""

from __future__ import annotations

from django.test import Client

from accounts.models import AuditEvent, User
from agents.models import CallPolicy

PAGE = "/account/calls/"
SENT = {"keep_days": "30", "calls_per_minute": "60", "calls_per_day": "", "cpu_seconds_per_day": "3600"}


def test_what_counts_before_anything_is_set(browser: Client, user: User) -> None:
    assert 'value="90"' in browser.get(PAGE).content.decode()
    assert not CallPolicy.objects.exists(), "to look changes nothing"


def test_a_change_is_kept_and_recorded(browser: Client, user: User) -> None:
    assert browser.post(PAGE, SENT)["Location"] == PAGE
    policy = CallPolicy.objects.get(user=user)
    assert (policy.keep_days, policy.calls_per_minute, policy.calls_per_day, policy.cpu_seconds_per_day) == (30, 60, None, 3600)
    record = AuditEvent.objects.get(action="calls.policy_changed")
    assert record.changes == {"keep_days": [90, 30], "calls_per_minute": [None, 60], "cpu_seconds_per_day": [None, 3600]}
    browser.post(PAGE, SENT)
    assert AuditEvent.objects.filter(action="calls.policy_changed").count() == 1, "what is the same is no change"


def test_what_cannot_be(browser: Client) -> None:
    for wrong in ({"keep_days": "0"}, {"keep_days": ""}, {"keep_days": "4000"}, {"calls_per_minute": "0"}, {"calls_per_day": "many"}):
        assert browser.post(PAGE, {**SENT, **wrong}).status_code == 422, wrong
    assert not CallPolicy.objects.exists()


def test_another_users_stays(browser: Client, stranger: User) -> None:
    CallPolicy.objects.create(user=stranger, keep_days=7)
    browser.post(PAGE, SENT)
    assert CallPolicy.objects.get(user=stranger).keep_days == 7
