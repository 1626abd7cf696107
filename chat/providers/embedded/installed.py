"""Whether the embedded model is there: something answers at EMBEDDED_MODEL_URL, and was written down as a provider."""

from __future__ import annotations

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from accounts import audit
from agentopia.lib.errors import AgentopiaError
from chat.models import ModelProvider
from chat.providers.asking import Target
from chat.providers.embedded.kind import EMBEDDED
from chat.providers.reaching import reaching_for
from chat.providers.testing import try_out

NAME = "Embedded model"
SECONDS = 2.0
REMEMBERED_SECONDS = 15
CACHE_KEY = "chat:embedded-models"


def installed_provider() -> ModelProvider | None:
    """The row of the embedded model; None where none answers, or an admin has switched it off."""
    models = _models() if settings.EMBEDDED_MODEL_URL else []
    if not models:
        return None
    provider = _row(models)
    return provider if provider.enabled else None


def _models() -> list[str]:
    """What it serves, as of some seconds ago; empty: it does not answer."""
    key = f"{CACHE_KEY}:{settings.EMBEDDED_MODEL_URL}"
    known: list[str] | None = cache.get(key)
    if known is None:
        provider = ModelProvider(kind=ModelProvider.Kind.EMBEDDED)
        target = Target(EMBEDDED, settings.EMBEDDED_MODEL_URL, "", reaching_for(provider))
        try:
            known = try_out(target, "", seconds=SECONDS).models
        except AgentopiaError:
            known = []
        cache.set(key, known, REMEMBERED_SECONDS)
    return known


def _row(models: list[str]) -> ModelProvider:
    """The provider, with the address and the model of now."""
    row = ModelProvider.objects.filter(owner=None, kind=ModelProvider.Kind.EMBEDDED).first()
    if row is not None and row.base_url == settings.EMBEDDED_MODEL_URL and row.default_model in models:
        return row
    with transaction.atomic():
        fields = {"base_url": settings.EMBEDDED_MODEL_URL, "default_model": models[0], "models_known": models}
        row, is_new = ModelProvider.objects.update_or_create(
            owner=None, kind=ModelProvider.Kind.EMBEDDED, defaults=fields, create_defaults={**fields, "name": _free_name()}
        )
        if is_new:
            audit.record(action="model_provider.added", target=row, owner=None)
    return row


def _free_name() -> str:
    taken = ModelProvider.objects.filter(owner=None, name=NAME).exists()
    return f"{NAME} of this machine" if taken else NAME
