"""Critical results: the ones that run by the time left, and what is noted of each."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.actors import Role
from ris.domain.critical import (
    FlagCriticalResult,
    HowTold,
    NoteCriticalAttempt,
    SetCriticalCategories,
    WaiveCriticalTelling,
    WithdrawCriticalResult,
)
from ris.domain.errors import MissingValueError, RequestError, RisError, UnknownKeyError
from ris.domain.values import PersonName
from ris.models import RequestedProcedure
from ris.selectors import critical, reading
from ris.selectors.critical import Pile
from ris.selectors.patients import to_view as patient_to_view
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.critical.parts import allowed, shown
from ris.web.errors import STATUS
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


@require_http_methods(["GET", "POST"])
@page(Role.RADIOLOGIST, Role.RESIDENT)
def flag_procedure(request: PageRequest, key: UUID) -> HttpResponse:
    """Flag a finding of an exam before anybody reports on it; with a report, it stands there."""
    here = reverse("critical-flag-procedure", args=[key])
    error: RisError | None = None
    if request.method == "POST":
        try:
            _flag(request, procedure=str(key))
        except RequestError as refused:
            error = refused
        else:
            return redirect_back(request, here)
    exam = (
        RequestedProcedure.objects.select_related("order__patient__merged_into")
        .filter(public_id=key)
        .first()
    )
    if exam is None:
        raise UnknownKeyError("no such procedure")
    report = reading.report_on([str(key)])
    if report and error is None:
        return redirect_back(request, f"/reports/{report}/#critical")
    order = exam.order
    patient = patient_to_view(order.patient)
    saw(
        request,
        "ViewCriticalResults",
        [patient.public_id],
        order=str(order.public_id),
        subject=f"RequestedProcedure {key}",
    )
    now = timezone.now()
    context = {
        "title": _("Flag a critical finding"),
        "home": f"/orders/{order.public_id}/",
        "number": order.accession_number,
        "part": "critical/_exam.html",
        "next": here,
        "patient": patient,
        "key": key,
        "exam": exam.description or exam.code_meaning or exam.code_value,
        "critical": shown(critical.of_procedure(exam.pk, now), now),
        "critical_categories": critical.categories(),
        "requester": PersonName.parse(order.requester),
        "callback_phone": order.callback_phone,
        "hows": list(HowTold),
        "typed": request.POST,
        "error": error,
        **allowed(request.actor),
    }
    return show(
        request, "orders/section.html", context, status=STATUS[error.code] if error else 200
    )


@require_POST
@page()
def attempt(request: PageRequest, key: UUID) -> HttpResponse:
    result = said(request, "result", 20)
    if result not in {"read-back", "told", "missed"}:
        raise MissingValueError(_("say whether somebody was reached"), path="result")
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
