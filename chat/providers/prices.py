"""What is known of models in general, prices and how much they take in, by the table of ``genai-prices`` (as old as that package)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chat.models import ModelProvider
from chat.providers import kind_of

FREE = Decimal(0)


def load() -> None:
    """Read the table now (0.4 s), rather than in the middle of somebody's run."""
    known_window(ModelProvider(kind=ModelProvider.Kind.OPENAI), "gpt")


def price(provider: ModelProvider, model: str, input_tokens: int, output_tokens: int, cached: int = 0) -> Decimal | None:
    """In dollars; ``cached`` of the input were read from the provider's cache. None where no price is known."""
    if provider.kind == ModelProvider.Kind.EMBEDDED:
        return FREE
    from genai_prices import Usage, calc_price  # noqa: PLC0415 (its table takes 80 MB, and the web process needs it hardly ever)

    usage = Usage(input_tokens=max(input_tokens, cached), output_tokens=output_tokens, cache_read_tokens=cached)
    try:
        return calc_price(usage, model, **_whose(provider)).total_price
    except (LookupError, ValueError):
        return None


def known_window(provider: ModelProvider, model: str) -> int | None:
    """How many tokens the model takes in at this provider; None where that is not known."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (as above)

    whose = _whose(provider)
    try:
        _, found = get_snapshot().find_provider_model(model, None, whose.get("provider_id"), whose.get("provider_api_url"))
    except (LookupError, ValueError):
        return None
    return found.context_window


def _whose(provider: ModelProvider) -> dict[str, Any]:
    """Many speak as OpenAI does: whose prices they have, their address says. A proxy of one's own has those of nobody."""
    url = provider.base_url or kind_of(provider).base_url
    if provider.kind == ModelProvider.Kind.OPENAI or url != kind_of(provider).base_url:
        return {"provider_api_url": url}
    return {"provider_id": str(provider.kind)}
