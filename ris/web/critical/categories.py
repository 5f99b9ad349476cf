"""The site's categories of critical results, a row of a form each."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods

from ris.domain.critical import CATEGORIES, CategoryDetails, SetCriticalCategories
from ris.domain.errors import InvalidValueError, RequestError, RisError
from ris.domain.sets import version_of
from ris.selectors import critical
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.navigation import SYSTEM

SPARE = 2
UNITS: Mapping[str, tuple[int, str]] = {
    "min": (1, gettext_noop("minutes")),
    "h": (60, gettext_noop("hours")),
    "d": (24 * 60, gettext_noop("days")),
}


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def categories(request: PageRequest) -> HttpResponse:
    error: RisError | None = None
    shown = critical.setup()
    found, holds = shown
    rows, version = [_row(each) for each in found], version_of(shown)
    if request.method == "POST":
        version = said(request, "version", 16)
        rows = [row for number in range(CATEGORIES) if (row := _typed(request, number))["code"]]
        holds = "holds_final" in request.POST
        try:
            do(
                request,
                SetCriticalCategories(
                    categories=[_read(row) for row in rows],
                    holds_final=holds,
                    expected_version=version,
                ),
            )
        except RequestError as refusal:
            error = refusal
        else:
            messages.success(request, _("Saved. They count for what is flagged from now on."))
            return redirect_back(request, "/critical/categories/")
    empty = {"code": "", "name": "", "time": "", "unit": "h", "share": "50", "escalation": ""}
    context = {
        "rows": [*rows, *[empty] * SPARE][:CATEGORIES],
        "units": [(key, _(words)) for key, (_minutes, words) in UNITS.items()],
        "holds_final": holds,
        "version": version,
        "error": error,
        "allowed": may(request.actor, SetCriticalCategories),
    }
    status = STATUS[error.code] if error else 200
    return show(request, "critical/categories.html", context, status=status)


def _row(category: CategoryDetails) -> dict[str, str]:
    unit = next(
        key for key in ("d", "h", "min") if category.minutes % UNITS[key][0] == 0 or key == "min"
    )
    return {
        "code": category.code,
        "name": category.name,
        "time": str(category.minutes // UNITS[unit][0]),
        "unit": unit,
        "share": str(category.share),
        "escalation": ", ".join(category.escalation),
    }


def _typed(request: PageRequest, number: int) -> dict[str, str]:
    names = ("code", "name", "time", "unit", "share", "escalation")
    return {name: said(request, f"{name}-{number}", 1000) for name in names}


def _read(row: Mapping[str, str]) -> CategoryDetails:
    return CategoryDetails(
        code=row["code"].upper(),
        name=row["name"],
        minutes=_number(row["time"], "time") * UNITS.get(row["unit"], (60, ""))[0],
        share=_number(row["share"] or "50", "share"),
        escalation=tuple(filter(None, (who.strip() for who in row["escalation"].split(",")))),
    )


def _number(text: str, path: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise InvalidValueError("a limit and a share are whole numbers", path=path)
    return int(text)
