"""Minutes in words."""

from __future__ import annotations

from django import template

from ris.web.analytics.durations import duration as in_words

register = template.Library()


@register.filter
def duration(minutes: float) -> str:
    return in_words(minutes)
