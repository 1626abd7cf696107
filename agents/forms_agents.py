"""What is typed into the pages of agents; the services judge what fields alone cannot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from agents.models import Agent, Grant, GrantedTool
from agents.models.agents import INSTRUCTIONS_LIMIT
from mcp_registry.models import Tool

LIMITS = ("calls_per_minute", "calls_per_day", "cpu_seconds_per_day")
LASTING = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
ENDS = (
    ("never", "When I disconnect it"),
    ("hour", "In an hour"),
    ("day", "In a day"),
    ("week", "In a week"),
    ("month", "In 30 days"),
    ("at", "At a time of my own"),
)
MOMENT = "%Y-%m-%dT%H:%M"
PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class ProblemsForm(forms.Form):
    """A form that takes up what a service found."""

    def add_problems(self, message: str, fields: Mapping[str, str]) -> None:
        """Put what a service found at the fields that it is about; its sentence, where it is about none of them."""
        known = {name: text for name, text in fields.items() if name in self.fields}
        for name, text in known.items():
            self.add_error(name, text)
        if not known:
            self.add_error(None, message)


class LimitsForm(ProblemsForm):
    """How much may be called. Nothing entered: no limit."""

    calls_per_minute = forms.IntegerField(required=False, min_value=1, label="Calls a minute")
    calls_per_day = forms.IntegerField(required=False, min_value=1, label="Calls a day")
    cpu_seconds_per_day = forms.IntegerField(
        required=False,
        min_value=1,
        label="CPU seconds a day",
        help_text="CPU time of the servers, which is what a call costs. A day is one of UTC.",
    )

    @property
    def limits(self) -> list[forms.BoundField]:
        """The fields above."""
        return [self[name] for name in LIMITS]

    @property
    def limits_shown(self) -> bool:
        """Whether any is set, or wrong."""
        return any(bound.errors or bound.value() for bound in self.limits)


class AgentForm(LimitsForm):
    """All of an agent but its grants."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs=PLAIN))
    slug = forms.CharField(
        required=False,
        max_length=63,
        label="Name in addresses",
        help_text="Small letters, digits and hyphens, as in /mcp/release-notes. Left empty, it is made from the name.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    instructions = forms.CharField(
        required=False,
        max_length=INSTRUCTIONS_LIMIT,
        strip=False,
        help_text="What it is for and how it should work. The chat gives them to the model; MCP clients are told them when they connect.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    model = forms.CharField(
        required=False,
        max_length=200,
        help_text="For the chat, as its provider calls it, unless models are chosen under “Model”. Left empty: the one configured for all.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    tool_mode = forms.ChoiceField(
        choices=Agent.ToolMode.choices,
        label="Tools that the model is given",
        help_text="Many tools at once confuse a model and cost tokens: from some 30 on, let the best be chosen.",
    )
    top_k = forms.IntegerField(
        min_value=1,
        max_value=50,
        label="How many are chosen",
        help_text="For one request, beside those that are pinned. Where the best are chosen.",
    )
    enabled = forms.BooleanField(
        required=False, label="Switched on", help_text="Switched off, it may call nothing, and MCP clients cannot connect."
    )

    @classmethod
    def of(cls, agent: Agent, data: Any = None) -> AgentForm:
        """The form of an agent that there is."""
        return cls(data, initial={name: getattr(agent, name) for name in cls.base_fields})

    @property
    def more_shown(self) -> bool:
        """Whether anything is wrong or set of what is folded away at first."""
        return self.limits_shown or bool(self["slug"].errors or self["model"].errors or self["model"].value())

    def values(self) -> dict[str, Any]:
        """What was entered, by the names of the model's fields."""
        return dict(self.cleaned_data)


