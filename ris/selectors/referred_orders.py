"""The own orders of a referring doctor as pages show them: how far they are, and their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from uuid import UUID

from django.db.models import Case, Count, Exists, OuterRef, Prefetch, Q, QuerySet, Value, When

from ris.domain.critical import CriticalState
from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.referring import BINDING, Progress, progress
from ris.domain.report_differences import SectionDifference, differences
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.results import Particulars
from ris.domain.values import PersonName
from ris.models import (
    CriticalFinding,
    CriticalResult,
    Order,
    OrderQuestion,
    Report,
    ReportVersion,
    RequestedProcedure,
    ResultReceipt,
    ScheduledProcedureStep,
)
from ris.selectors.cancellations import cancel_asked
from ris.selectors.order_lists import matching
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.referring import COMPARE, OPEN, Reach, own
from ris.selectors.reports import person_name
from ris.selectors.resources import site_of, zone_at, zone_of_steps
from ris.selectors.views import CancelAsked

_ASKED = "asked"  # where an order has its questions
_BEGUN = (StepStatus.STARTED.value, StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value)


# --- the list


class Pile(StrEnum):
    ACKNOWLEDGE = "to-acknowledge"
    NEW = "new"
    OPEN = "open"
    RESULTS = "results"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamLine:
    """One exam of an order: how far it is, and its result as far as there is one."""

    public_id: str
    words: str
    laterality: str
    progress: Progress
    at: datetime | None  # of that progress: booked for, done at, signed at
    zone: tzinfo  # of the site where it is done
    report: str = ""
    number: int = 0  # of the newest signed version
    is_new: bool = False
    waits: bool = False  # to be acknowledged by somebody at the ordering side
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferredLine:
    public_id: str
    accession_number: str
    patient: PatientLine
    priority: str
    reason: str
    ordered_at: datetime
    exams: tuple[ExamLine, ...]
    question: bool  # the department asked something
    critical: bool


def _newest() -> QuerySet[ReportVersion]:
    newer = ReportVersion.objects.filter(report=OuterRef("report"), number__gt=OuterRef("number"))
    return ReportVersion.objects.filter(~Exists(newer))


def _results(to: Reach) -> QuerySet[ReportVersion]:
    """The newest versions of an order's reports that came since the login sees them."""
    rows = _newest().filter(report__procedures__order=OuterRef("pk"))
    return rows.filter(signed_at__gte=to.since) if to.since else rows.none()


def _unopened(to: Reach) -> QuerySet[ReportVersion]:
    return _results(to).filter(
        ~Exists(ResultReceipt.objects.filter(version=OuterRef("pk"), user=to.user))
    )


def _unacknowledged(to: Reach) -> QuerySet[ReportVersion]:
    return _results(to).filter(
        ~Exists(
            ResultReceipt.objects.filter(version=OuterRef("pk"), acknowledged_at__isnull=False)
        ),
        kind__in=[kind.value for kind in BINDING],
    )


_UNFINISHED = (
    Stage.REQUESTED.value,
    Stage.SCHEDULED.value,
    Stage.ARRIVED.value,
    Stage.IN_PROGRESS.value,
    Stage.PERFORMED.value,
    Stage.PRELIMINARY.value,
)


_FLAGGED = CriticalFinding.objects.exclude(status=CriticalState.WITHDRAWN.value)


def _critical() -> Q:
    told = CriticalResult.objects.filter(report__procedures__order=OuterRef("pk"))
    return (
        Q(Exists(_FLAGGED.filter(order=OuterRef("pk"))))
        # A report on several orders has its findings at one of them.
        | Q(Exists(_FLAGGED.filter(report__procedures__order=OuterRef("pk"))))
        | Q(Exists(told))
    )


def in_pile(to: Reach, pile: Pile) -> QuerySet[Order]:
    """The own orders of a pile; critical ones first where results wait, else the newest."""
    rows = own(to)
    exams = RequestedProcedure.objects.filter(order=OuterRef("pk"))
    if pile is Pile.ACKNOWLEDGE:
        rows = rows.filter(Exists(_unacknowledged(to)))
    elif pile is Pile.NEW:
        rows = rows.filter(Exists(_unopened(to)))
    elif pile is Pile.OPEN:
        rows = rows.filter(Exists(exams.filter(stage__in=_UNFINISHED)), status__in=OPEN)
    elif pile is Pile.RESULTS:
        rows = rows.filter(
            Exists(ReportVersion.objects.filter(report__procedures__order=OuterRef("pk")))
        )
    rows = rows.annotate(is_critical=Case(When(_critical(), then=Value(1)), default=Value(0)))
    if pile in {Pile.ACKNOWLEDGE, Pile.NEW}:
        return rows.order_by("-is_critical", "-ordered_at", "-id")
    return rows.order_by("-ordered_at", "-id")


def searched(rows: QuerySet[Order], text: str) -> QuerySet[Order]:
    """Narrowed by name, birth date or number."""
    return matching(rows, text)


