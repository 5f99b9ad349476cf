"""The reading list and the report: write, sign, amend, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import (
    DeniedError,
    MissingValueError,
    RisError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.reporting import (
    SECTIONS,
    AcknowledgeCriticalResult,
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    ReportStatus,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.domain.results import Particulars
from ris.models import Report
from ris.printing.report import report_pdf
from ris.selectors import documents, order_lists, reading
from ris.selectors import messages as message_lists
from ris.selectors.facility import site
from ris.selectors.orders import covered, order_view
from ris.selectors.reading import Pile
from ris.selectors.reports import person_name, report_view
from ris.selectors.viewers import viewer_address
from ris.selectors.views import OrderView, ReportView
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, number, said
from ris.web.dose.views import modalities_of, order_context
from ris.web.errors import STATUS
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
SECTION = 100_000  # characters of one section; beyond this it is no text of a person
WRITTEN = tuple((key, title) for key, title in SECTIONS if key != "addendum")


# --- reading list


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


# --- one report


@dataclass(frozen=True, slots=True)
class Writing:
    """A section of the editor."""

    key: str
    title: str
    text: str
    rows: int


_ROWS = {"findings": 10, "impression": 5}


def _stored(key: UUID) -> Report:
    row = (
        Report.objects.select_related("author__practitioner", "order").filter(public_id=key).first()
    )
    if row is None:
        raise UnknownKeyError("no such report")
    return row


@require_GET
@page()
def report(request: PageRequest, key: UUID) -> HttpResponse:
    return _page(request, key)


def _page(
    request: PageRequest,
    key: UUID,
    *,
    error: RisError | None = None,
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    stored = _stored(key)
    view = report_view(str(key))
    order = order_view(str(stored.order.public_id))
    saw(
        request,
        "ViewReport",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key}",
    )
    editable = view.status in {ReportStatus.DRAFT, ReportStatus.PRELIMINARY}
    covered_here = [
        procedure for procedure in order.procedures if procedure.public_id in view.procedures
    ]
    context = {
        "report": view,
        "stored": stored,
        "order": order,
        "patient": order.patient,
        "procedures": covered_here,
        **order_context(order.public_id, modalities_of(order)),
        "editable": editable and may(request.actor, SaveDraft),
        "amendable": view.status in {ReportStatus.FINAL, ReportStatus.AMENDED}
        and may(request.actor, AmendReport),
        "retractable": view.status
        in {ReportStatus.PRELIMINARY, ReportStatus.FINAL, ReportStatus.AMENDED}
        and may(request.actor, RetractReport),
        "may_tell": may(request.actor, CommunicateCriticalResult),
        "sections": _sections(view, stored, order, typed),
        "author": person_name(stored.author).display,
        "is_mine": stored.author_id == request.user.pk,
        "versions": tuple(reversed(view.versions)),
        "deliveries": message_lists.of_report(str(key)),
        "critical": list(stored.critical_results.order_by("told_at")),
        "earlier": _earlier(order, view),
        "viewer": next(filter(None, (viewer_address(order, each) for each in covered_here)), ""),
        "documents": documents.of_order(order.public_id),
        "draft_origin": Particulars.from_json(stored.particulars),
        "error": error,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "reporting/report.html", context, status=status)


@require_GET
@page()
def printed(request: PageRequest, key: UUID) -> HttpResponse:
    """A signed version as PDF, the newest unless ``version`` is said."""
    view, covers = covered(str(key))
    wanted = asked(request, "version")
    number_of = int(wanted) if wanted.isdecimal() and len(wanted) < 6 else len(view.versions)
    if not covers or not 1 <= number_of <= len(view.versions):
        raise UnknownKeyError("there is no such signed version to print")
    order = covers[0][0]
    saw(
        request,
        "PrintReport",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key} version {number_of}",
    )
    name = f"report {order.accession.value or key} v{number_of}.pdf"
    return HttpResponse(
        report_pdf(view, covers, site(), number_of),
        content_type="application/pdf",
        headers={
            "Content-Disposition": content_disposition_header(False, name) or "",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


def _sections(
    view: ReportView, stored: Report, order: OrderView, typed: Mapping[str, str] | None
) -> list[Writing]:
    """What the editor starts from: what was just typed, else the draft, else the last version."""
    current: Mapping[str, str] = view.current.sections if view.current else {}
    known = typed if typed is not None else stored.draft or current
    if not known:
        known = {"indication": order.reason}
    return [Writing(key, title, known.get(key, ""), _ROWS.get(key, 2)) for key, title in WRITTEN]


def _earlier(order: OrderView, view: ReportView) -> list[order_lists.OrderLine]:
    lines = order_lists.of_patient(order.patient.public_id, limit=20)
    return [
        line
        for line in lines
        if line.public_id != order.public_id and line.stage in {"REPORTED", "PRELIMINARY"}
    ]


def _typed(request: HttpRequest) -> dict[str, str]:
    """What stands in the editor; a section is as long as the radiologist likes."""
    return {key: said(request, key, SECTION) for key, _ in SECTIONS if key in request.POST}


@require_POST
@page()
def autosave(request: PageRequest, key: UUID) -> HttpResponse:
    """Keep the draft; the answer brings the new revision and the time."""
    revision = do(
        request,
        SaveDraft(
            report=str(key),
            sections=_typed(request),
            expected_revision=number(request, "revision"),
        ),
    )
    if "HX-Request" not in request.headers:
        messages.success(request, _("Draft saved."))
        return redirect_back(request, f"/reports/{key}/")
    context = {"revision": revision, "saved_at": timezone.now()}
    return HttpResponse(render_to_string("reporting/_saved.html", context, request))


@require_POST
@page()
def sign(request: PageRequest, key: UUID) -> HttpResponse:
    """Sign what is on the page, as preliminary or final."""
    sections = _typed(request)
    revision = number(request, "revision")
    try:
        if said(request, "as") == "preliminary":
            do(
                request,
                SignPreliminary(report=str(key), sections=sections, expected_revision=revision),
            )
            messages.success(
                request, _("Signed as preliminary. It is on its way to the receivers.")
            )
        else:
            do(
                request,
                FinalizeReport(report=str(key), sections=sections, expected_revision=revision),
            )
            messages.success(request, _("Signed. The report is on its way to the receivers."))
    except DeniedError:
        raise
    except (MissingValueError, StateConflictError) as error:
        return _page(request, key, error=error, typed=sections)
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def discard(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DiscardDraft(report=str(key)))
    messages.success(request, _("The draft is thrown away; the exam waits to be read again."))
    return redirect_back(request, "/reading/")


def _amend(request: PageRequest, key: UUID, kind: VersionKind, done: str) -> HttpResponse:
    do(
        request,
        AmendReport(
            report=str(key),
            kind=kind,
            sections=_typed(request),
            reason=said(request, "reason", 500),
            expected_version=number(request, "version"),
        ),
    )
    messages.success(request, done)
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def addendum(request: PageRequest, key: UUID) -> HttpResponse:
    return _amend(request, key, VersionKind.ADDENDUM, "The addendum is signed and on its way.")


@require_POST
@page()
def correct(request: PageRequest, key: UUID) -> HttpResponse:
    if not said(request, "reason"):
        raise MissingValueError("a correction needs a reason", path="reason")
    return _amend(request, key, VersionKind.CORRECTION, "The correction is signed and on its way.")


@require_POST
@page()
def retract(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RetractReport(report=str(key), reason=said(request, "reason", 500)))
    messages.success(request, _("The report is withdrawn; the exam waits to be read again."))
    return redirect_back(request, f"/reports/{key}/")


# --- critical results


@require_POST
@page()
def critical(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        CommunicateCriticalResult(
            report=str(key),
            finding=said(request, "finding", 2000),
            told=said(request, "told"),
            by=said(request, "by", 30) or "phone",
            read_back="read_back" in request.POST,
        ),
    )
    messages.success(request, _("Noted who was told."))
    return redirect_back(request, f"/reports/{key}/")


@require_POST
@page()
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        AcknowledgeCriticalResult(
            critical_result=str(key),
            acknowledged_by=said(request, "acknowledged_by") or request.actor.display,
        ),
    )
    messages.success(request, _("Acknowledged."))
    return redirect_back(request, "/reading/")
