"""What the pages of models show."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from agentopia.lib.errors import InvalidInput
from agents.models import Agent
from agents.pages.agent import head
from chat.models import ModelProvider
from chat.providers import KINDS, PRESETS, kind_of
from chat.providers.base import Kind, Preset
from chat.providers.choosing import ModelUse, NoModel, models_for
from chat.providers.months import Month
from chat.providers.selectors import agents_that_chose, own_provider, own_providers, shared_providers, usable_providers
from chat.providers.spending import spent_of
from chat.providers.usage import BY, MOST_LINES, is_first, lines, used_by, used_by_agent

MOST_SUGGESTIONS = 500


def overview(user: User) -> dict[str, Any]:
    """The user's own providers, those that are shared, and the presets of what can be added."""
    providers = list(own_providers(user))
    costs = spent_of([provider.pk for provider in providers], user)
    own = [
        {"provider": provider, "kind": kind_of(provider), "host": host_of(provider), "spent": costs.get(provider.pk)}
        for provider in providers
    ]
    return {"own": own, "shared": shared_providers(user), "presets": [preset for _, preset in PRESETS.values()]}


def provider(user: User, provider_id: UUID) -> dict[str, Any]:
    """One of the user's own; raises `NotFound`."""
    found = own_provider(user, provider_id)
    kind = kind_of(found)
    return {
        "provider": found,
        "kind": kind,
        "preset": preset_of(found, kind),
        "host": host_of(found),
        "agents": agents_that_chose(user, found),
        "suggestions": found.models_known[:MOST_SUGGESTIONS],
    }


def agent_models(user: User, agent_id: UUID) -> dict[str, Any]:
    """The models of an agent: what was chosen, what is used now or why nothing is, and what can be chosen. Raises `NotFound`."""
    context = head(user, agent_id)
    agent: Agent = context["agent"]
    providers = list(usable_providers(user))
    used, problem = _used(agent)
    suggestions = [(provider.name, name) for provider in providers for name in provider.models_known]
    return {
        **context,
        "providers": providers,
        "used": used,
        "problem": problem,
        "suggestions": suggestions[:MOST_SUGGESTIONS],
        "choices": list(agent.model_choices.all()),
        "used_this_month": used_by_agent(user, agent.pk, Month.now()),
    }


def usage(user: User, month: str) -> dict[str, Any]:
    """What was used in a month, written as in ``2026-11``: the one that it is, where that is no month or has not come."""
    now = Month.now()
    try:
        chosen = min(Month.parse(month), now)
    except InvalidInput:
        chosen = now
    return {
        "month": chosen,
        "previous": None if is_first(user, chosen) else chosen.previous,
        "next": chosen.next if chosen < now else None,
        "total": used_by(user, chosen),
        "tables": [(by, lines(user, chosen, by)) for by in BY],
        "most": MOST_LINES,
    }


def host_of(provider: ModelProvider) -> str:
    """Where it is, for a person."""
    return (provider.base_url or kind_of(provider).base_url).partition("://")[2]


def preset_of(provider: ModelProvider, kind: Kind) -> Preset | None:
    """The one that it was made from, by its address: it knows where keys are got."""
    url = provider.base_url or kind.base_url
    return next((preset for preset in KINDS[provider.kind].presets if preset.base_url == url), None)


def _used(agent: Agent) -> tuple[list[ModelUse], str]:
    """What it uses now, or why it has nothing to use."""
    try:
        return models_for(agent), ""
    except NoModel as error:
        return [], error.message
