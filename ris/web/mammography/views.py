"""Breast exams after their report: what is awaited, one exam, how good the readings were."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError
from ris.domain.mammography import (
    CloseRecall,
    Pathology,
    RecordPathology,
    ReopenRecall,
    WithdrawPathology,
)
from ris.selectors import letter_lists, mammography
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import as_day, asked, said
from ris.web.mammography import words
from ris.web.navigation import MAMMOGRAPHY
from ris.web.paging import slice_of

TABS = (
    ("open", gettext_lazy("Open")),
    ("overdue", gettext_lazy("Overdue")),
    ("pathology", gettext_lazy("Pathology awaited")),
    ("settled", gettext_lazy("Settled, 90 days")),
)
FIGURES = (Role.RADIOLOGIST, Role.MANAGER)


@require_GET
@page(*MAMMOGRAPHY)
def recalls(request: PageRequest) -> HttpResponse:
    tab = asked(request, "tab") or "open"
    tab = tab if tab in mammography.TABS else "open"
    today = timezone.localdate()
    page_of = slice_of(mammography.recalls(tab, today), request)
    lines = mammography.recall_lines(page_of.rows, today)
    saw(request, "ListRecalls", (line.patient.public_id for line in lines))
    counts = mammography.recall_counts(today)
    context = {
        "tabs": [(key, text, counts.get(key)) for key, text in TABS],
        "tab": tab,
        "lines": lines,
        "page": page_of,
        "letters_due": letter_lists.letter_counts(timezone.now())["due"],
        "sees_figures": request.actor.has(*FIGURES),
        "sees_setup": request.actor.has(Role.MANAGER, Role.ADMIN),
    }
    return show(request, "mammography/recalls.html", context)


@require_GET
@page(*MAMMOGRAPHY)
def exam(request: PageRequest, key: UUID) -> HttpResponse:
    """One exam: its assessment, what it asked for, what was found, what was written."""
    view = mammography.assessment(str(key))
    saw(
        request,
        "ViewBreastExam",
        [view.patient.public_id],
        order=view.order,
        subject=f"BreastAssessment {key}",
    )
    today = timezone.localdate()
    context = {
        "view": view,
        "today": today,
        "may_follow": may(request.actor, CloseRecall),
        "results": words.PATHOLOGY.items(),
        "can_record": may(request.actor, RecordPathology)
        and view.signed_at is not None
        and view.withdrawn_at is None,
    }
    return show(request, "mammography/exam.html", context)


@require_POST
@page()
def close(request: PageRequest, key: UUID) -> HttpResponse:
    command = CloseRecall(
        recall=str(key), note=said(request, "note", 500), done=said(request, "as") == "done"
    )
    do(request, command)
    messages.success(request, _("The recall is settled."))
    return _back(request, mammography.assessment_of_recall(str(key)))


@require_POST
@page()
def reopen(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ReopenRecall(recall=str(key), note=said(request, "note", 500)))
    messages.success(request, _("The recall is open again."))
    return _back(request, mammography.assessment_of_recall(str(key)))


@require_POST
@page()
def pathology(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        result = Pathology(said(request, "result"))
    except ValueError:
        raise InvalidValueError("choose what was found", path="result") from None
    taken_on = as_day(said(request, "taken_on", 10))
    if taken_on is None:
        raise InvalidValueError("say on which day the tissue was taken", path="taken_on")
    do(
        request,
        RecordPathology(
            assessment=str(key),
            result=result,
            taken_on=taken_on,
            side=said(request, "side", 1),
            source=said(request, "source", 200),
            note=said(request, "note", 500),
        ),
    )
    messages.success(request, _("Noted."))
    return _back(request, str(key))


@require_POST
@page()
def withdraw_pathology(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, WithdrawPathology(outcome=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("Taken back; it no longer counts."))
    return redirect_back(request, "/mammography/")


def _back(request: PageRequest, assessment: str) -> HttpResponse:
    return redirect_back(request, f"/mammography/exams/{assessment}/")


# --- how good the readings were


@require_GET
@page(*FIGURES)
def outcomes(request: PageRequest) -> HttpResponse:
    """Everybody's for a manager; a reader sees only his own."""
    today = timezone.localdate()
    last = as_day(asked(request, "until", 10)) or today
    first = as_day(asked(request, "from", 10)) or last - timedelta(days=364)
    if first > last:
        first, last = last, first
    sees_all = request.actor.has(Role.MANAGER)
    lines = mammography.figures(first, last, None if sees_all else request.user.pk)
    context = {
        "lines": lines,
        "total": mammography.total(lines) if len(lines) > 1 else None,
        "first": first,
        "last": last,
        "sees_all": sees_all,
    }
    return show(request, "mammography/outcomes.html", context)


def keys_said(request: HttpRequest, name: str) -> tuple[str, ...]:
    """The chosen rows of a list."""
    return tuple(dict.fromkeys(value for value in request.POST.getlist(name) if value))[:200]
