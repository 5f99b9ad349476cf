"""The report: its page, its print, its draft thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.actors import Actor
from ris.domain.errors import RisError, UnknownKeyError
from ris.domain.report_differences import SectionDifference
from ris.domain.reporting import (
    EDITED,
    SECTIONS,
    AmendReport,
    ChooseAttending,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    ReportStatus,
    RetractReport,
    ReturnReport,
    SaveDraft,
)
from ris.domain.results import Particulars
from ris.domain.values import PersonName
from ris.models import PerformedProcedureStep, Report, RequestedProcedure
from ris.selectors import critical, reading_leases, report_exams
from ris.selectors.attendings import attendings
from ris.selectors.orders import covered, order_alone
from ris.selectors.reports import person_name, to_view
from ris.selectors.reports import rows as report_rows
from ris.selectors.views import ReportView
from ris.services import may
from ris.services.report_documents import as_it_stands, report_document
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, carried
from ris.web.errors import STATUS
from ris.web.navigation import READERS
from ris.web.pdf import pdf
from ris.web.reporting.editor_views import answers_in, editor_of
from ris.web.reporting.proof import proof_context
from ris.web.reporting.report_reading import reading_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Amending:
    """What was typed into a form beside the editor, and what a correction would change."""

    kind: str  # the form: addendum, correction, withdrawal, return
    text: str = ""
    reason: str = ""
    changes: tuple[SectionDifference, ...] = ()
    lost: tuple[Mapping[str, str], ...] = ()  # codes that its text has no longer

    @property
    def changed(self) -> bool:
        return any(section.changed for section in self.changes)


def _stored(key: UUID) -> Report:
    """The report with what stands beside its text, in the queries of its rows alone."""
    performed = PerformedProcedureStep.objects.filter(steps__procedure=OuterRef("pk"))
    exams = RequestedProcedure.objects.select_related("definition", "order").annotate(
        is_performed=Exists(performed), is_done=report_exams.is_done()
    )
    row = (
        report_rows(exams.order_by("id"))
        .annotate(lease=reading_leases.with_report(), has_running_critical=critical.is_running())
        .select_related(
            "author__practitioner",
            "resident__practitioner",
            "attending__practitioner",
            "returned_by__practitioner",
            "order",
            "breast_assessment",
            *reading_leases.WITH_READER,
        )
        .filter(public_id=key)
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such report")
    return row


def _left_over(
    typed: Mapping[str, str] | None, amending: Amending | None, shown: Mapping[str, bool]
) -> list[tuple[str, str]]:
    """What was typed into a form that the page has no longer, by what it was: nothing is lost.

    Somebody signed, amended or withdrew the report meanwhile. ``shown`` says of each form whether
    the page has it.
    """
    if shown[amending.kind if amending else "editor"]:
        return []
    texts = [(title, (typed or {}).get(key, "")) for key, title in SECTIONS]
    if amending is not None:
        # gettext: the labels that their forms have.
        titles = {"addendum": _("Addendum"), "return": _("What is to change")}
        texts.append((titles.get(amending.kind, ""), amending.text))
        texts.append((_("Reason"), amending.reason))
    return [(title, text) for title, text in texts if text]


def _further_orders(exams: Iterable[Any], main: int) -> list[dict[str, Any]]:
    """The other orders whose exams are read here, each with its question and who asked it."""
    found = {each.order_id: each.order for each in exams if each.order_id != main}
    return [
        {"order": order, "requester": PersonName.parse(order.requester)} for order in found.values()
    ]


def _signer(request: PageRequest, stored: Report) -> str:
    """The name that a version gets that is signed now."""
    is_mine = stored.author_id == request.user.pk  # then the name was read with the report
    return person_name(stored.author if is_mine else request.user).display


def amendable(actor: Actor, view: ReportView) -> bool:
    """Whether the actor may add to or correct what was signed."""
    is_final = view.status in {ReportStatus.FINAL, ReportStatus.AMENDED}
    return is_final and may(actor, AmendReport)


@require_GET
@page()
def report(request: PageRequest, key: UUID) -> HttpResponse:
    return report_page(request, key)


def report_page(
    request: PageRequest,
    key: UUID,
    *,
    error: RisError | None = None,
    typed: Mapping[str, str] | None = None,
    amending: Amending | None = None,
    losing: object = None,
) -> HttpResponse:
    """The page; with ``typed`` after a refusal, so that nothing that was written is lost.

    ``losing`` are codes that a change of template takes away, and is asked about first.
    """
    stored = _stored(key)
    view = to_view(stored)
    order = order_alone(str(stored.order.public_id), reports=False, performed=False)
    saw(
        request,
        "ViewReport",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"Report {key}",
    )
    current = view.current
    exams: list[Any] = list(stored.procedures.all())  # with ``is_performed`` and ``is_done``
    covered_here = [
        procedure for procedure in order.procedures if procedure.public_id in view.procedures
    ]
    written_over = amending is None and view.status.value not in EDITED
    sections, lost_codes = editor_of(
        # What was typed into the editor of a report that is signed by now is no correction of it.
        view,
        stored,
        order,
        None if written_over else typed,
        answers_in(request),
    )
    context: dict[str, Any] = {
        "report": view,
        "stored": stored,
        "order": order,
        "patient": order.patient,
        "exams": exams,
        "further_orders": _further_orders(exams, stored.order_id),
        "taken_away": [each for each in exams if not each.is_done],
        **reading_context(
            request,
            stored,
            covered_here,
            shown=next((str(each.public_id) for each in exams if each.is_performed), ""),
            can_write=may(request.actor, SaveDraft),
        ),
        "amendable": amendable(request.actor, view),
        "may_finalize": may(request.actor, FinalizeReport),
        "returnable": view.status in {ReportStatus.DRAFT, ReportStatus.PRELIMINARY}
        and stored.resident_id is not None
        and may(request.actor, ReturnReport),
        "resident": person_name(stored.resident).display,
        "attending": person_name(stored.attending).display,
        "attendings": SimpleLazyObject(attendings),  # asked only where it is shown, and once
        "may_choose": may(request.actor, ChooseAttending),
        "returned_by": person_name(stored.returned_by).display,
        "withdrawn": current if view.status is ReportStatus.RETRACTED else None,
        "may_begin": may(request.actor, OpenReport),
        "amending": amending,
        "losing": losing,
        **proof_context(request),
        "may_see_readers": request.actor.has(*READERS),
        "retractable": view.status
        in {ReportStatus.PRELIMINARY, ReportStatus.FINAL, ReportStatus.AMENDED}
        and may(request.actor, RetractReport),
        "sections": sections,
        "lost_codes": lost_codes,
        "without_codes": request.POST.getlist("without_codes"),
        "author": person_name(stored.author).display,
        "is_mine": stored.author_id == request.user.pk,
        "signs_as": SimpleLazyObject(lambda: _signer(request, stored)),
        "versions": tuple(reversed(view.versions)),
        "draft_origin": Particulars.from_json(stored.particulars),
        "revision": stored.draft_revision if typed is None else carried(request, "revision"),
        "error": error,
    }
    if typed is not None and context["shut"]:
        context |= {"editable": True}  # what was typed and refused is on the page
    if error is not None:
        context["left_over"] = _left_over(
            typed,
            amending,
            {
                "editor": context["editable"],
                "addendum": context["amendable"],
                "correction": context["amendable"],
                "withdrawal": context["retractable"],
                "return": context["returnable"],
            },
        )
    status = STATUS[error.code] if error else 200
    return show(request, "reporting/report.html", context, status=status)


@require_GET
@page()
def printed(request: PageRequest, key: UUID) -> HttpResponse:
    """A signed version as PDF, the newest unless ``version`` is said."""
    view, covers = covered(str(key))
    wanted = asked(request, "version")
    number_of = len(view.versions)
    if wanted:
        number_of = int(wanted) if wanted.isdecimal() and len(wanted) < 6 else 0
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
    return pdf(as_it_stands(view, report_document(str(key), number_of)).content, name)


@require_POST
@page()
def discard(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DiscardDraft(report=str(key)))
    messages.success(request, _("The draft is thrown away; the exam waits to be read again."))
    return redirect_back(request, "/reading/")
