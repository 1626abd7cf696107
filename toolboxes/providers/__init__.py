"""Where toolboxes come from: one folder each, of the same shape. A further provider is one more folder, and its line here."""

from __future__ import annotations

from agentopia.lib.errors import NotFound
from toolboxes.models import Toolbox
from toolboxes.providers.base import Provider
from toolboxes.providers.digital_ocean import DIGITAL_OCEAN
from toolboxes.providers.own_server import OWN_SERVER
from toolboxes.providers.this_machine import THIS_MACHINE

PROVIDERS: dict[str, Provider] = {provider.key: provider for provider in (OWN_SERVER, DIGITAL_OCEAN, THIS_MACHINE)}


def provider_named(key: str) -> Provider:
    """Raises `NotFound`."""
    provider = PROVIDERS.get(key)
    if provider is None:
        raise NotFound(f"There is no provider “{key}”. Choose one of {', '.join(PROVIDERS)}.", code="provider_not_found")
    return provider


def provider_of(toolbox: Toolbox) -> Provider:
    """The provider of a toolbox."""
    return PROVIDERS[toolbox.provider]
