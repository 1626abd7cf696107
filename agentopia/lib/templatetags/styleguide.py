"""The data that ``/styleguide/`` shows its components with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django import forms, template
from django.core.paginator import Paginator
from django.utils import timezone

from agentopia.lib.templatetags.ui import STATES

register = template.Library()


class SampleLine(NamedTuple):
    """A line as `dtma_wire.LogLine` has it."""

    ts: datetime
    stream: str
    text: str


class SampleForm(forms.Form):
    """Every kind of field."""

    name = forms.CharField(help_text="Lower-case letters, digits and dashes.")
    token = forms.CharField(
        label="API token", widget=forms.PasswordInput(attrs={"autocomplete": "off"}), help_text="Encrypted at rest, never shown again."
    )
    region = forms.ChoiceField(choices=[("", "Choose…"), ("fra1", "Frankfurt"), ("nyc3", "New York")])
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What is it for?"}), required=False)
    egress = forms.BooleanField(label="May reach the internet", required=False, help_text="Denied unless this is on.")


@register.simple_tag
def styleguide_samples() -> dict[str, Any]:
    """Forms, times, log lines and a page of numbers."""
    now = timezone.now()
    texts = [
        ("dtma", "container started"),
        ("stderr", "Secure MCP Filesystem Server running on stdio"),
        ("stdout", '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}}'),
        ("stderr", "warning: /data is nearly full (93 %)"),
        ("stdout", "tools/call echo 4 ms"),
    ]
    return {
        "form": SampleForm(),
        "invalid": SampleForm({"name": "", "token": "", "region": "mars1", "notes": "for the demo"}),
        "states": [state for state in STATES if state not in {"waiting", "done"}],
        "now": now,
        "started": now - timedelta(seconds=7),
        "earlier": now - timedelta(minutes=12),
        "yesterday": now - timedelta(days=1, hours=2),
        "lines": [SampleLine(now + timedelta(milliseconds=140 * i), *line) for i, line in enumerate(texts * 4)],
        "page": Paginator(range(240), 50).page(2),
        "schema": {
            "type": "object",
            "properties": {"message": {"type": "string", "description": "Message to echo"}},
            "required": ["message"],
        },
    }
