"""Agents that have a model, so that one may write to them; nobody answers."""

from __future__ import annotations

import pytest

from accounts.models import User
from agents.models import Agent
from chat.models import Conversation, ModelProvider
from tests.chat.pages.scenes import busy_conversation


@pytest.fixture
def provider(user: User) -> ModelProvider:
    return ModelProvider.objects.create(
        owner=user, name="Scripted", kind="openai", base_url="http://127.0.0.1:9/v1", default_model="scripted-1"
    )


@pytest.fixture
def busy(user: User, agent: Agent) -> Conversation:
    return busy_conversation(user, agent)
