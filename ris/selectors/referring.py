"""What a referring doctor is shown: the own orders, how far they are, their results.

Every query here begins with :func:`own`, which no page can leave out: what is not the own does not
exist for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, Prefetch, Q, QuerySet, Value, When

from ris.domain.critical import CriticalState
from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.referring import BINDING, Progress, progress
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.values import Identifier, PersonName
from ris.models import (
    CriticalFinding,
    CriticalResult,
    Order,
    OrderQuestion,
    Patient,
    PatientIdentifier,
    ReferrerAccess,
    Report,
    ReportVersion,
    RequestedProcedure,
    ResultReceipt,
    ScheduledProcedureStep,
)
from ris.selectors.order_lists import matching
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

# What the department is asked when a doctor enters somebody who is like a person known here. It is
# the department's own note: who entered the person is not told whom we know.
COMPARE = (
    "Entered as a new patient by the referring doctor, and like somebody who is known here. "
    "Compare before a time is booked; merge if it is one person."
)
_OPEN = frozenset({OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value})
_ENDED = (
    OrderStatus.CANCELED.value,
    OrderStatus.DISCONTINUED.value,
    OrderStatus.ENTERED_IN_ERROR.value,
)
_BEGUN = (StepStatus.STARTED.value, StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A practitioner whose orders a login sees."""

    public_id: str
    name: PersonName
    identifier: Identifier
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whose orders a login sees. What was signed before ``since`` is neither new nor waiting."""

    user: int
    people: tuple[Person, ...] = ()
    services: tuple[str, ...] = ()
    since: datetime | None = None

    def covers(self, order: Order) -> bool:
        """Whether an order is the own; the same as :func:`own` says of rows."""
        requester = (order.requester_identifier, order.requester_issuer)
        named = {(each.identifier.value, each.identifier.issuer) for each in self.people}
        return bool(order.requester_identifier and requester in named) or (
            bool(order.requesting_service) and order.requesting_service in self.services
        )


def reach(user: int) -> Reach:
    """What a login may see; nothing if nobody granted it anything. One query."""
    rows = list(
        ReferrerAccess.objects.filter(user=user).select_related("practitioner").order_by("id")
    )
    people = tuple(
        Person(
            public_id=str(row.practitioner.public_id),
            name=PersonName.parse(row.practitioner.name),
            identifier=Identifier(row.practitioner.identifier, row.practitioner.issuer),
            phone=row.practitioner.phone,
        )
        for row in rows
        if row.practitioner is not None and row.practitioner.identifier
    )
    return Reach(
        user=user,
        people=people,
        services=tuple(row.service for row in rows if row.service),
        since=min((row.granted_at for row in rows), default=None),
    )


def own(to: Reach) -> QuerySet[Order]:
    """The orders of a reach: by the requester's number and who gave it out, never by a name."""
    condition = Q(pk__in=())
    for each in to.people:
        condition |= Q(
            requester_identifier=each.identifier.value, requester_issuer=each.identifier.issuer
        )
    if to.services:
        condition |= Q(requesting_service__in=to.services)
    return Order.objects.filter(condition)


def own_order(to: Reach, key: str | UUID) -> Order:
    """An own order; raises UnknownKeyError for any other, as for one that does not exist."""
    row = own(to).filter(public_id=key).select_related("patient").first()
    if row is None:
        raise UnknownKeyError("no such order among your own")
    return row


def own_version(to: Reach, report: str | UUID, number: int | None = None) -> ReportVersion:
    """A signed version, the newest unless a number is said; raises UnknownKeyError."""
    rows = ReportVersion.objects.filter(
        report__public_id=report, report__procedures__order__in=own(to)
    ).select_related("report__order__patient")
    if number is not None:
        rows = rows.filter(number=number)
    row = rows.order_by("-number").first()
    if row is None:
        raise UnknownKeyError("no such result among your own")
    return row


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


def _critical() -> Q:
    told = CriticalResult.objects.filter(report__procedures__order=OuterRef("pk"))
    flagged = CriticalFinding.objects.filter(order=OuterRef("pk")).exclude(
        status=CriticalState.WITHDRAWN.value
    )
    return Q(Exists(flagged)) | Q(Exists(told))


def in_pile(to: Reach, pile: Pile) -> QuerySet[Order]:
    """The own orders of a pile; critical ones first where results wait, else the newest."""
    rows = own(to)
    exams = RequestedProcedure.objects.filter(order=OuterRef("pk"))
    if pile is Pile.ACKNOWLEDGE:
        rows = rows.filter(Exists(_unacknowledged(to)))
    elif pile is Pile.NEW:
        rows = rows.filter(Exists(_unopened(to)))
    elif pile is Pile.OPEN:
        rows = rows.filter(Exists(exams.filter(stage__in=_UNFINISHED)), status__in=_OPEN)
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


def waiting_results(to: Reach, limit: int = 1000) -> tuple[int, int]:
    """How many orders have results to acknowledge, and how many have new ones, up to ``limit``."""
    unacknowledged = own(to).filter(Exists(_unacknowledged(to))).values("pk")[:limit]
    unopened = own(to).filter(Exists(_unopened(to))).values("pk")[:limit]
    return unacknowledged.count(), unopened.count()


