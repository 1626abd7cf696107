"""The runner's model of Anthropic."""

from __future__ import annotations

from anthropic import AsyncAnthropic
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.settings import ModelSettings

from chat.providers.connections import timeout_of
from chat.providers.runner import Means


def model(name: str, means: Means, settings: ModelSettings) -> Model:
    """By its name, with the library's own client on our connections."""
    client = AsyncAnthropic(
        api_key=means.api_key, base_url=means.base_url, http_client=means.client, timeout=timeout_of(means.patience), max_retries=0
    )
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client), settings=settings)
