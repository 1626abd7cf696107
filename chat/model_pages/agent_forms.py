"""The models of an agent, one after the other."""

from __future__ import annotations

from typing import Any

from django import forms

from agents.forms_agents import PLAIN, ProblemsForm
from chat.model_pages.forms import MODELS_LIST
from chat.models import ModelChoice, ModelProvider
from chat.providers.base import LONGEST_NAME
from chat.providers.choices import MOST_CHOICES

PLACES = ("First", "If that fails", "Third", "Fourth", "Fifth")


class ChoicesForm(ProblemsForm):
    """Pairs of a provider and a model. Those without a provider count for nothing."""

    def __init__(self, providers: list[ModelProvider], choices: list[ModelChoice], data: Any = None) -> None:
        super().__init__(data)
        options = [("", "—"), *((str(provider.pk), _told(provider)) for provider in providers)]
        self.places = PLACES if data is not None else PLACES[: min(MOST_CHOICES, max(2, len(choices) + 1))]
        for place, label in enumerate(self.places):
            choice = choices[place] if place < len(choices) else None
            self._ask(place, label, options, choice)

    def _ask(self, place: int, label: str, options: list[tuple[str, str]], choice: ModelChoice | None) -> None:
        self.fields[f"provider_{place}"] = forms.ChoiceField(
            label=f"{label}: provider", choices=options, required=False, initial=str(choice.provider_id) if choice else ""
        )
        self.fields[f"model_{place}"] = forms.CharField(
            label=f"{label}: model",
            required=False,
            max_length=LONGEST_NAME,
            initial=choice.model if choice else "",
            widget=forms.TextInput(attrs={**PLAIN, "list": MODELS_LIST, "placeholder": "its default model"}),
        )

    @property
    def rows(self) -> list[tuple[str, forms.BoundField, forms.BoundField]]:
        """The place in words, its provider and its model."""
        return [(label, self[f"provider_{place}"], self[f"model_{place}"]) for place, label in enumerate(self.places)]

    def chosen(self) -> list[tuple[str, str]]:
        """Providers and models, in their order."""
        given = self.cleaned_data
        pairs = [(given.get(f"provider_{place}", ""), given.get(f"model_{place}", "")) for place in range(len(self.places))]
        return [(provider, model) for provider, model in pairs if provider]


def _told(provider: ModelProvider) -> str:
    notes = [*(["shared"] if provider.owner_id is None else []), *([] if provider.enabled else ["switched off"])]
    return f"{provider.name} ({', '.join(notes)})" if notes else provider.name
