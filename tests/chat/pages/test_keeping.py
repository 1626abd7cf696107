"""How long conversations are kept: for good, unless their user says otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from agents.models import Agent
from chat.models import Conversation, ConversationPolicy, Run
from chat.services.retention import forget_old_conversations
from chat.tasks import forget_conversations
from tests.chat.conftest import run_in

PAGE = "/account/conversations/"


def begun(owner: User, days: int, title: str, *, pinned: bool = False, status: str = Run.Status.SUCCEEDED) -> Conversation:
    """One whose last message is so many days old."""
    moment = timezone.now() - timedelta(days=days)
    made = Conversation.objects.create(owner=owner, agent_name="Helper", title=title, pinned_at=moment if pinned else None)
    run_in(made, status=status)
    Conversation.objects.filter(pk=made.pk).update(updated_at=moment)
    return made


def left() -> set[str]:
    return set(Conversation.objects.values_list("title", flat=True))


@pytest.fixture
def some(user: User, stranger: User) -> None:
    begun(user, 31, "old")
    begun(user, 29, "new")
    begun(user, 400, "pinned", pinned=True)
    begun(user, 40, "waiting", status=Run.Status.WAITING)
    begun(stranger, 400, "theirs")


def test_nothing_goes_by_itself(browser: Client, user: User, some: None) -> None:
    assert 'name="keep_days"' in browser.get(PAGE).content.decode()
    assert not ConversationPolicy.objects.exists(), "to look changes nothing"
    ConversationPolicy.objects.create(user=user)
    assert forget_old_conversations() == 0


def test_what_is_older_than_its_user_keeps_goes(browser: Client, user: User, some: None) -> None:
    answer = browser.post(PAGE, {"keep_days": "30"}, follow=True)
    assert "1 conversation is older than that" in answer.content.decode()
    assert left() == {"old", "new", "pinned", "waiting", "theirs"}
    forget_conversations()
    assert left() == {"new", "pinned", "waiting", "theirs"}
    assert Run.objects.count() == 4
    assert AuditEvent.objects.get(action="conversation.deleted").owner_id == user.pk
    assert AuditEvent.objects.get(action="conversations.policy_changed").changes == {"keep_days": [None, 30]}
    assert forget_old_conversations(timezone.now() + timedelta(days=2)) == 1, "as time goes on"


def test_it_can_be_taken_back(browser: Client, user: User, some: None) -> None:
    browser.post(PAGE, {"keep_days": "30"})
    browser.post(PAGE, {"keep_days": ""})
    assert ConversationPolicy.objects.get(user=user).keep_days is None
    assert forget_old_conversations() == 0
    browser.post(PAGE, {"keep_days": ""})
    assert AuditEvent.objects.filter(action="conversations.policy_changed").count() == 2, "what is the same is no change"


@pytest.mark.parametrize("wrong", ["0", "-1", "3651", "many", "1.5"])
def test_what_cannot_be(browser: Client, wrong: str) -> None:
    assert browser.post(PAGE, {"keep_days": wrong}).status_code == 422
    assert not ConversationPolicy.objects.exists()


def test_many_go_at_once(user: User, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.services.retention.AT_ONCE", 3)
    for number in range(8):
        begun(user, 20, str(number))
    ConversationPolicy.objects.create(user=user, keep_days=10)
    assert forget_old_conversations() == 8
