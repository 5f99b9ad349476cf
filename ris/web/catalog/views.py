"""The catalog: what can be ordered, one procedure, and all of them as a CSV file."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.catalog import ImportProcedures, RetireProcedure
from ris.domain.errors import DeniedError, InvalidValueError, RisError
from ris.selectors import catalog
from ris.selectors.catalog import ProcedureLine
from ris.services import may
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked, said
from ris.web.catalog import sheet
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
    context = {"form": form, "line": line, "allowed": may(request.actor, ImportProcedures)}
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
    except DeniedError:
        raise
    except RisError as error:
        form.refuse(error)
        return _form(request, form, line, STATUS[error.code])
    messages.success(request, f"{command.code.meaning} is saved.")
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
        request, f"{line.code.meaning} is no longer offered. Saving it offers it again."
    )
    return _to_list()


@require_GET
@page(*SYSTEM)
def download(request: PageRequest) -> HttpResponse:
    text = sheet.write(catalog.lines(retired=True))
    return HttpResponse(
        text.encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="procedures.csv"'},
    )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def upload(request: PageRequest) -> HttpResponse:
    """First what a file would change; then, when the person says so, that and nothing else."""
    if request.method == "GET":
        return show(request, "catalog/upload.html", {"columns": sheet.COLUMNS})
    raw = _file(request)
    present = catalog.lines(retired=True)
    found = sheet.read(raw, present)
    if said(request, "apply") == "1" and found.is_good:
        wanted = [row for row in found.rows if row.command and row.change != "same"]
        do(
            request,
            ImportProcedures(
                procedures=tuple(row.command for row in wanted if row.command and row.offered),
                retired=tuple(
                    row.command.code for row in wanted if row.command and not row.offered
                ),
            ),
        )
        messages.success(request, f"{len(wanted)} procedure{'s' * (len(wanted) != 1)} changed.")
        return _to_list()
    context = {
        "columns": sheet.COLUMNS,
        "sheet": found,
        "content": base64.b64encode(raw).decode(),
    }
    return show(request, "catalog/upload.html", context, status=200 if found.is_good else 422)


def _file(request: PageRequest) -> bytes:
    """The file that was chosen, or the one that was shown a moment ago."""
    file = request.FILES.get("file")
    if file is not None:
        return bytes(file.read(sheet.MAX_BYTES + 1))
    try:
        return base64.b64decode(said(request, "content", 4 * sheet.MAX_BYTES), validate=True)
    except (ValueError, binascii.Error):
        raise InvalidValueError("choose a file", path="file") from None