def waiting_results(to: Reach) -> tuple[int, int]:
    """How many of the own orders have results to acknowledge, and how many have new ones."""
    found = own(to).aggregate(
        unacknowledged=Count("pk", filter=Exists(_unacknowledged(to))),
        unopened=Count("pk", filter=Exists(_unopened(to))),
    )
    return found["unacknowledged"], found["unopened"]


def with_lines(rows: QuerySet[Order], *, whole: bool = False) -> QuerySet[Order]:
    """Fetch what :func:`line_of` reads: eight queries, however many orders.

    ``whole``: also what :func:`order_page` shows of one.
    """
    receipts = ResultReceipt.objects.select_related("user").order_by("acknowledged_at")
    versions = ReportVersion.objects.order_by("number")
    if whole:
        versions = versions.select_related("signer__practitioner")
    reports = (
        Report.objects.exclude(status=ReportStatus.DISCARDED.value)
        .prefetch_related(
            Prefetch(
                "versions",
                versions.prefetch_related(Prefetch("receipts", receipts)),
            )
        )
        .order_by("id")
    )
    steps = ScheduledProcedureStep.objects.select_related(
        "device__room__site", "device__resource__site"
    ).order_by("start_at", "id")
    procedures = RequestedProcedure.objects.order_by("id")
    if whole:
        procedures = procedures.select_related("definition")
    return rows.select_related("patient__merged_into").prefetch_related(
        Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch(
            "questions",
            OrderQuestion.objects.exclude(text=COMPARE).order_by("id"),
            to_attr=_ASKED,
        ),
        Prefetch(
            "procedures",
            procedures.prefetch_related(Prefetch("steps", steps), Prefetch("reports", reports)),
        ),
    )


def _asked(order: Order) -> list[OrderQuestion]:
    """What the department asked of it, as the query of the list brought it along."""
    found: list[OrderQuestion] = getattr(order, _ASKED)
    return found


def line_of(order: Order, to: Reach) -> ReferredLine:
    return ReferredLine(
        public_id=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        priority=order.priority,
        reason=order.reason,
        ordered_at=order.ordered_at,
        exams=tuple(exam_of(order, procedure, to) for procedure in order.procedures.all()),
        question=any(each.answered_at is None for each in _asked(order)),
        critical=bool(getattr(order, "is_critical", 0)),
    )


def lines(rows: Iterable[Order], to: Reach) -> list[ReferredLine]:
    return [line_of(order, to) for order in rows]


def exam_of(order: Order, procedure: RequestedProcedure, to: Reach) -> ExamLine:
    """One exam as its doctor sees it; procedures come from :func:`with_lines`."""
    report = _report_of(procedure)
    versions = list(report.versions.all()) if report else []
    newest = versions[-1] if versions else None
    found = progress(
        OrderStatus(order.status),
        Stage(procedure.stage),
        ReportStatus(report.status) if report else None,
    )
    receipts = list(newest.receipts.all()) if newest else []
    seen = next((each for each in receipts if each.acknowledged_at), None)
    is_news = newest is not None and to.since is not None and newest.signed_at >= to.since
    is_binding = newest is not None and VersionKind(newest.kind) in BINDING
    return ExamLine(
        public_id=str(procedure.public_id),
        words=procedure.description or procedure.code_meaning or procedure.code_value,
        laterality=procedure.laterality,
        progress=found,
        at=_moment(found, procedure, newest),
        zone=zone_of_steps(procedure.steps.all()),
        report=str(report.public_id) if report and newest else "",
        number=newest.number if newest else 0,
        is_new=is_news and all(each.user_id != to.user for each in receipts),
        waits=is_news and is_binding and seen is None,
        acknowledged_by=_who(seen),
        acknowledged_at=seen.acknowledged_at if seen else None,
    )


def _who(receipt: ResultReceipt | None) -> str:
    return (receipt.user.get_full_name() or receipt.user.username) if receipt else ""


def _report_of(procedure: RequestedProcedure) -> Report | None:
    """The report that counts; a withdrawn one only while there is no other."""
    reports = list(procedure.reports.all())
    live = [each for each in reports if each.status != ReportStatus.RETRACTED.value]
    # Until a new one is signed, that the old one was withdrawn is what has to be known.
    signed = [each for each in live if each.versions.all()]
    gone = [each for each in reports if each.versions.all()]
    return next((group[-1] for group in (signed, gone, live) if group), None)


def _moment(
    found: Progress, procedure: RequestedProcedure, newest: ReportVersion | None
) -> datetime | None:
    if newest is not None and found in {
        Progress.PRELIMINARY,
        Progress.FINAL,
        Progress.CHANGED,
        Progress.WITHDRAWN,
    }:
        return newest.signed_at
    if found in {Progress.DONE, Progress.BEING_READ}:
        return procedure.performed_at
    if found in {Progress.BOOKED, Progress.ARRIVED, Progress.IN_PROGRESS}:
        live = [
            step.start_at
            for step in procedure.steps.all()
            if step.start_at and step.status != StepStatus.CANCELED.value
        ]
        return min(live, default=None)
    return None


