"""Report templates: list, make, look at, retire; MRRT files in and out; macros."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain import mrrt
from ris.domain.errors import RequestError
from ris.domain.mrrt import Reading
from ris.domain.mrrt_reading import read
from ris.domain.mrrt_writing import write
from ris.domain.report_fields import FieldKind, MergeSource
from ris.domain.report_templates import (
    DefineReportTemplate,
    DeleteMacro,
    RetireReportTemplate,
    SaveMacro,
    TemplateContent,
)
from ris.selectors import report_templates as templates
from ris.selectors.facility import site
from ris.selectors.report_templates import TemplateLine
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import asked, number, said
from ris.web.errors import STATUS
from ris.web.navigation import READERS
from ris.web.paging import slice_of
from ris.web.report_templates import forms

KINDS = (
    (FieldKind.TEXT.value, gettext_lazy("text")),
    (FieldKind.NUMBER.value, gettext_lazy("number")),
    (FieldKind.DATE.value, gettext_lazy("date")),
    (FieldKind.TIME.value, gettext_lazy("time")),
    (FieldKind.CHOICE.value, gettext_lazy("one of")),
    (FieldKind.CHOICES.value, gettext_lazy("several of")),
    (FieldKind.YES_NO.value, gettext_lazy("yes or no")),
    (FieldKind.MERGE.value, gettext_lazy("filled in from")),
)
SOURCES = (
    (MergeSource.AGE.value, gettext_lazy("age at the exam")),
    (MergeSource.SEX.value, gettext_lazy("sex")),
    (MergeSource.INDICATION.value, gettext_lazy("indication")),
    (MergeSource.PROCEDURE.value, gettext_lazy("procedure")),
    (MergeSource.LATERALITY.value, gettext_lazy("side")),
    (MergeSource.ACCESSION.value, gettext_lazy("accession number")),
    (MergeSource.REFERRER.value, gettext_lazy("who asked for it")),
    (MergeSource.EXAM_DATE.value, gettext_lazy("date of the exam")),
    (MergeSource.DEVICE.value, gettext_lazy("device")),
    (MergeSource.CONTRAST.value, gettext_lazy("contrast given")),
    (MergeSource.DOSE.value, gettext_lazy("dose")),
    (MergeSource.PRIOR_DATE.value, gettext_lazy("date of the exam before")),
)


@require_GET
@page(*READERS)
def template_list(request: PageRequest) -> HttpResponse:
    retired = asked(request, "state") == "retired"
    page_of = slice_of(templates.rows(request.user.pk, retired=retired), request)
    context = {
        "lines": templates.lines(page_of.rows),
        "page": page_of,
        "retired": retired,
        "allowed": may(request.actor, DefineReportTemplate),
    }
    return show(request, "report_templates/list.html", context)


@require_http_methods(["GET", "POST"])
@page(*READERS)
def new(request: PageRequest) -> HttpResponse:
    return _edit(request, None, None)


@require_http_methods(["GET", "POST"])
@page(*READERS)
def edit(request: PageRequest, key: UUID) -> HttpResponse:
    line = templates.template_line(str(key), request.user.pk)
    return _edit(request, line, templates.content_of(line.public_id, line.number))


def _edit(
    request: PageRequest, line: TemplateLine | None, content: TemplateContent | None
) -> HttpResponse:
    """The form; sent with new brackets it comes back with a row for each of them."""
    form = forms.shown(line, content)
    error = None
    if request.method == "POST":
        form = forms.typed(request.POST, number(request, "number") or 0)
        if said(request, "step") != "fields":
            try:
                key = do(
                    request,
                    DefineReportTemplate(
                        template=line.public_id if line else "",
                        name=form.name,
                        content=forms.content_of(form, content),
                        language=form.language,
                        modalities=tuple(each.upper() for each in forms.words_of(form.modalities)),
                        procedures=forms.words_of(form.procedures),
                        regions=forms.words_of(form.regions),
                        sites=forms.words_of(form.sites),
                        automatic=form.automatic,
                        own=form.own,
                        expected_number=form.number if line else None,
                    ),
                )
            except RequestError as refused:
                error = refused
            else:
                messages.success(request, _("Saved. Reports begin with it from now on."))
                return redirect_back(request, f"/report-templates/{key}/")
    context = {
        "line": line,
        "form": form,
        "error": error,
        "kinds": KINDS,
        "sources": SOURCES,
        "allowed": may(request.actor, DefineReportTemplate),
    }
    status = STATUS[error.code] if error else 200
    return show(request, "report_templates/edit.html", context, status=status)


@require_GET
@page(*READERS)
def preview(request: PageRequest, key: UUID) -> HttpResponse:
    """A version of a template, the newest unless another is asked for."""
    line = templates.template_line(str(key), request.user.pk)
    wanted = asked(request, "version", 6)
    shown = int(wanted) if wanted.isdecimal() else line.number
    content = templates.content_of(line.public_id, shown)
    form = forms.shown(line, content)
    context = {
        "line": line,
        "shown": shown,
        "form": form,
        "content": content,
        "fields": [(row, _kind(row.kind), _source(row.source)) for row in form.fields],
        "versions": templates.versions_of(line.public_id),
        "allowed": may(request.actor, RetireReportTemplate),
    }
    return show(request, "report_templates/preview.html", context)


def _kind(value: str) -> str:
    return str(dict(KINDS)[value])


def _source(value: str) -> str:
    return str(dict(SOURCES).get(value, ""))


@require_POST
@page(*READERS)
def retire(request: PageRequest, key: UUID) -> HttpResponse:
    retired = said(request, "retired") != "no"
    do(request, RetireReportTemplate(template=str(key), retired=retired))
    messages.success(request, _("No longer offered.") if retired else _("It is offered again."))
    return redirect_back(request, f"/report-templates/{key}/")


@require_GET
@page(*READERS)
def export(request: PageRequest, key: UUID) -> HttpResponse:
    """The newest version as an MRRT file."""
    line = templates.template_line(str(key), request.user.pk)
    payload = write(
        templates.content_of(line.public_id, line.number),
        name=line.name,
        language=line.language,
        identifier=f"urn:uuid:{line.public_id}",
        on=timezone.localtime(line.updated_at).date().isoformat(),
        maker=site().institution or site().name,
    )
    return HttpResponse(
        payload,
        # Downloaded, never shown: nothing of it runs within these pages.
        content_type="text/html; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(True, f"{line.name}.html") or "",
            "X-Content-Type-Options": "nosniff",
        },
    )


@require_http_methods(["GET", "POST"])
@page(*READERS)
def upload(request: PageRequest) -> HttpResponse:
    """An MRRT file becomes a template; or its faults are shown, each with its line."""
    reading = None
    error = None
    if request.method == "POST":
        file = request.FILES.get("file")
        payload = file.read(mrrt.LARGEST + 1) if file is not None else b""
        reading = read(payload)
        if reading.content is not None:
            try:
                key = do(request, _imported(request, reading, reading.content))
            except RequestError as refused:
                error = refused
            else:
                for note in reading.notes[:20]:
                    messages.info(request, str(note).capitalize())
                messages.success(request, _("Imported. Look it over, then say what it is for."))
                return redirect_back(request, f"/report-templates/{key}/")
    context = {
        "reading": reading,
        "error": error,
        "allowed": may(request.actor, DefineReportTemplate),
    }
    status = STATUS[error.code] if error else 422 if reading is not None else 200
    return show(request, "report_templates/import.html", context, status=status)


def _imported(
    request: PageRequest, reading: Reading, content: TemplateContent
) -> DefineReportTemplate:
    """A template of its own; or, asked for, the next version of the one that has its name.

    That one stays for the exams that it is for: a file does not say which those are here.
    """
    own = "own" in request.POST
    name = said(request, "name", 200) or reading.name
    there = (
        templates.offered_as(name, request.user.pk, own=own) if "as_next" in request.POST else None
    )
    made = DefineReportTemplate(
        name=name,
        content=content,
        language=reading.language,
        modalities=reading.modalities,
        own=own,
    )
    if there is None:
        return made
    return replace(
        made,
        template=there.public_id,
        name=there.name,
        modalities=there.modalities,
        procedures=there.procedures,
        regions=there.regions,
        sites=there.sites,
        automatic=there.automatic,
        expected_number=there.number,
    )


# --- macros


@require_http_methods(["GET", "POST"])
@page(*READERS)
def macro_page(request: PageRequest) -> HttpResponse:
    error = None
    typed = {"name": "", "text": "", "own": True, "macro": ""}
    if request.method == "POST":
        typed = {
            "name": said(request, "name", 60),
            "text": said(request, "text", 20_000),
            "own": "own" in request.POST,
            "macro": said(request, "macro", 40),
        }
        try:
            do(
                request,
                SaveMacro(
                    name=str(typed["name"]),
                    text=str(typed["text"]),
                    own=bool(typed["own"]),
                    macro=str(typed["macro"]),
                ),
            )
        except RequestError as refused:
            error = refused
        else:
            messages.success(request, _("Saved."))
            return redirect_back(request, "/report-templates/macros/")
    context = {
        "macros": templates.every_macro(request.user.pk),
        "typed": typed,
        "error": error,
        "allowed": may(request.actor, SaveMacro),
    }
    status = STATUS[error.code] if error else 200
    return show(request, "report_templates/macros.html", context, status=status)


@require_POST
@page(*READERS)
def delete_macro(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DeleteMacro(macro=str(key)))
    messages.success(request, _("Deleted."))
    return redirect_back(request, "/report-templates/macros/")
