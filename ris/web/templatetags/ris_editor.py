"""What the editor of reports shows beside its sections."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString

from ris import config
from ris.domain.report_templates import DraftForm
from ris.models import Report
from ris.selectors.report_templates import TemplateLine, exam_keys, fitting_for
from ris.selectors.views import ReportView

register = template.Library()


@dataclass(frozen=True, slots=True)
class Tools:
    """``offered``: the template to begin with, where nothing is written yet."""

    form: DraftForm | None
    offered: TemplateLine | None
    speech: bool


@register.simple_tag
def editor_tools(report: ReportView, stored: Report, user: int) -> Tools:
    """Two queries while nothing is written, none afterwards."""
    form = DraftForm.from_json(stored.form)
    offered = None
    if form is None and not stored.draft and report.current is None:
        offered = next(iter(fitting_for(exam_keys(report.procedures), user)), None)
    return Tools(form, offered, config.load().reports.browser_speech)


@register.filter
def bracketed(text: str) -> SafeString:
    """A template's text with its fields marked; everything in it is text, never markup."""
    pieces = []
    rest = text
    while rest:
        before, opening, after = rest.partition("[")
        inside, closing, rest = after.partition("]") if opening else ("", "", "")
        pieces.append((conditional_escape(before), _mark(inside, opening, closing)))
    return format_html_join("", "{}{}", pieces)


def _mark(inside: str, opening: str, closing: str) -> SafeString | str:
    if not opening:
        return ""
    if not closing:
        return f"[{inside}"
    return format_html_join("", "<mark>{}</mark>", [(inside,)])
