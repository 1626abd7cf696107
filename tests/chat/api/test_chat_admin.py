"""Django admin: that conversations and runs are there, and nothing of what is said in them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from agents.models import Agent
from chat.models import Attachment, Conversation, Question, Run, RunEvent, Step, Words
from chat.services.conversations import create_conversation
from tests.chat.conftest import run_in

SECRET = "plans4711"


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.org", "a long enough password"))
    return client


@pytest.fixture
def said(user: User, agent: Agent) -> Run:
    conversation = create_conversation(user=user, agent_id=agent.pk, title=SECRET)
    context = {"said": SECRET}
    return run_in(conversation, SECRET, answer=SECRET, status="failed", error_code="model_failed", error_message=SECRET, context=context)


@pytest.mark.parametrize("name", ["conversation", "run"])
def test_lists_without_words(staff: Client, said: Run, name: str) -> None:
    rows = said.conversation if name == "conversation" else said
    table = reverse(f"admin:chat_{name}_changelist")
    for search in ("", "?q=ada@example.org"):
        page = staff.get(table + search).content.decode()
        assert "ada@example.org</td>" in page
        assert SECRET not in page
    assert "ada@example.org</td>" not in staff.get(f"{table}?q={SECRET}").content.decode()
    one = reverse(f"admin:chat_{name}_change", args=(rows.pk,))
    assert staff.get(one).status_code in (302, 403)
    assert SECRET not in staff.get(one, follow=True).content.decode()
    assert staff.post(reverse(f"admin:chat_{name}_delete", args=(rows.pk,)), {"post": "yes"}).status_code == 403
    assert staff.get(reverse(f"admin:chat_{name}_add")).status_code == 403
    assert Run.objects.filter(pk=said.pk).exists()


@pytest.mark.parametrize("model", [Conversation, Run])
def test_queries_do_not_grow(staff: Client, user: User, agent: Agent, said: Run, model: type[Conversation | Run]) -> None:
    path = reverse(f"admin:chat_{model._meta.model_name}_changelist")
    counts = []
    for _ in range(2):
        for _ in range(3):
            run_in(create_conversation(user=user, agent_id=agent.pk))
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[1] <= counts[0]


def test_what_is_said_is_nowhere_else() -> None:
    assert not any(admin.site.is_registered(model) for model in (RunEvent, Step, Question, Attachment, Words))
