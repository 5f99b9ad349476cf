"""What is to be read: requested procedures by where their report stands."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery, When
from django.utils import timezone

from ris.domain.orders import OrderStatus, Priority, Stage
from ris.domain.reading import TARGETS, Haste, Target, haste, target_minutes
from ris.domain.reporting import EDITED, LIVE, ReportStatus
from ris.models import (
    ReadingLease,
    ReadingSkip,
    Report,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.availability import images_of
from ris.selectors.cancellations import cancel_asked
from ris.selectors.order_lists import counted, priority_rank
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.reading_filters import Filters, Scope, narrowed, scope_of
from ris.selectors.reading_leases import LeaseView, first, going_on
from ris.selectors.reading_targets import due_at, targets
from ris.selectors.reports import person_name
from ris.selectors.told_allergies import told, told_of
from ris.selectors.views import CancelAsked

RECENT_DAYS = 7
EARLIER_DAYS = 60
STOPPED_DAYS = 30
LEFT_HOURS = 24


class Pile(StrEnum):
    UNREAD = "unread"
    DRAFTS = "drafts"
    SENT = "sent"
    PRELIMINARY = "preliminary"
    UNFINISHED = "unfinished"
    STOPPED = "stopped"
    SIGNED = "signed"


_BEING_WRITTEN = (Stage.PERFORMED.value, Stage.IN_PROGRESS.value, Stage.PRELIMINARY.value)


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
    attending: str = ""  # who is to sign it with a resident
    attending_id: int | None = None
    together: tuple[str, ...] = ()
    images: str = ""  # what an archive told of them, empty if nothing
    subspecialty: str = ""
    patient_class: str = ""
    location: str = ""
    due_at: datetime | None = None
    haste: str = Haste.NONE.value
    lease: LeaseView | None = None  # who reads it now
    skipped: bool = False  # by whoever looks at the list
    cancel_asked: CancelAsked | None = None

    @property
    def is_written(self) -> bool:
        """Whether its report is not final yet."""
        return self.report_status in EDITED

    @property
    def minutes_left(self) -> int:
        """Until it is due; below zero it is overdue by as many."""
        if self.due_at is None:
            return 0
        return math.floor((self.due_at - timezone.now()).total_seconds() / 60)


def _live_report(**conditions: object) -> Exists:
    return Exists(Report.objects.filter(procedures=OuterRef("pk"), status__in=LIVE, **conditions))


def _was_stopped() -> Q:
    """Of late: all that was ever canceled is no list to look through."""
    since = timezone.now() - timedelta(days=STOPPED_DAYS)
    return Q(stage=Stage.CANCELED.value, performed_at__gte=since)


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
        # From the reports to their exams: one's own are few, and found by who wrote them.
        mine = Report.objects.filter(status=draft, author_id=user_id)
        is_done = Q(stage__in=(Stage.PERFORMED.value, Stage.IN_PROGRESS.value))
        # What an attending radiologist gave back may be preliminary already.
        given_back = Report.objects.filter(
            status__in=LIVE, resident_id=user_id, returned_at__isnull=False
        )
        # A text is not lost from sight when its exam is taken away.
        texts = mine.filter(draft_saved_at__isnull=False)
        return rows.filter(
            Q(pk__in=texts.values("procedures"))
            | Q(is_done | _was_stopped(), pk__in=mine.values("procedures"))
            | Q(pk__in=given_back.values("procedures"), stage__in=_BEING_WRITTEN)
        )
    if pile is Pile.SENT:
        return rows.filter(
            pk__in=_sent_to(user_id).values("procedures"), stage=Stage.PRELIMINARY.value
        )
    if pile is Pile.PRELIMINARY:
        return rows.filter(stage=Stage.PRELIMINARY.value)
    if pile is Pile.UNFINISHED:
        return rows.filter(stage=Stage.IN_PROGRESS.value, order__status=OrderStatus.ACTIVE.value)
    if pile is Pile.STOPPED:
        return rows.filter(
            _was_stopped(),
            ~_live_report(status=draft, author_id=user_id),
            order__status__in=(OrderStatus.ACTIVE.value, OrderStatus.DISCONTINUED.value),
        )
    since = timezone.now() - timedelta(days=RECENT_DAYS)
    # Most are signed soon after the exam: its time has an index and keeps the search short.
    return rows.filter(
        Exists(Report.objects.filter(procedures=OuterRef("pk"), versions__signed_at__gte=since)),
        stage=Stage.REPORTED.value,
        performed_at__gte=since - timedelta(days=EARLIER_DAYS),
    )


def _sent_to(user_id: int | None) -> QuerySet[Report]:
    """What residents signed and asked this person to sign, or nobody in particular.

    What was asked of somebody who leaves it for a day, or whose login is shut, waits for everybody.
    """
    left = timezone.now() - timedelta(hours=LEFT_HOURS)
    return Report.objects.filter(
        Q(attending=None)
        | Q(attending=user_id)
        | Q(attending__is_active=False)
        | Q(resident=user_id)
        | Q(sent_at__lt=left),
        sent_at__isnull=False,
        status=ReportStatus.PRELIMINARY.value,
    )


def counts(
    user_id: int | None, filters: Filters | None = None, scope: Scope | None = None
) -> dict[Pile, int]:
    """How many of each, up to :data:`ris.selectors.order_lists.MANY`; all without ``filters``.

    One query.
    """
    found = {pile: in_pile(pile, user_id) for pile in Pile}
    if filters is not None:
        found = {pile: narrowed(rows, filters, scope or Scope()) for pile, rows in found.items()}
    return dict(zip(found, counted(list(found.values())), strict=True))


def _skipped(user_id: int | None) -> Exists:
    """Whether somebody lets a procedure wait."""
    return Exists(
        ReadingSkip.objects.filter(
            procedure=OuterRef("pk"), reader=user_id, until__gt=timezone.now()
        )
    )


def ordered(
    rows: QuerySet[RequestedProcedure],
    pile: Pile,
    times: Sequence[Target] = TARGETS,
    user_id: int | None = None,
) -> QuerySet[RequestedProcedure]:
    """STAT first, then what is due next; signed ones the newest first.

    However late others are, a life in danger does not wait behind them. What somebody skipped
    stands at the end of his own list for a while.
    """
    if pile is Pile.SIGNED:
        return rows.order_by("-updated_at", "-id")
    return rows.annotate(
        skipped=_skipped(user_id),
        stat=Case(When(order__priority=Priority.STAT.value, then=0), default=1),
        due=due_at(times),
        rank=priority_rank("order__priority"),
    ).order_by("skipped", "stat", F("due").asc(nulls_last=True), "rank", "id")


def with_lines(rows: QuerySet[RequestedProcedure]) -> QuerySet[RequestedProcedure]:
    return (
        rows.annotate(told_allergies=told("order__patient"))
        .select_related("order__patient__merged_into", "order__visit", "definition")
        .prefetch_related(
            Prefetch("order__patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch("steps", queryset=ScheduledProcedureStep.objects.order_by("id")),
            Prefetch(
                "reports",
                queryset=Report.objects.filter(status__in=LIVE)
                .select_related("author__practitioner", "attending__practitioner")
                .prefetch_related(
                    Prefetch(
                        "leases",
                        queryset=ReadingLease.objects.filter(ended_at=None).select_related(
                            "reader__practitioner"
                        ),
                    )
                ),
            ),
        )
    )


def lines(
    rows: Iterable[RequestedProcedure], times: Sequence[Target] = TARGETS
) -> list[ReadingLine]:
    found = list(rows)
    unread: dict[int, list[str]] = {}
    for procedure in found:
        if procedure.stage == Stage.PERFORMED.value and not procedure.reports.all():
            unread.setdefault(procedure.order_id, []).append(str(procedure.public_id))
    images = images_of(str(procedure.order.public_id) for procedure in found)
    now = timezone.now()
    return [_line(one, unread.get(one.order_id, []), images, times, now) for one in found]


def _line(
    procedure: RequestedProcedure,
    unread: list[str],
    images: Mapping[str, str],
    times: Sequence[Target],
    now: datetime,
) -> ReadingLine:
    order = procedure.order
    visit = order.visit
    patient_class = visit.patient_class if visit is not None else ""
    minutes = target_minutes(times, order.priority, patient_class)
    since = procedure.performed_at if procedure.stage != Stage.REPORTED.value else None
    report = next(iter(procedure.reports.all()), None)
    own = str(procedure.public_id)
    modalities = dict.fromkeys(step.modality for step in procedure.steps.all() if step.modality)
    return ReadingLine(
        procedure=own,
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient, told_of(procedure)),
        priority=order.priority,
        words=procedure.description or procedure.code_meaning or procedure.code_value,
        laterality=procedure.laterality,
        modality=", ".join(modalities),
        reason=order.reason,
        cancel_asked=cancel_asked(order),
        stage=procedure.stage,
        performed_at=procedure.performed_at,
        report=str(report.public_id) if report is not None else "",
        report_status=report.status if report is not None else "",
        author=person_name(report.author).display if report is not None else "",
        author_id=report.author_id if report is not None else None,
        attending=person_name(report.attending).display if report is not None else "",
        attending_id=report.attending_id if report is not None else None,
        changed_at=(report.draft_saved_at or report.updated_at) if report is not None else None,
        images=images.get(str(order.public_id), ""),
        subspecialty=procedure.definition.subspecialty if procedure.definition else "",
        patient_class=patient_class,
        location=visit.location if visit is not None else "",
        due_at=since + timedelta(minutes=minutes) if since and minutes is not None else None,
        haste=haste(since, minutes, now).value,
        lease=first(report.leases.all()) if report is not None else None,
        skipped=bool(getattr(procedure, "skipped", False)),
        together=(own, *(key for key in unread if key != own)) if own in unread else (own,),
    )


class Way(StrEnum):
    """Where to go from an exam of a list."""

    NEXT = "next"
    PREVIOUS = "previous"


MOST_WALKED = 500
_BEGUN = Subquery(
    Report.objects.filter(procedures=OuterRef("pk"), status__in=LIVE)
    .order_by("created_at")
    .values("created_at")[:1]
)


def next_case(
    user_id: int,
    filters: Filters | None = None,
    *,
    after: str = "",
    way: Way = Way.NEXT,
    but: Collection[str] = (),
) -> str:
    """The public id of the procedure to read next; empty if there is none.

    Without ``after`` it is one that the reader began and did not finish, else the first that waits.
    With it, the one that stands behind it (or before it) in the same list; behind the last comes
    the first again. What another reads now is left out, and so is what ``but`` names.
    """
    filters = filters or Filters()
    unread = narrowed(in_pile(Pile.UNREAD, user_id), filters, scope_of(user_id))
    others = going_on().exclude(reader=user_id).filter(report__status__in=LIVE)
    piles = {
        pile: rows.exclude(Exists(others.filter(report__procedures=OuterRef("pk"))))
        for pile, rows in ((Pile.DRAFTS, in_pile(Pile.DRAFTS, user_id)), (Pile.UNREAD, unread))
    }
    times = targets()

    def walked(*, skipped: bool) -> list[str]:
        found: list[str] = []
        for pile, rows in piles.items():
            wanted = rows.filter(_skipped(user_id)) if skipped else rows.exclude(_skipped(user_id))
            in_order = ordered(wanted, Pile.UNREAD, times, user_id)
            if after and pile is Pile.DRAFTS:
                # Who walks begins an exam by opening it: the one before is the one begun before.
                in_order = in_order.order_by(_BEGUN, "id")
            found += map(str, in_order.values_list("public_id", flat=True)[:MOST_WALKED])
        return found

    keys = walked(skipped=False)
    if not keys and not after:
        keys = walked(skipped=True)
    keys = [key for key in dict.fromkeys(keys) if key not in but]
    if after not in keys:
        return next((key for key in keys if key != after), "")
    place = keys.index(after)
    if way is Way.PREVIOUS:
        return keys[place - 1] if place else ""
    behind = keys[place + 1 :] + keys[:place]
    return behind[0] if behind else ""


def report_on(procedures: Collection[str]) -> str:
    """The public id of the live report on procedures; empty if there is none."""
    found = (
        Report.objects.filter(procedures__public_id__in=list(procedures), status__in=LIVE)
        .values_list("public_id", flat=True)
        .first()
    )
    return str(found) if found else ""
