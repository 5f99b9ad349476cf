"""Breast exams in templates: their states and words, and the form beside a report."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ris.models import Report
from ris.selectors import mammography
from ris.web import icons
from ris.web.labels import Label
from ris.web.mammography import words

register = template.Library()


@register.simple_tag
def breast_status(table: str, value: str) -> SafeString:
    """A state as icon, words and tone together."""
    label = words.TABLES[table][1][str(value)]
    if not isinstance(label, Label):
        raise TypeError(f"{table} has no states")
    return format_html(
        '<span class="badge-state tone-{}">{}{}</span>',
        label.tone.value,
        icons.svg(label.icon),
        label.words,
    )


@register.filter
def breast_words(value: str, table: str) -> str:
    """What a value of a table is called; empty for none."""
    found = words.TABLES[table][1].get(str(value), "")
    return found.words if isinstance(found, Label) else str(found)


@register.inclusion_tag("mammography/_assessment.html", takes_context=True)
def breast_assessment(context: template.Context, report: Report) -> dict[str, Any]:
    """The assessment of a breast exam beside its report; nothing for any other exam."""
    return {
        "assessment": mammography.of_report(report),
        "categories": list(words.CATEGORY.items()),
        "densities": list(words.DENSITY.items()),
        "editable": context.get("editable"),
        "amendable": context.get("amendable"),
        "version": context["report"].current.number if context["report"].current else 0,
        "signs_with": context.get("signs_with"),
        "can_show_proof": context.get("can_show_proof"),
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
    }