def with_lines(rows: QuerySet[Order]) -> QuerySet[Order]:
    """Fetch what :func:`line_of` reads: seven queries, however many orders."""
    receipts = ResultReceipt.objects.select_related("user").order_by("acknowledged_at")
    reports = (
        Report.objects.exclude(status=ReportStatus.DISCARDED.value)
        .prefetch_related(
            Prefetch(
                "versions",
                ReportVersion.objects.order_by("number").prefetch_related(
                    Prefetch("receipts", receipts)
                ),
            )
        )
        .order_by("id")
    )
    return rows.select_related("patient__merged_into").prefetch_related(
        Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch(
            "questions",
            OrderQuestion.objects.filter(answered_at=None).exclude(text=COMPARE),
            to_attr="open_questions",
        ),
        Prefetch(
            "procedures",
            RequestedProcedure.objects.order_by("id").prefetch_related(
                Prefetch("steps", ScheduledProcedureStep.objects.order_by("start_at", "id")),
                Prefetch("reports", reports),
            ),
        ),
    )


def line_of(order: Order, to: Reach) -> ReferredLine:
    return ReferredLine(
        public_id=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        priority=order.priority,
        reason=order.reason,
        ordered_at=order.ordered_at,
        exams=tuple(exam_of(order, procedure, to) for procedure in order.procedures.all()),
        question=bool(getattr(order, "open_questions", ())),
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
class Acknowledgement:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an order's page needs besides the order itself; ``versions`` by report and number."""

    acknowledged: Mapping[tuple[str, int], Acknowledgement]
    unopened: tuple[int, ...]  # primary keys of versions
    critical: tuple[CriticalFinding, ...]
    questions: tuple[OrderQuestion, ...]
    begun: bool


def standing(order: Order, to: Reach) -> Standing:
    """Four queries."""
    versions = list(
        ReportVersion.objects.filter(report__procedures__order=order)
        .select_related("report")
        .prefetch_related(
            Prefetch("receipts", ResultReceipt.objects.select_related("user").order_by("id"))
        )
        .distinct()
    )
    acknowledged: dict[tuple[str, int], Acknowledgement] = {}
    for version in versions:
        for each in version.receipts.all():
            if each.acknowledged_at:
                key = (str(version.report.public_id), version.number)
                acknowledged.setdefault(
                    key, Acknowledgement(by=_who(each), at=each.acknowledged_at)
                )
    return Standing(
        acknowledged=acknowledged,
        unopened=tuple(
            version.pk
            for version in versions
            if all(each.user_id != to.user for each in version.receipts.all())
        ),
        critical=tuple(
            CriticalFinding.objects.filter(order=order)
            .exclude(status=CriticalState.WITHDRAWN.value)
            .order_by("flagged_at")
        ),
        questions=tuple(
            OrderQuestion.objects.filter(order=order).exclude(text=COMPARE).order_by("id")
        ),
        begun=ScheduledProcedureStep.objects.filter(
            procedure__order=order, status__in=_BEGUN
        ).exists(),
    )


def may_withdraw(order: Order, begun: bool) -> bool:
    return order.status in _OPEN and not begun


# --- patients


def own_patients(to: Reach, text: str, limit: int = 8) -> list[PatientLine]:
    """One's own patients by name, birth date or number."""
    keys = matching(own(to), text).values("patient")
    rows = (
        Patient.objects.filter(pk__in=keys, merged_into=None)
        .select_related("merged_into")
        .prefetch_related(IDENTIFIERS)
        .order_by("name_key")[:limit]
    )
    return [line(row) for row in rows]


def is_own_patient(to: Reach, patient: Patient) -> bool:
    return own(to).filter(patient=patient).exists()


def identified(number: str, birth_date: str) -> Patient | None:
    """The one living patient with this number, whoever issued it, born on this day.

    Both must agree, and a whole date is needed; of two such people neither is told.
    """
    if not number or len(birth_date) != len("1970-05-03"):
        return None
    keys = set(
        PatientIdentifier.objects.filter(value=number).values_list("patient", flat=True)[:20]
    )
    found = set()
    for row in Patient.objects.filter(pk__in=keys).select_related("merged_into"):
        living = row.merged_into or row
        if living.birth_date == birth_date and living.removed_at is None:
            found.add(living)
    return found.pop() if len(found) == 1 else None


def own_open(to: Reach, patient: str) -> Sequence[Order]:
    """One's own open orders of a patient, for the question whether it is the same once more."""
    return list(
        own(to)
        .filter(patient__public_id=patient, status__in=_OPEN)
        .prefetch_related("procedures")
        .order_by("-ordered_at")[:5]
    )


# --- who sees what, for the department


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    public_id: str
    username: str
    display: str
    active: bool
    person: str
    number: str
    service: str
    granted_at: datetime
    granted_by: str


def access_lines() -> list[AccessLine]:
    """Every access, by login."""
    rows = ReferrerAccess.objects.select_related("user", "practitioner").order_by(
        "user__username", "id"
    )
    return [
        AccessLine(
            public_id=str(row.public_id),
            username=row.user.username,
            display=row.user.get_full_name() or row.user.username,
            active=row.user.is_active,
            person=str(PersonName.parse(row.practitioner.name).display) if row.practitioner else "",
            number=row.practitioner.identifier if row.practitioner else "",
            service=row.service,
            granted_at=row.granted_at,
            granted_by=row.granted_by,
        )
        for row in rows
    ]
