"""A draft begins with a template, with another one, or goes on without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.errors import MissingValueError
from ris.domain.report_templates import ApplyReportTemplate, DropReportTemplate
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import asked, carried, said
from ris.web.reporting.editor_views import answers_in, typed_in, written, written_in
from ris.web.reporting.views import report_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Losing:
    """Answers whose codes go with the template that asked for them, and how to go on all the same.

    The address names them, so that nothing is lost that was not shown.
    """

    codes: Sequence[dict[str, str]]
    is_dropped: bool
    go_on: str


@require_POST
@page()
def apply_template(request: PageRequest, key: UUID) -> HttpResponse:
    """Begin with a template; what stands in the editor, or else in the draft, stays."""
    report = written(request, key)
    template = said(request, "template") or asked(request, "template")
    command = ApplyReportTemplate(
        report=str(key),
        template=template,
        sections=written_in(request) or dict(report.draft),
        answers=answers_in(request),
        without_codes=tuple(request.GET.getlist("lose")),
        expected_revision=carried(request, "revision"),
    )
    words = _("The template is in the text. What was written before stays.")
    return _changed(request, key, command, words)


@require_POST
@page()
def drop_template(request: PageRequest, key: UUID) -> HttpResponse:
    command = DropReportTemplate(
        report=str(key),
        sections=written_in(request),
        answers=answers_in(request),
        without_codes=tuple(request.GET.getlist("lose")),
        expected_revision=carried(request, "revision"),
    )
    words = _("The text stays; the template asks for nothing more.")
    return _changed(request, key, command, words)


def _changed(
    request: PageRequest, key: UUID, command: ApplyReportTemplate | DropReportTemplate, words: str
) -> HttpResponse:
    """Do it; or, where codes would be lost, ask on the page with all that was typed."""
    try:
        do(request, command)
    except MissingValueError as refused:
        if refused.path != "without_codes":
            raise
        is_dropped = isinstance(command, DropReportTemplate)
        lose: list[tuple[str, Any]] = [("lose", each["name"]) for each in refused.details["codes"]]
        if not isinstance(command, DropReportTemplate):
            lose.append(("template", command.template))
        name = "report-template-drop" if is_dropped else "report-template"
        losing = Losing(
            codes=refused.details["codes"],
            is_dropped=is_dropped,
            go_on=f"{reverse(name, args=[key])}?{urlencode(lose)}",
        )
        return report_page(request, key, typed=typed_in(request) or None, losing=losing)
    messages.success(request, words)
    return redirect_back(request, f"/reports/{key}/")
