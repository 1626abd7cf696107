"""The provider that the operator's environment names (AGENTOPIA_MODEL, …_KEY, …_URL): shared with everybody, renewed at each start."""

from __future__ import annotations

from django.conf import settings

from agentopia.lib.errors import AgentopiaError
from chat.models import ModelProvider
from chat.providers import preset_named
from chat.providers.services import ProviderFields, add_provider, change_provider, retest_provider

NAME = "This installation"


class WrongSetting(Exception):
    """What a setting says cannot be used; the text is for the operator."""


def renew() -> ModelProvider | None:
    """Make the provider as the settings say, or switch off the one that they named before. Raises `WrongSetting`.

    One that does not answer now is kept all the same: its page and the administration tell of it.
    """
    row = ModelProvider.objects.filter(owner=None, name=NAME).first()
    if not settings.AGENTOPIA_MODEL:
        if row is not None and row.enabled:
            change_provider(owner=None, provider_id=row.pk, enabled=False)
        return None
    whose, _, model = settings.AGENTOPIA_MODEL.partition(":")
    try:
        kind, preset = preset_named(whose)
        url = settings.AGENTOPIA_MODEL_URL or preset.base_url
        given: ProviderFields = {"base_url": url, "default_model": model, "enabled": True, "api_key": settings.AGENTOPIA_MODEL_KEY}
        if row is not None and row.kind != kind.key:  # what it answered stays told of it
            change_provider(owner=None, provider_id=row.pk, name=f"{NAME}, formerly ({row.pk.hex[:8]})", enabled=False)
            row = None
        if row is None:
            named: ProviderFields = {**given, "name": NAME}
            return add_provider(owner=None, kind=kind.key, untested=True, **named).provider
        kept = change_provider(owner=None, provider_id=row.pk, untested=True, **given)
        return kept.provider if kept.outcome else retest_provider(owner=None, provider_id=row.pk).provider
    except AgentopiaError as error:
        raise WrongSetting(f"AGENTOPIA_MODEL is {settings.AGENTOPIA_MODEL!r}, which cannot be used: {error.message}") from None
