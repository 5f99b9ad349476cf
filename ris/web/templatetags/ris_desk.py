"""Filters of the front desk's and the rooms' pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

from ris.selectors import supplies
from ris.web import labels
from ris.web.performing import words

register = template.Library()


@register.filter
def identifier(kind: str) -> str:
    """What was compared: ``birth date``."""
    return str(labels.IDENTIFIER.get(kind, kind))


@register.filter
def amount(value: Decimal | None) -> str:
    """A number without needless zeros: ``80``, ``7.5``."""
    if value is None:
        return ""
    return f"{value.normalize():f}"


@register.inclusion_tag("performing/_given.html")
def contrast_given(order: str) -> dict[str, Any]:
    """What an order's exams were given, and what the patient did not bear; nothing if nothing."""
    return {"used": supplies.of_order(order), "key": order}


@register.filter
def supply_kind(value: str) -> str:
    return str(words.SUPPLY_KIND.get(value, value))


@register.filter
def agent(value: str) -> str:
    return str(words.AGENT.get(value, value))


@register.filter
def route(value: str) -> str:
    return str(words.ROUTE.get(value, value))


@register.filter
def severity(value: str) -> str:
    return str(words.SEVERITY.get(value, value))
