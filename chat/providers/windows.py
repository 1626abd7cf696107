"""How much a model takes in at once."""

from __future__ import annotations

import re

from chat.models import ModelProvider
from chat.providers.choosing import ModelUse
from chat.providers.prices import known_window

DEFAULT = 32_000
EMBEDDED = 7_500
OLLAMA = 8_000
"""It cuts what is longer than its own setting without a word, and that is small unless somebody raised it."""
OLLAMA_PORT = ":11434"

# On machines of one's own nobody tells: what these families can, so far as it is usual to let them.
FAMILIES: tuple[tuple[str, int], ...] = (
    (r"^gpt-oss|^llama-?3\.[1-9]|^llama-?4|^mistral-(large|medium|small)|^magistral|^devstral", 128_000),
    (r"^deepseek|^kimi|^glm-[4-9]", 64_000),
    (r"^qwen-?3|^qwen-?2\.5|^gemma-?[3-9]", 32_000),
    (r"^llama-?[23]|^gemma|^phi", 8_000),
)


def window_of(use: ModelUse) -> int:
    """In tokens, what goes in and what comes out together: as its owner says, else a careful guess where it is not known."""
    if use.provider.kind == ModelProvider.Kind.EMBEDDED:
        return EMBEDDED
    if use.provider.context_tokens:
        return use.provider.context_tokens
    if OLLAMA_PORT in use.provider.base_url:
        return OLLAMA
    if known := known_window(use.provider, use.model):
        return known
    name = use.model.lower().rpartition("/")[2]  # many put who made it before the name
    return next((size for pattern, size in FAMILIES if re.search(pattern, name)), DEFAULT)
