"""``{% load chat %}``: what the pages of the chat say of runs and tool calls."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from agentopia.lib.templatetags.ui import icon
from chat.models import Question, Run
from chat.pages.flow import Part
from chat.pages.markdown import kept
from chat.pages.questions import QuestionForm, link_of
from chat.pages.streaming import shown

register = template.Library()

LINE = 160
CALLS = {
    # status: (icon, word)
    "pending": ("circle-dashed", "not begun"),
    "approval": ("shield-check", "waits for you"),
    "running": ("loader-circle", "running"),
    "succeeded": ("circle-check", "done"),
    "failed": ("circle-x", "failed"),
    "refused": ("circle-x", "refused"),
    "cancelled": ("circle-stop", "cancelled"),
    "interrupted": ("triangle-alert", "interrupted"),
}
MODEL_TROUBLES = ("no_model", "budget_reached", "model_quota", "model_key", "model_missing", "provider_")
"""How codes of failures begin that are mended where models are set up."""

register.simple_tag(kept, name="markdown")


@register.inclusion_tag("chat/part.html")
def part(turn_id: str, item: Part) -> dict[str, Any]:
    """A text or a thought of the model."""
    return {"shown": shown(turn_id, item)}


@register.simple_tag
def call_icon(status: str) -> SafeString:
    """The icon of a tool call's status, with its word for screen readers."""
    shape, word = CALLS.get(status, CALLS["pending"])
    return icon(shape, label=word, spin=status == "running")


@register.filter
def call_word(status: str) -> str:
    """A tool call's status as a person reads it."""
    return CALLS.get(status, CALLS["pending"])[1]


@register.filter
def in_a_line(arguments: Any) -> str:
    """The beginning of a call's arguments: what they are is mostly told by their values."""
    if not isinstance(arguments, dict):
        return _line(arguments)
    values = list(arguments.items())
    if len(values) == 1:
        return _line(values[0][1])
    return ", ".join(f"{name}: {_line(value, 60)}" for name, value in values)[:LINE]


def _line(value: Any, length: int = LINE) -> str:
    text = value[: 4 * length] if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[: 4 * length]
    return " ".join(text.split())[:length]


@register.filter
def percent(fraction: float | None) -> int:
    """A part of one as a whole number of hundredths."""
    return round(100 * (fraction or 0.0))


@register.filter
def lasted(run: Run) -> float | None:
    """Seconds from a run's beginning to its end."""
    return (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None


@register.filter
def tokens(run: Run) -> str:
    """All tokens of a run: ``812``, ``4.1 k``."""
    return short_number(run.input_tokens + run.output_tokens)


@register.filter
def short_number(value: Any) -> str:
    """``812``, ``4.1 k``, ``1.2 M``; a dash for what is no number."""
    if not isinstance(value, int | float):
        return "–"
    for size, unit in ((1_000_000, " M"), (10_000, " k"), (1000, " k")):
        if value >= size:
            divisor = 1_000_000 if unit == " M" else 1000
            return f"{value / divisor:.1f}{unit}"
    return f"{value:.0f}"


@register.filter
def dollars(value: Decimal | None) -> str:
    """A cost, with as many digits as tell something."""
    if value is None:
        return ""
    return f"${value:.2f}" if value >= 1 else f"${value:.4f}"


@register.filter
def question_form(question: Question) -> QuestionForm:
    """The fields of a question."""
    return QuestionForm(question=question)


@register.filter
def question_link(question: Question) -> str:
    """Where a question leads; empty where that is no address of the web."""
    return link_of(question)


@register.simple_tag
def failure_links(run: Run) -> SafeString:
    """Where one mends why a run failed, where there is such a place."""
    return render_to_string("chat/failure_links.html", {"models": models_url() if run.error_code.startswith(MODEL_TROUBLES) else ""})


def models_url() -> str:
    """The page where models are set up."""
    return reverse("account:models")
