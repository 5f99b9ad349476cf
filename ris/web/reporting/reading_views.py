"""The reading list: what waits to be read, by its pile, and the way from one exam to the next."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import StateConflictError
from ris.domain.orders import Priority
from ris.domain.patients import PatientClass
from ris.domain.reading import ReleaseReading, SkipReading
from ris.domain.reporting import OpenReport
from ris.domain.saved_views import ViewedPage
from ris.selectors import reading, reading_filters, reading_leases
from ris.selectors.reading import Pile, Way
from ris.selectors.reading_filters import Filters
from ris.selectors.reading_targets import targets
from ris.web.access import PageRequest, do, is_poll, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import READERS
from ris.web.paging import slice_of
from ris.web.views_saved import saved_views

PILES: tuple[tuple[Pile, object], ...] = (
    (Pile.UNREAD, gettext_lazy("To be read")),
    (Pile.DRAFTS, gettext_lazy("My drafts")),
    (Pile.SENT, gettext_lazy("To verify")),
    (Pile.PRELIMINARY, gettext_lazy("Preliminary")),
    (Pile.UNFINISHED, gettext_lazy("Exam not ended")),
    (Pile.STOPPED, gettext_lazy("Stopped early")),
    (Pile.SIGNED, gettext_lazy("Signed, 7 days")),
)
EMPTY: dict[Pile, tuple[object, object]] = {
    Pile.UNREAD: (
        gettext_lazy("All read"),
        gettext_lazy("Exams appear here the moment they are completed."),
    ),
    Pile.DRAFTS: (
        gettext_lazy("No drafts of yours"),
        gettext_lazy("What you begin and do not sign, or what is given back to you, waits here."),
    ),
    Pile.SENT: (
        gettext_lazy("Nothing to verify"),
        gettext_lazy("What a resident signs waits here for an attending radiologist."),
    ),
    Pile.PRELIMINARY: (
        gettext_lazy("Nothing preliminary"),
        gettext_lazy("Preliminary reports wait here to be finalized."),
    ),
    Pile.UNFINISHED: (
        gettext_lazy("No exam is under way"),
        gettext_lazy("An exam whose device never said it ended can be reported on from here."),
    ),
    Pile.STOPPED: (
        gettext_lazy("No exam was stopped early"),
        gettext_lazy("An exam that was stopped after its first images can be reported on here."),
    ),
    Pile.SIGNED: (
        gettext_lazy("Nothing signed in the last days"),
        gettext_lazy("Final reports of seven days appear here."),
    ),
}
NARROWED = (
    gettext_lazy("Nothing fits these filters"),
    gettext_lazy("Clear the filters, or show what others read as well."),
)
MODALITIES = ("CT", "DX", "MG", "MR", "NM", "US")
_GOES_ON = "reading_goes_on"
_KEPT = "reading"  # in the session: what the list was narrowed to, for the way to the next exam


def kept_filters(request: PageRequest) -> Filters:
    """What this person's list was narrowed to when he last looked at it."""
    return Filters.from_query(str(request.session.get(_KEPT, "")))


def _keep(request: PageRequest, filters: Filters) -> None:
    if not is_poll(request) and request.session.get(_KEPT, "") != filters.query:
        request.session[_KEPT] = filters.query


@require_GET
@page(*READERS)
def reading_list(request: PageRequest) -> HttpResponse:
    saved = saved_views(request, ViewedPage.READING)
    if saved.opens_with is not None:
        return saved.redirect()
    try:
        pile = Pile(asked(request, "pile"))
    except ValueError:
        pile = Pile.UNREAD
    me = request.user.pk
    filters = Filters.of({name: asked(request, name) for name in request.GET})
    scope = reading_filters.scope_of(me)
    _keep(request, filters)
    times = targets()
    rows = reading_filters.narrowed(reading.in_pile(pile, me), filters, scope)
    page_of = slice_of(reading.with_lines(reading.ordered(rows, pile, times, me)), request)
    lines = reading.lines(page_of.rows, times)
    saw(request, "ListReading", (line.patient.public_id for line in lines))
    counts = reading.counts(me, filters, scope)
    context = {
        **saved.context(),
        "piles": [(item, words, counts[item]) for item, words in PILES],
        "pile": pile,
        "to": filters,
        "scope": scope,
        "is_mine": reading_filters.is_mine(filters, scope),
        "lines": lines,
        "page": page_of,
        "empty": NARROWED if filters.any else EMPTY[pile],
        "me": me,
    }
    if not is_poll(request):
        subspecialties, sites = reading_filters.choices()
        context |= {
            "modalities": MODALITIES,
            "priorities": list(Priority),
            "classes": [each for each in PatientClass if each is not PatientClass.UNKNOWN],
            "sites": sites,
            "subspecialties": subspecialties,
        }
    return show(request, "reporting/reading.html", context, fragment="reporting/_reading.html")


@require_POST
@page()
def open_report(request: PageRequest) -> HttpResponse:
    """Begin a report or go on with it; one that another reads is shown without its editor."""
    procedures = tuple(request.POST.getlist("procedure"))
    try:
        report = do(request, OpenReport(procedures=procedures))
    except StateConflictError as held:
        report = reading.report_on(procedures)
        if "reader" not in held.details or not report:
            raise
        messages.warning(request, f"{held.message[:1].upper()}{held.message[1:]}.")
    return redirect_back(request, f"/reports/{report}/")


@require_POST
@page()
def open_next(request: PageRequest) -> HttpResponse:
    """From an exam to the next or the one before, straight into its report.

    What it comes from is left to others; its draft is kept.
    """
    after = said(request, "after")
    way = Way.PREVIOUS if said(request, "way") == Way.PREVIOUS.value else Way.NEXT
    return go_on(request, after, way)


def go_on(request: PageRequest, after: str, way: Way = Way.NEXT) -> HttpResponse:
    """To the report of the exam that stands behind ``after`` in the list."""
    filters = kept_filters(request)
    passed: list[str] = []
    for _attempt in range(5):
        procedure = reading.next_case(request.user.pk, filters, after=after, way=way, but=passed)
        if not procedure:
            break
        try:
            report = do(request, OpenReport(procedures=(procedure,)))
        except StateConflictError:
            passed.append(procedure)  # somebody else was quicker
            continue
        _leave(request, after)
        return redirect_back(request, f"/reports/{report}/")
    if way is Way.PREVIOUS:
        messages.info(request, _("This is the first of your list."))
    else:
        messages.success(request, _("All read."))
    return redirect_back(request, "/reading/")


def goes_on(request: PageRequest) -> bool:
    """Whether this person last signed in order to read the next."""
    return bool(request.session.get(_GOES_ON))


def after_signing(request: PageRequest, here: str) -> HttpResponse:
    """To the next exam if the form says so, which the next one then proposes; else ``here``."""
    wanted = said(request, "then") == "next"
    if wanted != goes_on(request):
        request.session[_GOES_ON] = wanted
    return go_on(request, said(request, "after")) if wanted else redirect_back(request, here)


def _leave(request: PageRequest, procedure: str) -> None:
    report = reading.report_on((procedure,)) if procedure else ""
    lease = reading_leases.of_report(report) if report else None
    if lease is not None and lease.reader_id == request.user.pk:
        do(request, ReleaseReading(report=report))


@require_POST
@page()
def skip(request: PageRequest) -> HttpResponse:
    """Let an exam wait for half an hour and read the next."""
    procedure = said(request, "procedure")
    do(request, SkipReading(procedure=procedure))
    messages.info(request, _("The exam waits behind the others for half an hour."))
    return go_on(request, procedure)
