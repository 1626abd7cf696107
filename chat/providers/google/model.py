"""The runner's model of Google's Gemini API."""

from __future__ import annotations

from pydantic_ai.models import Model
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.settings import ModelSettings

from chat.providers.runner import Means


def model(name: str, means: Means, settings: ModelSettings) -> Model:
    """By its name; the library retries nothing unless it is told to."""
    provider = GoogleProvider(api_key=means.api_key, http_client=means.client, base_url=means.base_url)
    return GoogleModel(name, provider=provider, settings=settings)
