"""The runner's model of an OpenAI-compatible provider."""

from __future__ import annotations

from urllib.parse import urlsplit

from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider
from pydantic_ai.settings import ModelSettings

from chat.providers.connections import timeout_of
from chat.providers.runner import Means

OLLAMA_PORT = 11434


def model(name: str, means: Means, settings: ModelSettings) -> Model:
    """What a provider can do differs with who it is, which its address tells."""
    return OpenAIChatModel(name, provider=_provider(means), settings=settings)


def _provider(means: Means) -> Provider[AsyncOpenAI]:
    client = AsyncOpenAI(
        base_url=means.base_url,
        api_key=means.api_key or "none",  # the library insists on one; who needs none does not look
        http_client=means.client,
        timeout=timeout_of(means.patience),
        max_retries=0,
    )
    address = urlsplit(means.base_url)
    if address.hostname == "api.openai.com":
        return OpenAIProvider(openai_client=client)
    if address.hostname == "openrouter.ai":
        return OpenRouterProvider(openai_client=client)
    if address.port == OLLAMA_PORT:
        return OllamaProvider(openai_client=client)
    return OpenAICompatibleProvider(address.netloc or "compatible", openai_client=client)
