"""Critical findings by the time that is left, those of one report, and the site's categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from ris.domain.critical import (
    RUNNING,
    STARTER,
    CategoryDetails,
    CriticalState,
)
from ris.domain.reporting import CLOSED, ReportStatus
from ris.models import (
    CriticalAttempt,
    CriticalCategory,
    CriticalFinding,
    CriticalPolicy,
    RequestedProcedure,
)
from ris.selectors.order_lists import ExamLine, exam_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

_RUNNING = [state.value for state in RUNNING]


class Pile(StrEnum):
    """What the page shows."""

    OPEN = "open"
    LATE = "late"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    at: datetime
    by: str
    who: str
    how: str
    reached: bool
    read_back: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalLine:
    """A finding with its attempts. ``used`` is how much of the limit is over, in percent."""

    public_id: str
    order: str
    report: str
    is_report_withdrawn: bool  # and no report that stands speaks of it yet
    accession_number: str
    exams: tuple[ExamLine, ...]
    patient: PatientLine | None
    status: CriticalState
    finding: str
    category: str
    category_name: str
    tell: str
    phone: str
    flagged_at: datetime
    flagged_by: str
    due_at: datetime
    used: int
    level: int
    asked: str
    waived: str
    closed_at: datetime | None
    closed_by: str
    closed_reason: str
    attempts: tuple[AttemptLine, ...]

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def is_late(self) -> bool:
        return self.is_running and self.used >= 100

    @property
    def is_untold(self) -> bool:
        """Nobody was called: a report waits to be signed as final."""
        return self.status is CriticalState.OPEN and not self.attempts and not self.waived


# --- categories


def categories() -> list[CategoryDetails]:
    """The site's, the most urgent first; the starter's until it has its own."""
    rows = list(CriticalCategory.objects.order_by("position"))
    if not rows:
        return list(STARTER)
    return [
        CategoryDetails(
            code=row.code,
            name=row.name,
            minutes=row.minutes,
            share=row.share,
            escalation=tuple(row.escalation),
        )
        for row in rows
    ]


def category(code: str) -> CategoryDetails | None:
    return next((each for each in categories() if each.code == code), None)


def holds_final() -> bool:
    row = CriticalPolicy.objects.first()
    return row is None or row.holds_final


def setup() -> tuple[list[CategoryDetails], bool]:
    """The categories and whether a final report waits for a call, which are saved together."""
    return categories(), holds_final()


# --- findings


def due(now: datetime) -> QuerySet[CriticalFinding]:
    """Those for which somebody else must be asked now."""
    return CriticalFinding.objects.filter(
        escalates_at__isnull=False, escalates_at__lte=now
    ).order_by("escalates_at", "id")


def escalated() -> QuerySet[CriticalFinding]:
    """Not acknowledged although others were asked; for a person to look at."""
    return CriticalFinding.objects.filter(status__in=_RUNNING, level__gt=0).order_by("due_at", "id")


def in_pile(pile: Pile, now: datetime, code: str = "") -> QuerySet[CriticalFinding]:
    """The ones that have least time left first; of those done the last one first."""
    rows = CriticalFinding.objects.all()
    if pile is Pile.DONE:
        rows = rows.filter(closed_at__isnull=False).order_by("-closed_at", "-id")
    else:
        rows = rows.filter(status__in=_RUNNING).order_by("due_at", "id")
        if pile is Pile.LATE:
            rows = rows.filter(due_at__lt=now)
    return rows.filter(category=code) if code else rows


def with_lines(rows: QuerySet[CriticalFinding]) -> QuerySet[CriticalFinding]:
    return rows.select_related("order__patient__merged_into", "report").prefetch_related(
        Prefetch("order__patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch("attempts", queryset=CriticalAttempt.objects.order_by("id")),
        "order__procedures",
    )


def to_line(row: CriticalFinding, now: datetime, *, with_patient: bool = True) -> CriticalLine:
    limit = row.due_at - row.flagged_at
    until = row.closed_at or now
    return CriticalLine(
        public_id=str(row.public_id),
        order=str(row.order.public_id),
        report=str(row.report.public_id) if row.report else "",
        is_report_withdrawn=row.report is not None
        and row.report.status == ReportStatus.RETRACTED.value,
        accession_number=row.order.accession_number,
        exams=_exams(row) if with_patient else (),
        patient=line(row.order.patient) if with_patient else None,
        status=CriticalState(row.status),
        finding=row.finding,
        category=row.category,
        category_name=row.category_name,
        tell=row.tell,
        phone=row.phone,
        flagged_at=row.flagged_at,
        flagged_by=row.flagged_by,
        due_at=row.due_at,
        used=max(0, int((until - row.flagged_at) * 100 / limit)) if limit else 100,
        level=row.level,
        asked=row.asked,
        waived=row.waived,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        closed_reason=row.closed_reason,
        attempts=tuple(
            AttemptLine(
                at=each.at,
                by=each.by,
                who=each.who,
                how=each.how,
                reached=each.reached,
                read_back=each.read_back,
                note=each.note,
            )
            for each in row.attempts.all()
        ),
    )


def _exams(row: CriticalFinding) -> tuple[ExamLine, ...]:
    return tuple(map(exam_line, row.order.procedures.all()))


def counts(now: datetime) -> dict[Pile, int]:
    """How many are open, and how many of them late; by the index of those that run."""
    found = CriticalFinding.objects.filter(status__in=_RUNNING).aggregate(
        open=Count("pk"), late=Count("pk", filter=Q(due_at__lt=now))
    )
    return {Pile.OPEN: found["open"], Pile.LATE: found["late"]}


def about(report_pk: int | OuterRef) -> QuerySet[CriticalFinding]:
    """Those flagged on a report, and those on its exams that no report which stands speaks of.

    A draft that was thrown away and a report that was withdrawn leave their findings to the next:
    the exam still shows them.
    """
    unreported = Q(report__isnull=True) | Q(report__status__in=CLOSED)
    within = OuterRef(report_pk) if isinstance(report_pk, OuterRef) else report_pk
    # By key: an exam with two reports, joined, would bring its finding twice.
    exams = RequestedProcedure.objects.filter(reports=within).values("pk")
    return CriticalFinding.objects.filter(
        Q(report_id=report_pk) | (unreported & Q(procedure__in=exams))
    )


def is_running() -> Exists:
    """Whether a finding of a report waits to be acknowledged; for a query of reports."""
    return Exists(about(OuterRef("pk")).filter(status__in=_RUNNING))


def of_report(report_pk: int, now: datetime) -> list[CriticalLine]:
    """Those of a report and of its exams; two queries."""
    return _lines_of(about(report_pk), now)


def of_procedure(procedure_pk: int, now: datetime) -> list[CriticalLine]:
    """Those flagged on an exam; two queries."""
    return _lines_of(CriticalFinding.objects.filter(procedure_id=procedure_pk), now)


def _lines_of(rows: QuerySet[CriticalFinding], now: datetime) -> list[CriticalLine]:
    found = (
        rows.select_related("order", "report")
        .prefetch_related(Prefetch("attempts", queryset=CriticalAttempt.objects.order_by("id")))
        .order_by("flagged_at", "id")
    )
    return [to_line(row, now, with_patient=False) for row in found]


def told_after(lines: Sequence[CriticalLine], status: ReportStatus, signed_at: datetime) -> bool:
    """Whether somebody was told after the report was signed: an addendum would say so."""
    if status not in {ReportStatus.FINAL, ReportStatus.AMENDED}:
        return False
    return any(
        attempt.reached and attempt.at > signed_at for each in lines for attempt in each.attempts
    )