class GrantForm(LimitsForm):
    """What an agent may do with one server."""

    grant = forms.CharField(required=False, widget=forms.HiddenInput)
    scope = forms.ChoiceField(choices=(("all", "All"), ("chosen", "Chosen")), widget=forms.RadioSelect)
    tools = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    approval = forms.ChoiceField(choices=Grant.Approval.choices, label="Ask me before a call")
    on_change = forms.ChoiceField(
        choices=Grant.OnChange.choices,
        label="When the server changes a tool",
        help_text="A tool's description is read by the model: whoever changes it can tell the model what to do.",
    )
    ends = forms.ChoiceField(choices=ENDS, label="Ends")
    ends_at = forms.DateTimeField(
        required=False,
        input_formats=[MOMENT, "%Y-%m-%dT%H:%M:%S"],
        label="At (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )

    def __init__(self, *args: Any, offered: Iterable[Tool], kept: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = list(offered)
        names = {tool.name: tool.title for tool in self.offered}
        self.gone = [name for name in kept if name not in names]
        self.fields["tools"] = forms.MultipleChoiceField(required=False, choices=[(name, name) for name in (*names, *self.gone)])

    @classmethod
    def of(cls, grant: Grant | None, offered: Iterable[Tool], data: Any = None) -> GrantForm:
        """The form of a grant that there is, or of one to be made."""
        if grant is None:
            fresh = {"scope": "all", "approval": Grant.Approval.DESTRUCTIVE, "on_change": Grant.OnChange.HOLD, "ends": "never"}
            return cls(data, offered=offered, initial=fresh)
        start: dict[str, Any] = {name: getattr(grant, name) for name in (*LIMITS, "approval", "on_change")}
        start |= {"grant": str(grant.pk), "scope": "all" if grant.tools is None else "chosen", "tools": grant.tools or []}
        start |= {"ends": "at" if grant.expires_at else "never", "ends_at": grant.expires_at}
        return cls(data, offered=offered, kept=grant.tools or [], initial=start)

    @property
    def chosen(self) -> set[str]:
        """The names that are ticked."""
        return set(self["tools"].value() or ())

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("scope") == "chosen" and not given.get("tools") and "tools" not in self.errors:
            self.add_error("tools", "Choose at least one tool, or all.")
        if given.get("ends") == "at" and not given.get("ends_at") and "ends_at" not in self.errors:
            self.add_error("ends_at", "Say until when.")
        return given

    def values(self) -> dict[str, Any]:
        """What was entered, by the names of the model's fields."""
        given = self.cleaned_data
        values = {name: given[name] for name in (*LIMITS, "approval", "on_change")}
        return values | {"tools": None if given["scope"] == "all" else given["tools"], "expires_at": self._expires_at()}

    def _expires_at(self) -> datetime | None:
        ends = self.cleaned_data["ends"]
        if ends == "at":
            moment: datetime = self.cleaned_data["ends_at"]
            return moment
        return timezone.now() + LASTING[ends] if ends in LASTING else None


class Rules(forms.JSONField):
    """A JSON Schema, as text."""

    default_error_messages = {"invalid": "This is not valid JSON."}

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, as it was typed."""
        return data

    def prepare_value(self, value: Any) -> Any:
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


class ToolRulesForm(ProblemsForm):
    """The rules of one tool under a grant."""

    approval = forms.ChoiceField(required=False, label="Ask me before a call")
    argument_rules = Rules(
        required=False,
        label="Arguments must fit",
        help_text="A JSON Schema beside the tool's own. A call whose arguments do not fit is refused.",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "mono"}),
    )
    pinned = forms.BooleanField(required=False, label="Always given to the model, whatever is asked")

    def __init__(self, *args: Any, grant: Grant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        as_grant = f"As for the whole server: {grant.get_approval_display().lower()}"
        self.fields["approval"] = forms.ChoiceField(
            required=False, label="Ask me before a call", choices=[("", as_grant), *Grant.Approval.choices]
        )

    @classmethod
    def of(cls, grant: Grant, granted: GrantedTool | None, data: Any = None) -> ToolRulesForm:
        """The form with the rules that there are."""
        start = {name: getattr(granted, name) for name in cls.base_fields} if granted else {}
        return cls(data, grant=grant, initial=start)
