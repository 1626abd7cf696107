"""The forms with which entries are added and changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dtma_wire.specs import VARIABLE
from mcp_registry.importing.drafts import EntryDraft, Variable
from mcp_registry.importing.json_text import MAX_BYTES

KINDS = [("npm", "npm"), ("pypi", "PyPI"), ("nuget", "NuGet")]
NETWORKS = [("none", "None at all"), ("allowlist", "The hosts below and nothing else"), ("open", "All of the internet")]
TRANSPORTS = [
    ("stdio", "Standard input and output"),
    ("streamable-http", "HTTP, at the URL below"),
    ("sse", "HTTP+SSE (older), at the URL below"),
]
EMPTY_ROWS = 2
MORE_ROWS = 3
MAX_ROWS = 100


class PackageForm(forms.Form):
    """Which package; the rest is looked up."""

    kind = forms.ChoiceField(label="From", choices=KINDS)
    identifier = forms.CharField(
        label="Name", max_length=214, widget=forms.TextInput(attrs={"placeholder": "@example/weather-mcp", "autocomplete": "off"})
    )
    version = forms.CharField(required=False, max_length=64, help_text="Left empty, the newest one is looked up.")

    def clean_identifier(self) -> str:
        """Without what was copied along."""
        name: str = self.cleaned_data["identifier"].strip()
        for command in ("npx -y ", "npx ", "uvx ", "dnx ", "npm install ", "npm i ", "pip install ", "uv tool install "):
            name = name.removeprefix(command)
        return name.strip()


class ImageForm(forms.Form):
    """Which image."""

    identifier = forms.CharField(
        label="Image",
        max_length=400,
        widget=forms.TextInput(attrs={"placeholder": "ghcr.io/example/weather:1.2.3", "autocomplete": "off"}),
        help_text="Your toolbox must be able to pull it, or have it already. What a tag means is noted when it is first pulled.",
    )

    def clean_identifier(self) -> str:
        """Without what was copied along."""
        return str(self.cleaned_data["identifier"]).strip().removeprefix("docker pull ").removeprefix("docker://").strip()


class DocumentForm(forms.Form):
    """A file, an address, or the text itself."""

    file = forms.FileField(
        required=False,
        label="File",
        widget=forms.FileInput(attrs={"accept": ".json,application/json", "class": "drop"}),
        help_text="Choose it, or drop it here: a server.json, a list of them, or a page of a registry's answer.",
    )
    address = forms.CharField(
        required=False, max_length=2000, widget=forms.URLInput(attrs={"placeholder": "https://example.org/server.json"}), label="Address"
    )
    text = forms.CharField(
        required=False, label="Text", widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "mono"}), strip=True
    )

    def clean(self) -> dict[str, Any]:
        """One of them."""
        cleaned: dict[str, Any] = super().clean() or {}
        given = [name for name in ("file", "address", "text") if cleaned.get(name)]
        if not given and not self.errors:
            raise ValidationError("Give a file, an address, or the text.")
        if len(given) > 1:
            raise ValidationError("Give one of them: a file, an address, or the text.")
        if cleaned.get("file") and cleaned["file"].size > MAX_BYTES:
            self.add_error("file", f"It is larger than {MAX_BYTES // 1024**2} MB.")
        return cleaned


class ConfigurationForm(forms.Form):
    """What a client's configuration file holds."""

    text = forms.CharField(
        label="Configuration",
        max_length=500_000,
        widget=forms.Textarea(
            attrs={
                "rows": 12,
                "spellcheck": "false",
                "autocomplete": "off",
                "class": "mono",
                "placeholder": '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}',
            }
        ),
        help_text="Comments and commas too many do no harm. Keys in it are not kept: you enter them when you deploy.",
    )


