"""What is typed into the pages of a toolbox."""

from __future__ import annotations

from django import forms


class RenameForm(forms.Form):
    """A new name; the service says whether it will do."""

    name = forms.CharField(
        max_length=63,
        help_text="Letters, digits, spaces, dots and hyphens.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ConfirmForm(forms.Form):
    """The name of what is to be destroyed, typed again."""

    confirmation = forms.CharField(
        label="Type the toolbox's name to confirm", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: object, name: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.name = name

    def clean_confirmation(self) -> str:
        typed = str(self.cleaned_data["confirmation"])
        if typed.strip() != self.name:
            raise forms.ValidationError(f"This is not its name. Type “{self.name}” as it stands there.")
        return typed
