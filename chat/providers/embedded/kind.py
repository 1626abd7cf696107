"""The embedded model: it speaks as OpenAI does, on this machine, and nobody adds it by hand."""

from __future__ import annotations

from chat.providers.openai.kind import OpenAI


class Embedded(OpenAI):
    """Its address is a setting, not a row's."""

    key = "embedded"
    label = "Embedded"
    base_url = ""
    presets = ()


EMBEDDED = Embedded()