class LinesField(forms.CharField):
    """Several texts, a line each; empty lines do not count."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "max_length": 20_000, "strip": False, **kwargs})
        self.widget.attrs |= {"rows": 3, "spellcheck": "false", "class": "mono"}

    def clean(self, value: Any) -> Any:
        """A tuple of lines."""
        return tuple(line.strip() for line in super().clean(value).splitlines() if line.strip())

    def prepare_value(self, value: Any) -> Any:
        """As text."""
        return "\n".join(value) if isinstance(value, (list, tuple)) else value


class EntryForm(forms.Form):
    """A package with its settings and permissions; the rows of `VariableForm` belong to it."""

    kind = forms.CharField(widget=forms.HiddenInput)
    identifier = forms.CharField(label="Package", max_length=400)
    version = forms.CharField(label="Version", required=False, max_length=64)
    title = forms.CharField(
        required=False, max_length=100, help_text="As it is called in the catalogue. Left empty, it is made from its name."
    )
    description = forms.CharField(required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 2}))
    network = forms.ChoiceField(
        choices=NETWORKS, label="What it may reach", help_text="A server that talks to a service needs the network."
    )
    hosts = LinesField(label="Hosts", help_text="A line each: api.example.org, *.example.org or 192.0.2.7:5432.")
    arguments = LinesField(label="Arguments", help_text="What stands after its name on a command line, a line each.")
    volumes = LinesField(label="Volumes", help_text="Folders that it keeps, a line each: data:/data, or data:/data:ro to read only.")
    memory_mb = forms.IntegerField(label="Memory in MB", min_value=32, max_value=65_536, initial=512)
    transport = forms.ChoiceField(choices=TRANSPORTS, label="Speaks MCP over")
    url = forms.CharField(
        required=False,
        max_length=500,
        label="URL inside its container",
        widget=forms.TextInput(attrs={"placeholder": "http://localhost:3001/mcp"}),
    )
    license = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    homepage = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    FIRST = ("identifier", "version", "title", "description", "network", "hosts")
    MORE = ("arguments", "volumes", "memory_mb", "transport", "url")

    def __init__(self, *args: Any, versions: Iterable[str] = (), new_version: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = str(self.data.get("kind") or self.initial.get("kind") or "")
        version = self.fields["version"]
        version.required = kind != "oci"
        version.error_messages["required"] = "Name one exact version, as in 1.2.3."
        version.help_text = "One exact version, as in 1.2.3."
        if kind == "oci":
            self.fields["identifier"].label = "Image"
            version.widget = forms.HiddenInput()
        elif offered := list(versions):
            version.help_text += f" The newest are {', '.join(offered[:4])}."
        if new_version is not None:
            self.fields["entry_version"] = forms.CharField(
                label="Version of the entry", max_length=255, initial=new_version, help_text="Servers that run keep the one that they have."
            )

    @property
    def first(self) -> list[forms.BoundField]:
        """What most people want to see."""
        names = [*self.FIRST, *(["entry_version"] if "entry_version" in self.fields else [])]
        return [self[name] for name in names if not self[name].is_hidden]

    @property
    def more(self) -> list[forms.BoundField]:
        """What few need."""
        return [self[name] for name in self.MORE]

    @property
    def hidden(self) -> list[forms.BoundField]:
        """What is carried along."""
        return [bound for bound in self if bound.is_hidden]

    @property
    def more_has_errors(self) -> bool:
        return any(bound.errors for bound in self.more)

    def draft(self, variables: Iterable[Variable], *, name: str = "", before: dict[str, Any] | None = None) -> EntryDraft:
        """What was entered."""
        given = {field: value for field, value in self.cleaned_data.items() if field != "entry_version"}
        return EntryDraft(
            **given, variables=tuple(variables), name=name, before=before or {}, entry_version=self.cleaned_data.get("entry_version", "")
        )

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what was found at the fields that it is about."""
        for name, text in fields.items():
            known = name in self.fields and not self[name].is_hidden
            self.add_error(name if known else None, text)

    @classmethod
    def initial_of(cls, draft: EntryDraft) -> dict[str, Any]:
        """The form's values of a draft."""
        return {name: getattr(draft, name) for name in cls.base_fields}


class VariableForm(forms.Form):
    """One environment variable; a row without a name does not count."""

    name = forms.RegexField(
        VARIABLE,
        required=False,
        max_length=128,
        error_messages={"invalid": "Letters, digits and underscores, not beginning with a digit."},
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off"}),
    )
    description = forms.CharField(required=False, max_length=300)
    required = forms.BooleanField(required=False)
    secret = forms.BooleanField(required=False)
    default = forms.CharField(required=False, max_length=1000, widget=forms.HiddenInput)

    @property
    def variable(self) -> Variable | None:
        """None for an empty row."""
        return Variable(**self.cleaned_data) if self.cleaned_data.get("name") else None


class VariableRows(forms.BaseFormSet[VariableForm]):
    """All of them; two of one name are refused."""

    def clean(self) -> None:
        """Each name once."""
        names = [form.cleaned_data.get("name") for form in self.forms if form.is_valid() and form.cleaned_data.get("name")]
        if len(names) != len(set(names)):
            raise ValidationError("Two variables have the same name.")

    @property
    def variables(self) -> list[Variable]:
        """Those that have a name."""
        return [form.variable for form in self.forms if form.variable is not None]


def variable_rows(data: Any = None, variables: Iterable[Variable] = (), *, more: bool = False) -> VariableRows:
    """The rows, with some empty ones at their end, or with ``more`` of them than were sent."""
    if data is not None and more:
        data = data.copy()
        data["variables-TOTAL_FORMS"] = str(min(MAX_ROWS, int(data.get("variables-TOTAL_FORMS") or 0) + MORE_ROWS))
    factory = forms.formset_factory(
        VariableForm, formset=VariableRows, extra=EMPTY_ROWS, max_num=MAX_ROWS, absolute_max=MAX_ROWS + MORE_ROWS
    )
    initial = [vars(variable) for variable in variables]
    rows: VariableRows = factory(data, initial=None if data is not None else initial, prefix="variables")  # type: ignore[assignment]
    return rows
