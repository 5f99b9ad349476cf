"""Critical results: the ones that run by the time left, and what is noted of each."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_POST

from ris.domain.critical import (
    FlagCriticalResult,
    HowTold,
    NoteCriticalAttempt,
    SetCriticalCategories,
    WaiveCriticalTelling,
    WithdrawCriticalResult,
)
from ris.selectors import critical
from ris.selectors.critical import Pile
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.critical.parts import allowed, shown
from ris.web.navigation import CRITICAL
from ris.web.paging import slice_of

PILES = (
    (Pile.OPEN, gettext_noop("Open")),
    (Pile.LATE, gettext_noop("Late")),
    (Pile.DONE, gettext_noop("Done")),
)


@require_GET
@page(*CRITICAL)
def critical_list(request: PageRequest) -> HttpResponse:
    try:
        pile = Pile(asked(request, "pile"))
    except ValueError:
        pile = Pile.OPEN
    now = timezone.now()
    code = asked(request, "category", 16)
    page_of = slice_of(critical.with_lines(critical.in_pile(pile, now, code)), request)
    lines = [critical.to_line(row, now) for row in page_of.rows]
    saw(request, "ListCriticalResults", (each.patient.public_id for each in lines if each.patient))
    counts = critical.counts(now)
    context = {
        "piles": [(each, _(words), counts.get(each)) for each, words in PILES],
        "pile": pile,
        "category": code,
        "categories": critical.categories(),
        "lines": shown(lines, now),
        "page": page_of,
        "hows": list(HowTold),
        "may_set": may(request.actor, SetCriticalCategories),
        **allowed(request.actor),
    }
    return show(request, "critical/list.html", context, fragment="critical/_list.html")


def _flag(request: PageRequest, *, report: str = "", procedure: str = "") -> None:
    do(
        request,
        FlagCriticalResult(
            report=report,
            procedure=procedure,
            finding=said(request, "finding", 2000),
            category=said(request, "category", 16),
            tell=said(request, "tell"),
            phone=said(request, "phone", 250),
        ),
    )
    messages.success(request, _("Flagged. The clock runs until somebody acknowledges it."))


@require_POST
@page()
def flag(request: PageRequest, key: UUID) -> HttpResponse:
    _flag(request, report=str(key))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def flag_procedure(request: PageRequest, key: UUID) -> HttpResponse:
    _flag(request, procedure=str(key))
    return redirect_back(request, "/critical/")


@require_POST
@page()
def attempt(request: PageRequest, key: UUID) -> HttpResponse:
    result = said(request, "result", 20)
    do(
        request,
        NoteCriticalAttempt(
            critical_result=str(key),
            who=said(request, "who"),
            how=said(request, "how", 30) or HowTold.PHONE.value,
            reached=result != "missed",
            read_back=result == "read-back",
            note=said(request, "note", 500),
        ),
    )
    words = {
        "missed": _("Noted. The clock runs on."),
        "read-back": _("Noted, read back: the loop is closed."),
    }
    messages.success(request, words.get(result, _("Noted who was told.")))
    return redirect_back(request, "/critical/")


@require_POST
@page()
def waive(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, WaiveCriticalTelling(critical_result=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("Noted. The report may be signed; the clock runs on."))
    return redirect_back(request, "/critical/")


@require_POST
@page()
def withdraw(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        WithdrawCriticalResult(critical_result=str(key), reason=said(request, "reason", 500)),
    )
    messages.success(request, _("Withdrawn."))
    return redirect_back(request, "/critical/")
