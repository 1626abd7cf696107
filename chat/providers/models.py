"""What the runner talks to: models of pydantic-ai, on connections of ours. No web process loads this (it takes 120 MB and some seconds).

Nothing is retried in here: the runner retries where everybody sees it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from chat.models import ModelProvider
from chat.providers import kind_of
from chat.providers.anthropic.model import model as anthropic_model
from chat.providers.choosing import ModelUse
from chat.providers.connections import client_for, close_connections, model_connections
from chat.providers.embedded.model import model as embedded_model
from chat.providers.google.model import model as google_model
from chat.providers.openai.model import model as openai_model
from chat.providers.prices import load
from chat.providers.reaching import reaching_for
from chat.providers.runner import Means
from chat.providers.waiting import patience_for

__all__ = ["close_connections", "model_connections", "model_of"]

MAKERS: dict[str, Callable[[str, Means, ModelSettings], Model]] = {
    ModelProvider.Kind.OPENAI: openai_model,
    ModelProvider.Kind.ANTHROPIC: anthropic_model,
    ModelProvider.Kind.GOOGLE: google_model,
    ModelProvider.Kind.EMBEDDED: embedded_model,
}
AMBIENT = ("OPENAI_", "ANTHROPIC_", "GOOGLE_API_KEY", "GOOGLE_GEMINI_", "GOOGLE_GENAI_", "GEMINI_", "OLLAMA_", "OPENROUTER_")


def forget_ambient_keys() -> None:
    """The libraries take keys and headers from the environment too: the operator's own would go to addresses that users enter."""
    for name in [name for name in os.environ if name.startswith(AMBIENT)]:
        del os.environ[name]


def model_of(use: ModelUse) -> Model:
    """The model, for the running event loop; its connections end with `model_connections`. A key is decrypted with its row, and used here.

    Raises whatever pydantic-ai does once it is asked (`ModelHTTPError`, `ModelAPIError`): nothing is asked here.
    """
    provider = use.provider
    patience = patience_for(provider)
    means = Means(
        base_url=provider.base_url or kind_of(provider).base_url,
        api_key=provider.api_key or "",
        client=client_for(reaching_for(provider), patience),
        patience=patience,
    )
    return MAKERS[provider.kind](use.model, means, ModelSettings(first_event_timeout=patience.first_word))


forget_ambient_keys()
load()
