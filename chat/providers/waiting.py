"""How long the runner waits for a model."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from chat.models import ModelProvider

OWN_MACHINES = 5
"""So many times as long for models on machines of one's own: reading a long prompt takes them minutes."""
CONNECT_SECONDS = 10.0
BETWEEN_SECONDS = 90.0


@dataclass(frozen=True)
class Patience:
    """In seconds: until a connection stands, until the first byte of an answer, from one byte to the next, until the first word."""

    connect: float
    first_byte: float
    between_bytes: float
    first_word: float


def patience_for(provider: ModelProvider) -> Patience:
    """What is waited for this provider's models."""
    is_own = provider.kind == ModelProvider.Kind.EMBEDDED or provider.base_url.startswith("http://")
    begin = settings.MODEL_SECONDS * (OWN_MACHINES if is_own else 1)
    return Patience(min(CONNECT_SECONDS, begin), begin, min(BETWEEN_SECONDS, begin), begin)
