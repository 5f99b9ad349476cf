"""Filters of the front desk's and the rooms' pages."""

from __future__ import annotations

from decimal import Decimal

from django import template

from ris.web import labels

register = template.Library()


@register.filter
def identifier(kind: str) -> str:
    """What was compared: ``birth date``."""
    return labels.IDENTIFIER.get(kind, kind)


@register.filter
def amount(value: Decimal | None) -> str:
    """A number without needless zeros: ``80``, ``7.5``."""
    if value is None:
        return ""
    return f"{value.normalize():f}"
