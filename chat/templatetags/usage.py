"""``{% load usage %}``: what models were used for and cost, as a person reads it."""

from __future__ import annotations

from decimal import Decimal

from django import template

from chat.providers.usage import Sums

register = template.Library()

FEW = Decimal("0.0001")


@register.filter
def grouped(number: int) -> str:
    """``1,234,567``."""
    return f"{number:,}"


@register.filter
def cost(sums: Sums) -> str:
    """In dollars, with as many digits as tell something; ``≥`` where no price is known for a part of it."""
    if sums.cost is None:
        return "no price known"
    return ("≥ " if sums.unpriced else "") + _dollars(sums.cost)


def _dollars(value: Decimal) -> str:
    if 0 < value < FEW:
        return f"under ${FEW}"
    return f"${value:,.2f}" if value == 0 or value >= 1 else f"${value:.4f}"
