"""Who provides models: one folder for each kind, of the same shape. A further kind is one more folder, and its line here.

What stands beside the folders:

* ``reaching``: which addresses may be asked; ``asking``, ``testing``, ``trying``: whether a provider can be used,
* ``choosing``, ``choices``: which models an agent uses; ``prices``, ``spending``, ``windows``: what they cost and take in,
* ``fields``, ``services``, ``selectors``: writes and reads; ``shared``: the provider that the environment names,
* ``models``: what the runner talks to, with ``connections``, ``judging`` and ``waiting``. It loads the providers' libraries, so
  nothing of the web process may import it.
"""

from __future__ import annotations

from agentopia.lib.errors import NotFound
from chat.models import ModelProvider
from chat.providers.anthropic import ANTHROPIC
from chat.providers.base import Kind, Preset
from chat.providers.embedded import EMBEDDED
from chat.providers.google import GOOGLE
from chat.providers.openai import OPENAI

KINDS: dict[str, Kind] = {kind.key: kind for kind in (OPENAI, ANTHROPIC, GOOGLE, EMBEDDED)}
PRESETS: dict[str, tuple[Kind, Preset]] = {preset.key: (kind, preset) for kind in KINDS.values() for preset in kind.presets}


def kind_of(provider: ModelProvider) -> Kind:
    """The kind of a provider."""
    return KINDS[provider.kind]


def preset_named(key: str) -> tuple[Kind, Preset]:
    """Raises `NotFound`."""
    found = PRESETS.get(key)
    if found is None:
        raise NotFound(f"There is no provider “{key}”. Choose one of {', '.join(PRESETS)}.", code="preset_not_found")
    return found
