"""The files of resources: downloaded, and what one would change before it does."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import DeniedError, RisError, UnknownKeyError
from ris.domain.resources import ImportResources
from ris.web import sheets
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.navigation import SYSTEM
from ris.web.resources.tables import TABLES, Table


def _table(name: str) -> Table:
    if name not in TABLES:
        raise UnknownKeyError("no such file")
    return TABLES[name]


@require_GET
@page(*SYSTEM)
def files(request: PageRequest) -> HttpResponse:
    """Which files there are."""
    return show(request, "resources/files.html", {"tables": TABLES})


@require_GET
@page(*SYSTEM)
def download(request: PageRequest, name: str) -> HttpResponse:
    table = _table(name)
    return sheets.attachment(table.kind.write(table.present()), table.file)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def upload(request: PageRequest, name: str) -> HttpResponse:
    """First what a file would change; then, when the person says so, that and nothing else."""
    table = _table(name)
    context = {"name": name, "table": table, "kind": table.kind}
    if request.method == "GET":
        return show(request, "resources/upload.html", context)
    raw = sheets.uploaded(request)
    found = table.kind.read(raw, table.present())
    context |= {"sheet": found, "content": sheets.carried(raw)}
    status = 200 if found.is_good else 422
    if said(request, "apply") == "1" and found.is_good:
        commands = [command for row in found.wanted for command in table.commands(row)]
        try:
            do(request, ImportResources(commands=tuple(commands)))
        except DeniedError:
            raise
        except RisError as error:
            status = STATUS[error.code]
            context["refused"] = error.message
        else:
            count = len(found.wanted)
            words = ngettext("%(count)s row changed.", "%(count)s rows changed.", count)
            messages.success(request, words % {"count": count})
            response = HttpResponseRedirect("/resources/files/")
            response.status_code = 303
            return response
    return show(request, "resources/upload.html", context, status=status)