# --- one order


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """When and where somebody is expected, or was."""

    at: datetime
    zone: tzinfo  # of the site
    minutes: int
    room: str
    site: str
    address: str
    status: StepStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamPage:
    exam: ExamLine
    preparation: str
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signed version, with who took note of it at the ordering side."""

    number: int
    kind: VersionKind
    sections: Mapping[str, str]
    signer: PersonName
    signed_at: datetime
    reason: str
    acknowledged_by: str
    acknowledged_at: datetime | None
    changes: tuple[SectionDifference, ...]  # against the version before; those that differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A report with its versions, the newest first; ``waits`` to be acknowledged."""

    public_id: str
    words: tuple[str, ...]
    versions: tuple[Signed, ...]
    waits: bool

    @property
    def newest(self) -> Signed:
        return self.versions[0]

    @property
    def is_withdrawn(self) -> bool:
        return self.newest.kind is VersionKind.RETRACTION

    @property
    def is_binding(self) -> bool:
        return self.newest.kind in BINDING


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """An own order with all that its doctor may know of it."""

    order: Order
    line: ReferredLine
    exams: tuple[ExamPage, ...]
    results: tuple[Result, ...]
    critical: tuple[CriticalFinding, ...]
    questions: tuple[OrderQuestion, ...]
    unopened: tuple[int, ...]  # primary keys of versions that this login did not open yet
    may_withdraw: bool
    cancel_asked: CancelAsked | None = None  # refused, for the exam had begun


def order_page(to: Reach, key: str | UUID) -> OrderPage:
    """Nine queries; raises UnknownKeyError for an order that is not the own."""
    rows = with_lines(own(to).filter(public_id=key), whole=True)
    order = rows.first()
    if order is None:
        raise UnknownKeyError("no such order among your own")
    shown = line_of(order, to)
    procedures = list(order.procedures.all())
    reports: dict[int, tuple[Report, list[str]]] = {}
    for procedure, exam in zip(procedures, shown.exams, strict=True):
        for report in procedure.reports.all():
            if report.versions.all():
                reports.setdefault(report.pk, (report, []))[1].append(exam.words)
    versions = [version for report, _ in reports.values() for version in report.versions.all()]
    every = {report.pk for each in procedures for report in each.reports.all()}
    critical = tuple(
        _FLAGGED.filter(Q(order=order) | Q(report__in=every)).order_by("flagged_at", "id")
    )
    begun = any(step.status in _BEGUN for each in procedures for step in each.steps.all())
    return OrderPage(
        order=order,
        line=shown,
        exams=tuple(
            ExamPage(
                exam=exam,
                preparation=procedure.definition.preparation if procedure.definition else "",
                visits=tuple(
                    _visit(step, step.start_at)
                    for step in procedure.steps.all()
                    if step.start_at and step.status != StepStatus.CANCELED.value
                ),
            )
            for procedure, exam in zip(procedures, shown.exams, strict=True)
        ),
        results=tuple(_result(report, words, to) for report, words in reversed(reports.values())),
        critical=critical,
        questions=tuple(_asked(order)),
        unopened=tuple(
            version.pk
            for version in versions
            if all(each.user_id != to.user for each in version.receipts.all())
        ),
        may_withdraw=order.status in OPEN and not begun,
        cancel_asked=cancel_asked(order),
    )


def _visit(step: ScheduledProcedureStep, at: datetime) -> Visit:
    room = step.device.room if step.device else None
    site = site_of(step.device) if step.device else None
    return Visit(
        at=at,
        zone=zone_at(step.device),
        minutes=step.duration_minutes,
        room=room.name if room else step.location,
        site=site.name if site else "",
        address=site.address if site else "",
        status=StepStatus(step.status),
    )


def _result(report: Report, words: Sequence[str], to: Reach) -> Result:
    stored = list(report.versions.all())
    versions = tuple(
        _signed(version, before)
        for version, before in reversed([*zip(stored, [None, *stored], strict=False)])
    )
    newest = versions[0]
    return Result(
        public_id=str(report.public_id),
        words=tuple(words),
        versions=versions,
        waits=newest.kind in BINDING and newest.acknowledged_at is None,
    )


# An addendum is a section of its own, and what withdraws a report replaces nothing.
_REPLACING = frozenset({VersionKind.FINAL, VersionKind.CORRECTION})


def _signed(version: ReportVersion, before: ReportVersion | None) -> Signed:
    seen = next((each for each in version.receipts.all() if each.acknowledged_at), None)
    particulars = Particulars.from_json(version.particulars)
    elsewhere = particulars.interpreter if particulars is not None else PersonName()
    return Signed(
        number=version.number,
        kind=VersionKind(version.kind),
        sections=version.sections,
        signer=person_name(version.signer) or elsewhere,
        signed_at=version.signed_at,
        reason=version.reason,
        acknowledged_by=_who(seen),
        acknowledged_at=seen.acknowledged_at if seen else None,
        changes=_changes(version, before),
    )


def _changes(version: ReportVersion, before: ReportVersion | None) -> tuple[SectionDifference, ...]:
    if before is None or VersionKind(version.kind) not in _REPLACING:
        return ()
    return tuple(each for each in differences(before.sections, version.sections) if each.changed)
