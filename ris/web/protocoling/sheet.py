"""The protocols of the catalog as a CSV file: downloaded, read, and what one would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError
from ris.domain.protocoling import DefineProtocol, RetireProtocol
from ris.domain.values import Code
from ris.selectors import catalog, protocoling
from ris.selectors.protocoling import ProtocolLine
from ris.services import together
from ris.web import sheets
from ris.web.access import PageRequest, do, page
from ris.web.navigation import PROTOCOL_SETUP
from ris.web.sheet_pages import answer
from ris.web.sheets import Column, Kind, Row, Values, listing, text, yes_no

LIST = "/catalog/protocols/"


def _minutes(word: str) -> int | None:
    if not word:
        return None
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:6]) <= 24 * 60):
        raise InvalidValueError("duration_minutes is 1 to 1440 minutes", path="duration_minutes")
    return int(word)


KIND = Kind(
    columns=(
        text("code", limit=64, required=True),
        text("scheme", limit=64),
        text("name", limit=64, required=True),
        Column(name="modality", read=str.upper, limit=16, required=True),
        text("contrast", limit=64),
        text("pre_medication", limit=64),
        Column(
            name="duration_minutes",
            read=_minutes,
            write=lambda value: "" if value is None else str(value),
            default=None,
        ),
        listing("procedures"),
        text("instructions", limit=4000),
        yes_no("offered", default=True),
    ),
    key=("code", "scheme"),
    noun="protocol",
    title=("name", "code"),
    in_use="offered",
)


def _kind() -> Kind:
    """With what the catalog knows now: a protocol of no exam at all would never be offered."""
    known = {line.code.value for line in catalog.lines(retired=True)}

    def check(values: Values, before: Values | None) -> list[str]:
        kept = before["procedures"] if before else ()
        strange = [each for each in values["procedures"] if each not in known and each not in kept]
        return [f"There is no procedure {each} in the catalog." for each in strange]

    return replace(KIND, check=check)


def _values(line: ProtocolLine) -> dict[str, Any]:
    named = {"code": line.code.value, "scheme": line.code.scheme, "name": line.code.meaning}
    rest = (name for name in KIND.names if name not in named)
    return {**named, **{name: getattr(line, name) for name in rest}, "id": line.public_id}


def _present() -> list[dict[str, Any]]:
    return [_values(line) for line in protocoling.protocols(retired=True, most=None)]


def _command(row: Row) -> Command[Any]:
    values: Mapping[str, Any] = row.values
    if row.before is not None and not values["offered"]:
        return RetireProtocol(protocol=row.before["id"])
    return DefineProtocol(
        code=Code(values["code"], values["scheme"], values["name"]),
        modality=values["modality"],
        contrast=values["contrast"],
        pre_medication=values["pre_medication"],
        instructions=values["instructions"],
        duration_minutes=values["duration_minutes"],
        procedures=values["procedures"],
    )


@require_GET
@page(*PROTOCOL_SETUP)
def download(request: PageRequest) -> HttpResponse:
    return sheets.attachment(KIND.write(_present()), "protocols.csv")


@require_http_methods(["GET", "POST"])
@page(*PROTOCOL_SETUP)
def upload(request: PageRequest) -> HttpResponse:
    """First what a file would change; then, when the person says so, that and nothing else."""
    return answer(
        request,
        "protocoling/upload.html",
        {"kind": KIND},
        read=lambda raw: _kind().read(raw, _present()),
        apply=lambda rows: together(lambda: [do(request, _command(row)) for row in rows]),
        then=LIST,
    )
