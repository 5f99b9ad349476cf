"""What is to be read: requested procedures by where their report stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Exists, F, OuterRef, Prefetch, QuerySet
from django.utils import timezone

from ris.domain.orders import OrderStatus, Stage
from ris.domain.reporting import ReportStatus
from ris.models import Report, RequestedProcedure, ScheduledProcedureStep
from ris.selectors.availability import images_of
from ris.selectors.order_lists import MANY, priority_rank
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.reports import person_name

RECENT_DAYS = 7
EARLIER_DAYS = 60


class Pile(StrEnum):
    UNREAD = "unread"
    DRAFTS = "drafts"
    PRELIMINARY = "preliminary"
    UNFINISHED = "unfinished"
    SIGNED = "signed"


_LIVE = (
    ReportStatus.DRAFT.value,
    ReportStatus.PRELIMINARY.value,
    ReportStatus.FINAL.value,
    ReportStatus.AMENDED.value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLine:
    """``together`` has the procedures of the same order that are unread as well, this one first."""

    procedure: str
    order: str
    accession_number: str
    patient: PatientLine
    priority: str
    words: str
    laterality: str
    modality: str
    reason: str
    stage: str
    performed_at: datetime | None
    report: str = ""
    report_status: str = ""
    author: str = ""
    author_id: int | None = None
    changed_at: datetime | None = None
    together: tuple[str, ...] = ()
    images: str = ""  # what an archive told of them, empty if nothing


def _live_report(**conditions: object) -> Exists:
    return Exists(Report.objects.filter(procedures=OuterRef("pk"), status__in=_LIVE, **conditions))


def in_pile(pile: Pile, user_id: int | None) -> QuerySet[RequestedProcedure]:
    """The procedures of a pile; ``user_id`` says whose drafts are his own."""
    rows = RequestedProcedure.objects.all()
    draft = ReportStatus.DRAFT.value
    performed = rows.filter(
        stage=Stage.PERFORMED.value,
        order__status__in=(OrderStatus.ACTIVE.value, OrderStatus.DISCONTINUED.value),
    )
    if pile is Pile.UNREAD:
        return performed.exclude(_live_report(status=draft, author_id=user_id))
    if pile is Pile.DRAFTS:
        return rows.filter(
            _live_report(status=draft, author_id=user_id),
            stage__in=(Stage.PERFORMED.value, Stage.IN_PROGRESS.value),
        )
    if pile is Pile.PRELIMINARY:
        return rows.filter(stage=Stage.PRELIMINARY.value)
    if pile is Pile.UNFINISHED:
        return rows.filter(stage=Stage.IN_PROGRESS.value, order__status=OrderStatus.ACTIVE.value)
    since = timezone.now() - timedelta(days=RECENT_DAYS)
    # Most are signed soon after the exam: its time has an index and keeps the search short.
    return rows.filter(
        Exists(Report.objects.filter(procedures=OuterRef("pk"), versions__signed_at__gte=since)),
        stage=Stage.REPORTED.value,
        performed_at__gte=since - timedelta(days=EARLIER_DAYS),
    )


def counts(user_id: int | None) -> dict[Pile, int]:
    """How many of each, up to :data:`ris.selectors.order_lists.MANY`."""
    return {pile: in_pile(pile, user_id)[:MANY].count() for pile in Pile}


def ordered(rows: QuerySet[RequestedProcedure], pile: Pile) -> QuerySet[RequestedProcedure]:
    """The most urgent first, then who waits longest; signed ones the newest first."""
    if pile is Pile.SIGNED:
        return rows.order_by("-updated_at", "-id")
    return rows.annotate(rank=priority_rank("order__priority")).order_by(
        "rank", F("performed_at").asc(nulls_last=True), "id"
    )


def with_lines(rows: QuerySet[RequestedProcedure]) -> QuerySet[RequestedProcedure]:
    return rows.select_related("order__patient__merged_into").prefetch_related(
        Prefetch("order__patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch("steps", queryset=ScheduledProcedureStep.objects.order_by("id")),
        Prefetch(
            "reports",
            queryset=Report.objects.filter(status__in=_LIVE).select_related("author__practitioner"),
        ),
    )


def lines(rows: Iterable[RequestedProcedure]) -> list[ReadingLine]:
    found = list(rows)
    unread: dict[int, list[str]] = {}
    for procedure in found:
        if procedure.stage == Stage.PERFORMED.value and not procedure.reports.all():
            unread.setdefault(procedure.order_id, []).append(str(procedure.public_id))
    images = images_of(str(procedure.order.public_id) for procedure in found)
    return [_line(one, unread.get(one.order_id, []), images) for one in found]


def _line(
    procedure: RequestedProcedure, unread: list[str], images: Mapping[str, str]
) -> ReadingLine:
    order = procedure.order
    report = next(iter(procedure.reports.all()), None)
    own = str(procedure.public_id)
    modalities = dict.fromkeys(step.modality for step in procedure.steps.all() if step.modality)
    return ReadingLine(
        procedure=own,
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        priority=order.priority,
        words=procedure.description or procedure.code_meaning or procedure.code_value,
        laterality=procedure.laterality,
        modality=", ".join(modalities),
        reason=order.reason,
        stage=procedure.stage,
        performed_at=procedure.performed_at,
        report=str(report.public_id) if report is not None else "",
        report_status=report.status if report is not None else "",
        author=person_name(report.author).display if report is not None else "",
        author_id=report.author_id if report is not None else None,
        changed_at=(report.draft_saved_at or report.updated_at) if report is not None else None,
        images=images.get(str(order.public_id), ""),
        together=(own, *(key for key in unread if key != own)) if own in unread else (own,),
    )


def next_unread(user_id: int | None, after: str = "") -> str:
    """The public id of the next procedure to read, other than ``after``; empty if all is read."""
    rows = ordered(in_pile(Pile.UNREAD, user_id), Pile.UNREAD)
    if after:
        rows = rows.exclude(public_id=after)
    first = rows.values_list("public_id", flat=True).first()
    return str(first) if first else ""
