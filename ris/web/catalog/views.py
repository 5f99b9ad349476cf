"""The catalog: what can be ordered, one procedure, and all of them as a CSV file."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.catalog import ImportProcedures, RetireProcedure
from ris.domain.errors import RequestError
from ris.domain.reading import SUBSPECIALTIES
from ris.selectors import catalog
from ris.selectors.catalog import ProcedureLine
from ris.selectors.facility import devices
from ris.services import may
from ris.web import sheets
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked, said
from ris.web.catalog import sheet, starter
from ris.web.catalog.forms import ProcedureForm
from ris.web.errors import STATUS
from ris.web.navigation import SYSTEM
from ris.web.paging import slice_of


@require_GET
@page(*SYSTEM)
def procedure_list(request: PageRequest) -> HttpResponse:
    text, modality = asked(request, "q"), asked(request, "modality")
    retired = asked(request, "retired") == "1"
    page_of = slice_of(catalog.matching(text, modality, retired=retired), request)
    context = {
        "lines": catalog.lines_of(list(page_of.rows)),
        "page": page_of,
        "text": text,
        "modality": modality,
        "modalities": catalog.modalities(),
        "retired": retired,
        "allowed": may(request.actor, ImportProcedures),
        "starters": starter.count() if not page_of.rows and catalog.is_empty() else 0,
    }
    return show(request, "catalog/list.html", context)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def new(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request, ProcedureForm(request.POST), None)
    return _form(request, ProcedureForm(), None)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def procedure(request: PageRequest, key: UUID) -> HttpResponse:
    line = catalog.procedure(str(key))
    if request.method == "POST":
        form = ProcedureForm(request.POST)
        form.keep_code()
        return _save(request, form, line)
    return _form(request, ProcedureForm.of(line), line)


def _form(
    request: PageRequest, form: ProcedureForm, line: ProcedureLine | None, status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "line": line,
        "devices": [each.ae_title for each in devices() if line and each.modality == line.modality],
        "allowed": may(request.actor, ImportProcedures),
        "subspecialties": SUBSPECIALTIES,
    }
    return show(request, "catalog/procedure.html", context, status=status)


def _save(request: PageRequest, form: ProcedureForm, line: ProcedureLine | None) -> HttpResponse:
    if not form.is_valid():
        return _form(request, form, line, 422)
    command = form.command()
    if line is None and catalog.is_known(command.code):
        form.add_error("code", "There is a procedure with this code; open it to change it.")
        return _form(request, form, line, 409)
    if line is not None and (command.code.value, command.code.scheme, command.code.version) != (
        line.code.value,
        line.code.scheme,
        line.code.version,
    ):
        form.add_error("code", "The code of a procedure stays; make a new procedure.")
        return _form(request, form, line, 422)
    try:
        do(request, command)
    except RequestError as error:
        form.refuse(error)
        return _form(request, form, line, STATUS[error.code])
    messages.success(request, _("{meaning} is saved.").format(meaning=command.code.meaning))
    return _to_list()


def _to_list() -> HttpResponse:
    response = HttpResponseRedirect("/catalog/")
    response.status_code = 303
    return response


@require_POST
@page(*SYSTEM)
def retire(request: PageRequest, key: UUID) -> HttpResponse:
    line = catalog.procedure(str(key))
    do(request, RetireProcedure(procedure=str(key)))
    messages.success(
        request,
        _("{meaning} is no longer offered. Saving it offers it again.").format(
            meaning=line.code.meaning
        ),
    )
    return _to_list()


@require_GET
@page(*SYSTEM)
def download(request: PageRequest) -> HttpResponse:
    return sheets.attachment(sheet.write(catalog.lines(retired=True)), "procedures.csv")


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def upload(request: PageRequest) -> HttpResponse:
    """First what a file would change; then, when the person says so, that and nothing else."""
    if request.method == "GET":
        return show(request, "catalog/upload.html", {"kind": sheet.KIND})
    raw = starter.content() if said(request, "starter") == "1" else sheets.uploaded(request)
    found = sheet.read(raw, catalog.lines(retired=True))
    if said(request, "apply") == "1" and found.is_good:
        wanted = [(sheet.command(row.values), row.values["offered"]) for row in found.wanted]
        do(
            request,
            ImportProcedures(
                procedures=tuple(command for command, offered in wanted if offered),
                retired=tuple(command.code for command, offered in wanted if not offered),
            ),
        )
        count = len(wanted)
        words = ngettext("%(count)s procedure changed.", "%(count)s procedures changed.", count)
        messages.success(request, words % {"count": count})
        return _to_list()
    context = {"kind": sheet.KIND, "sheet": found, "content": sheets.carried(raw)}
    return show(request, "catalog/upload.html", context, status=200 if found.is_good else 422)
