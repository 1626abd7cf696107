"""What is typed to add and change a provider. A key that was entered is never sent back."""

from __future__ import annotations

from typing import Any

from django import forms

from agents.forms_agents import PLAIN, ProblemsForm
from chat.models import ModelProvider
from chat.models.providers import LEAST_CONTEXT, MOST_CONTEXT
from chat.providers.base import LONGEST_NAME, Preset
from chat.providers.fields import LONGEST_KEY
from chat.providers.reaching import LONGEST_URL
from chat.providers.services import ProviderFields

MODELS_LIST = "models-known"
"""The id of the ``<datalist>`` that a field of a model's name suggests from."""


class ProviderForm(ProblemsForm):
    """What every provider is asked."""

    name = forms.CharField(max_length=60, widget=forms.TextInput(attrs=PLAIN), help_text="What you call it.")
    base_url = forms.CharField(
        label="Address",
        max_length=LONGEST_URL,
        help_text="As far as /v1, seen from the machine that Agentopia runs on.",
        widget=forms.TextInput(attrs={**PLAIN, "inputmode": "url"}),
    )
    api_key = forms.CharField(
        label="API key",
        max_length=LONGEST_KEY,
        help_text="It is tested at once, encrypted, and never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    default_model = forms.CharField(
        required=False,
        max_length=LONGEST_NAME,
        help_text="For agents that no model is chosen for. You can choose it from its list once it is tested.",
        widget=forms.TextInput(attrs={**PLAIN, "list": MODELS_LIST}),
    )
    context_tokens = forms.IntegerField(
        required=False,
        min_value=LEAST_CONTEXT,
        max_value=MOST_CONTEXT,
        label="Context window",
        help_text="In tokens: what a model of it takes in at once, question and answer together. For models on machines of your own, as "
        "their server was started with; left empty, it is guessed, and for Ollama 8,000.",
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "step": 1, "placeholder": "as is known of the model"}),
    )
    untested = forms.BooleanField(
        required=False, label="Keep it all the same", help_text="It will be used as it is. You can test it again later."
    )

    @property
    def more_shown(self) -> bool:
        """Whether what most leave alone has a value, or a problem."""
        return "context_tokens" in self.fields and bool(self["context_tokens"].value() or self["context_tokens"].errors)

    def values(self) -> ProviderFields:
        """What was entered, by the names of the provider's fields; an empty key where there is one leaves that as it is."""
        given: Any = {name: value for name, value in self.cleaned_data.items() if name != "untested"}
        if not given.get("api_key"):
            given.pop("api_key", None)
        fields: ProviderFields = given
        return fields


class NewProviderForm(ProviderForm):
    """A provider that a preset tells much of already."""

    def __init__(self, preset: Preset, data: Any = None) -> None:
        super().__init__(data, initial={"name": "" if preset.key == "compatible" else preset.label, "base_url": preset.base_url})
        if not preset.asks_url:
            del self.fields["base_url"]
            del self.fields["context_tokens"]
        self.fields["api_key"].required = preset.needs_key
        if preset.example:
            self.fields["default_model"].widget.attrs["placeholder"] = f"as in {preset.example}"


class ChangedProviderForm(ProviderForm):
    """A provider that there is."""

    enabled = forms.BooleanField(required=False, label="Switched on", help_text="Switched off, no agent uses it.")

    def __init__(self, provider: ModelProvider, data: Any = None, *, usual_url: str) -> None:
        start = {name: getattr(provider, name) for name in ("name", "base_url", "default_model", "context_tokens", "enabled")}
        super().__init__(data, initial=start)
        self.fields["base_url"].required = not usual_url
        if provider.kind != ModelProvider.Kind.OPENAI:
            self.fields["base_url"].help_text = "Left empty, the provider's own; else that of a proxy."
            del self.fields["context_tokens"]
        if usual_url:
            self.fields["base_url"].widget.attrs["placeholder"] = usual_url
        key = self.fields["api_key"]
        key.required = False
        key.label = "Another API key" if provider.key_set_at else "API key"
        key.help_text = (
            "Left empty, the one that is kept stays." if provider.key_set_at else "None is kept. Most servers of one's own need none."
        )
        self.fields["default_model"].help_text = "For agents that no model is chosen for."
