"""The files of resources: downloaded, and what one would change before it does."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import UnknownKeyError
from ris.domain.resources import ImportResources
from ris.web import sheets
from ris.web.access import PageRequest, do, page, show
from ris.web.navigation import SYSTEM
from ris.web.resources.tables import TABLES, Table
from ris.web.sheet_pages import answer
from ris.web.sheets import Row


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

    def apply(rows: Sequence[Row]) -> None:
        commands = [command for row in rows for command in table.commands(row)]
        do(request, ImportResources(commands=tuple(commands)))

    return answer(
        request,
        "resources/upload.html",
        {"name": name, "table": table, "kind": table.kind},
        read=lambda raw: table.kind.read(raw, table.present()),
        apply=apply,
        then="/resources/files/",
    )
