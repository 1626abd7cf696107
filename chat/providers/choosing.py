"""Which model an agent thinks with. Nothing here loads a provider's library."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from accounts.models import User
from agentopia.lib.errors import AgentopiaError
from agents.models import Agent
from chat.models import ModelProvider
from chat.providers import prices, spending
from chat.providers.embedded.installed import installed_provider
from chat.providers.spending import BudgetReached

__all__ = ["BudgetReached", "ModelUse", "NoModel", "check_budget", "models_for", "price_of"]


class NoModel(AgentopiaError):
    """There is no model that an agent could use; the sentence says what to do."""

    code = "no_model"
    http_status = 409


@dataclass(frozen=True)
class ModelUse:
    """A model of a provider."""

    provider: ModelProvider
    model: str

    def __str__(self) -> str:
        return f"{self.provider.name}: {self.model}"


def models_for(agent: Agent, *, with_keys: bool = False) -> list[ModelUse]:
    """The first is used, the next where that one fails. Raises `NoModel`. Keys stay in the database, but for who is to ask the models.

    What was chosen for the agent counts alone: nothing is sent to a provider that its owner did not choose because another is switched off.
    """
    choices = agent.model_choices.select_related("provider")
    if chosen := list(choices if with_keys else choices.defer("provider__api_key")):
        return _usable_choices(agent, [ModelUse(choice.provider, choice.model) for choice in chosen])
    enabled = ModelProvider.objects.filter(enabled=True)
    enabled = enabled if with_keys else enabled.defer("api_key")
    own = list(enabled.filter(owner=agent.owner_id))
    shared = list(enabled.filter(owner=None).exclude(kind=ModelProvider.Kind.EMBEDDED))
    if agent.model and (own or shared):
        return [_by_name(agent.model, own, shared)]
    for providers in (own, shared):
        if uses := [ModelUse(provider, provider.default_model) for provider in providers if provider.default_model]:
            return uses
    if (embedded := installed_provider()) is not None:
        return [ModelUse(embedded, embedded.default_model)]
    if own or shared:
        raise NoModel("No model is chosen: choose a default model of one of your providers under “Models”, or models for this agent.")
    raise NoModel("There is no model to talk to yet: add a provider of models under “Models” in your account.")


def _usable_choices(agent: Agent, chosen: list[ModelUse]) -> list[ModelUse]:
    usable = [use for use in chosen if use.provider.enabled and use.provider.owner_id in (None, agent.owner_id)]
    if not usable:
        names = ", ".join(sorted({f"“{use.provider.name}”" for use in chosen}))
        raise NoModel(
            f"The models that were chosen for “{agent.name}” are switched off ({names}): switch them on, or choose others for it."
        )
    return usable


def _by_name(model: str, own: list[ModelProvider], shared: list[ModelProvider]) -> ModelUse:
    """A model that is known by its name alone: at who lists it, else at the first."""
    everyone = [*own, *shared]
    return ModelUse(next((provider for provider in everyone if model in provider.models_known), everyone[0]), model)


def check_budget(use: ModelUse, user: User) -> None:
    """Raises `BudgetReached` where the user has used up a shared provider's budget of this month."""
    spending.check(use.provider, user)


def price_of(use: ModelUse, input_tokens: int, output_tokens: int, cached: int = 0) -> Decimal | None:
    """In dollars; ``cached`` of the input tokens were read from the provider's cache. None where no price is known."""
    return prices.price(use.provider, use.model, input_tokens, output_tokens, cached)
