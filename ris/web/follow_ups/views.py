"""Recommended exams: what is due, ordered, overdue; and what is noted of each."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_GET, require_POST

from ris.domain.days import months_later
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.follow_ups import (
    Arranger,
    DeclineFollowUp,
    LinkFollowUpOrder,
    NoteFollowUpReminder,
    RecommendFollowUp,
    Reminder,
    ReopenFollowUp,
    UnlinkFollowUpOrder,
)
from ris.selectors import follow_ups
from ris.selectors.facility import site
from ris.selectors.follow_ups import Pile
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, day, number, said
from ris.web.follow_ups.parts import allowed
from ris.web.navigation import FOLLOW_UPS
from ris.web.paging import slice_of

PILES = (
    (Pile.OVERDUE, gettext_noop("Overdue")),
    (Pile.DUE, gettext_noop("Not ordered")),
    (Pile.CONFIRM, gettext_noop("To confirm")),
    (Pile.ORDERED, gettext_noop("Ordered and booked")),
    (Pile.CLOSED, gettext_noop("Closed")),
)


@require_GET
@page(*FOLLOW_UPS)
def follow_up_list(request: PageRequest) -> HttpResponse:
    counts = follow_ups.counts()
    try:
        pile = Pile(asked(request, "pile"))
    except ValueError:
        pile = Pile.OVERDUE if counts[Pile.OVERDUE] else Pile.DUE
    page_of = slice_of(follow_ups.with_lines(follow_ups.in_pile(pile)), request)
    lines = [follow_ups.to_line(row) for row in page_of.rows]
    saw(request, "ListFollowUps", (each.patient_key for each in lines))
    context = {
        "piles": [(each, _(words), counts.get(each)) for each, words in PILES],
        "pile": pile,
        "lines": lines,
        "page": page_of,
        "hows": list(Reminder),
        "today": timezone.localdate(),
        **allowed(request.actor),
    }
    return show(request, "follow_ups/list.html", context, fragment="follow_ups/_list.html")


@require_GET
@page(*FOLLOW_UPS)
def letter(request: PageRequest, key: UUID) -> HttpResponse:
    """A reminder to print, to whoever was to arrange the exam."""
    line = follow_ups.find(str(key))
    saw(request, "PrintFollowUp", [line.patient_key], order=line.order)
    context = {"line": line, "site": site(), "today": timezone.localdate()}
    return show(request, "follow_ups/letter.html", context)


@require_POST
@page()
def recommend(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        arranger = Arranger(said(request, "arranger") or Arranger.REFERRER)
    except ValueError:
        raise InvalidValueError("choose who arranges it", path="arranger") from None
    do(
        request,
        RecommendFollowUp(
            report=str(key),
            words=said(request, "words", 200),
            reason=said(request, "reason", 500),
            procedure=said(request, "procedure", 36),
            modality=said(request, "modality", 16),
            due_from=day(request, "due_from"),
            due_to=_due(request),
            arranger=arranger,
        ),
    )
    messages.success(request, _("Noted. It is tracked until the exam is done."))
    return redirect_back(request, f"/reports/{key}/")


def _due(request: PageRequest) -> date:
    """The day that was given, else so many months from today."""
    exact = day(request, "due_to")
    if exact is not None:
        return exact
    months = number(request, "months")
    if not months or months > 180:
        raise MissingValueError("say by when it is to be done", path="due_to")
    return months_later(timezone.localdate(), months)


@require_POST
@page()
def link(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, LinkFollowUpOrder(follow_up=str(key), order=said(request, "order", 36)))
    messages.success(request, _("The order is for this exam."))
    return redirect_back(request, "/follow-ups/")


@require_POST
@page()
def unlink(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, UnlinkFollowUpOrder(follow_up=str(key), order=said(request, "order", 36)))
    messages.success(request, _("That order is not proposed for it again."))
    return redirect_back(request, "/follow-ups/")


@require_POST
@page()
def remind(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        how = Reminder(said(request, "how"))
    except ValueError:
        raise InvalidValueError("choose how it was told", path="how") from None
    do(
        request,
        NoteFollowUpReminder(
            follow_up=str(key), how=how, who=said(request, "who"), note=said(request, "note", 300)
        ),
    )
    messages.success(request, _("Noted."))
    return redirect_back(request, "/follow-ups/")


@require_POST
@page()
def decline(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DeclineFollowUp(follow_up=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("Noted. It is not waited for any more."))
    return redirect_back(request, "/follow-ups/")


@require_POST
@page()
def reopen(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ReopenFollowUp(follow_up=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("It is waited for again."))
    return redirect_back(request, "/follow-ups/")
