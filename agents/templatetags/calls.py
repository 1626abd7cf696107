"""``{% load calls %}``: figures of calls, and how many of them wait for whoever looks."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from agentopia.lib.templatetags.ui import duration
from agents.receipts_pages.inbox import said_of, waiting_count

register = template.Library()
register.filter("said", said_of)


@register.filter
def milliseconds(value: float | None) -> str:
    """Milliseconds for a person: ``0.3 ms``, ``40 ms``, ``1.4 s``; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.1f} ms" if value < 10 else duration(value / 1000)


@register.filter
def cpu(value: float | None) -> str:
    """CPU seconds for a person; a dash for None."""
    return "–" if value is None else milliseconds(value * 1000)


@register.simple_tag(takes_context=True)
def waiting_calls(context: template.Context) -> SafeString:
    """How many calls wait for the user, beside the link to them. Every live page keeps it current."""
    request = context.get("request")
    user: Any = getattr(request, "user", None)
    return rendered_count(user) if user is not None and user.is_authenticated else SafeString("")


def rendered_count(user: Any) -> SafeString:
    """The same as a fragment."""
    return render_to_string("agents/approval_count.html", {"count": waiting_count(user)})
