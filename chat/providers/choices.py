"""The models of an agent: the first, and the next where that one fails."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.models import User
from agentopia.lib.errors import InvalidInput
from agents.models import Agent
from agents.selectors import agent_for
from agents.services.locks import locked_agent
from chat.models import ModelChoice
from chat.providers.base import LONGEST_NAME
from chat.providers.choosing import ModelUse
from chat.providers.selectors import usable_provider

MOST_CHOICES = 5


def choose_models(*, owner: User, agent_id: UUID | str, chosen: Sequence[tuple[UUID | str, str]]) -> list[ModelUse]:
    """Models by provider and name, in their order; an empty name is the provider's default model. None: what is configured for all counts.

    Raises `NotFound` for an agent or a provider that is not the user's, and `InvalidInput`; nothing is changed then.
    """
    agent = agent_for(owner, agent_id)
    if len(chosen) > MOST_CHOICES:
        raise InvalidInput(f"At most {MOST_CHOICES} models.", fields={"models": f"At most {MOST_CHOICES}."})
    uses = [_use(owner, provider_id, name) for provider_id, name in chosen]
    told = [str(use) for use in uses]
    if len(set(told)) < len(told):
        raise InvalidInput("A model is chosen twice.", fields={"models": "One is there twice."})
    with transaction.atomic():
        agent = locked_agent(agent.pk)
        before = _told(agent)
        agent.model_choices.all().delete()
        rows = (ModelChoice(agent=agent, position=place, provider=use.provider, model=use.model) for place, use in enumerate(uses))
        ModelChoice.objects.bulk_create(rows)
        if before != told:
            changes = {"models": [", ".join(before) or None, ", ".join(told) or None]}
            audit.record(action="agent.changed", target=agent, owner=owner, changes=changes)
    return uses


def _use(owner: User, provider_id: UUID | str, name: str) -> ModelUse:
    provider = usable_provider(owner, provider_id)
    model = name.strip() or provider.default_model
    if not model:
        raise InvalidInput(f"“{provider.name}” has no default model: say which.", fields={"models": "Say which model."})
    if len(model) > LONGEST_NAME or not model.isprintable():
        raise InvalidInput("This is no name of a model.", fields={"models": f"At most {LONGEST_NAME} letters, on one line."})
    return ModelUse(provider, model)


def _told(agent: Agent) -> list[str]:
    return [str(choice) for choice in agent.model_choices.select_related("provider").defer("provider__api_key")]
