"""The reading list: what waits to be read, by its pile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.reporting import (
    OpenReport,
)
from ris.selectors import reading
from ris.selectors.reading import Pile
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import READERS
from ris.web.paging import slice_of

PILES: tuple[tuple[Pile, str], ...] = (
    (Pile.UNREAD, "To be read"),
    (Pile.DRAFTS, "My drafts"),
    (Pile.PRELIMINARY, "Preliminary"),
    (Pile.UNFINISHED, "Exam not ended"),
    (Pile.SIGNED, "Signed, 7 days"),
)
EMPTY: dict[Pile, tuple[str, str]] = {
    Pile.UNREAD: ("All read", "Exams appear here the moment they are completed."),
    Pile.DRAFTS: ("No drafts of yours", "What you begin and do not sign waits here."),
    Pile.PRELIMINARY: ("Nothing preliminary", "Preliminary reports wait here to be finalized."),
    Pile.UNFINISHED: (
        "No exam is under way",
        "An exam whose device never said it ended can be reported on from here.",
    ),
    Pile.SIGNED: ("Nothing signed in the last days", "Final reports of seven days appear here."),
}


@require_GET
@page(*READERS)
def reading_list(request: PageRequest) -> HttpResponse:
    try:
        pile = Pile(asked(request, "pile"))
    except ValueError:
        pile = Pile.UNREAD
    rows = reading.ordered(reading.in_pile(pile, request.user.pk), pile)
    modality = asked(request, "modality", 16)
    if modality:
        rows = rows.filter(steps__modality=modality).distinct()
    page_of = slice_of(reading.with_lines(rows), request)
    lines = reading.lines(page_of.rows)
    saw(request, "ListReading", (line.patient.public_id for line in lines))
    counts = reading.counts(request.user.pk)
    context = {
        "piles": [(item, words, counts[item]) for item, words in PILES],
        "pile": pile,
        "modality": modality,
        "modalities": ("CT", "DX", "MG", "MR", "NM", "US"),
        "lines": lines,
        "page": page_of,
        "empty": EMPTY[pile],
        "me": request.user.pk,
    }
    return show(request, "reporting/reading.html", context, fragment="reporting/_reading.html")


@require_POST
@page()
def open_report(request: PageRequest) -> HttpResponse:
    procedures = tuple(request.POST.getlist("procedure"))
    report = do(request, OpenReport(procedures=procedures))
    return redirect_back(request, f"/reports/{report}/")


@require_POST
@page()
def open_next(request: PageRequest) -> HttpResponse:
    """The next unread exam, straight into its report."""
    procedure = reading.next_unread(request.user.pk, said(request, "after"))
    if not procedure:
        messages.success(request, _("All read."))
        return redirect_back(request, "/reading/")
    report = do(request, OpenReport(procedures=(procedure,)))
    return redirect_back(request, f"/reports/{report}/")
