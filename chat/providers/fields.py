"""What the fields of a provider may hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.views.decorators.debug import sensitive_variables

from agentopia.lib.errors import InvalidInput
from agents.services.fields import change
from chat.models import ModelProvider
from chat.providers import kind_of
from chat.providers.reaching import reaching_for

FIELDS = ("name", "default_model", "context_tokens", "enabled", "budget_usd")
LONGEST_KEY = 4_000
CONTEXT = "Only of a provider that is compatible with OpenAI it has to be said: of the others it is known."


def set_fields(provider: ModelProvider, fields: dict[str, Any]) -> dict[str, list[Any]]:
    """Set the fields of a row that is not saved yet; returns what changed, for the audit. Raises `InvalidInput`."""
    if provider.owner_id is not None and fields.get("budget_usd") is not None:
        raise InvalidInput("A budget is for what is shared.", fields={"budget_usd": "For what is shared alone."})
    if provider.kind != ModelProvider.Kind.OPENAI and fields.get("context_tokens") is not None:
        raise InvalidInput(CONTEXT, fields={"context_tokens": CONTEXT})
    given = {name: value.strip() if isinstance(value, str) else value for name, value in fields.items()}
    address = given.pop("base_url", None)  # names of one's own network (http://gpu:8000) are addresses too, which Django's fields deny
    changes = change(provider, given, FIELDS)
    if address is not None:
        before, provider.base_url = provider.base_url, address
        provider.base_url = _checked(provider)
        if provider.base_url != before:
            changes["base_url"] = [before, provider.base_url]
    if not (provider.base_url or kind_of(provider).base_url):
        raise InvalidInput("Its address is missing.", fields={"base_url": "Enter an address."})
    return changes


def _checked(provider: ModelProvider) -> str:
    """The address as it is kept: empty where it is the kind's own."""
    if not provider.base_url:
        return ""
    try:
        checked = reaching_for(provider).checked(provider.base_url)
    except InvalidInput as error:
        raise InvalidInput(error.message, code=error.code, fields={"base_url": error.message}) from None
    return "" if checked == kind_of(provider).base_url else checked


def leads_elsewhere(before: str, provider: ModelProvider) -> bool:
    """Whether who listens there may be somebody else than before."""
    own = kind_of(provider).base_url
    old, new = urlsplit(before or own), urlsplit(provider.base_url or own)
    return (old.scheme, old.netloc.lower()) != (new.scheme, new.netloc.lower())


@sensitive_variables()
def clean_key(key: str) -> str:
    """A key as it was pasted, without the space around it; raises `InvalidInput`, which does not repeat it."""
    key = key.strip()
    if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        problem = "That is not a key: it has no spaces and no special characters."
        raise InvalidInput(problem, code="invalid_key", fields={"api_key": problem})
    return key
