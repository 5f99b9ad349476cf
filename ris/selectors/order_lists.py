"""Orders as pages list them: by what they wait for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import (
    Case,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.utils import timezone

from ris.domain.order_age import Age, age
from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.values import PersonName
from ris.domain.waiting import WaitingStatus
from ris.models import (
    Order,
    OrderQuestion,
    RequestedProcedure,
    ScheduledProcedureStep,
    Site,
    WaitingEntry,
)
from ris.selectors.calendar import midnight
from ris.selectors.patient_lists import (
    IDENTIFIERS,
    PatientLine,
    birth_date_in,
    line,
    name_condition,
)
from ris.selectors.resources import at_site, elsewhere, zone_at, zone_of

_UNDONE = (Stage.REQUESTED, Stage.SCHEDULED, Stage.ARRIVED, Stage.IN_PROGRESS)


class Tab(StrEnum):
    TO_SCHEDULE = "to-schedule"
    NEEDS_INFORMATION = "needs-information"
    WAIT_LIST = "wait-list"
    SCHEDULED = "scheduled"
    PERFORMED = "performed"
    ON_HOLD = "on-hold"
    CLOSED = "closed"


class Sort(StrEnum):
    PRIORITY = "priority"
    ORDERED = "ordered"
    START = "start"
    NAME = "name"
    CHANGED = "changed"


WAITING = (StepStatus.PENDING.value, StepStatus.NO_SHOW.value)
_UNDER_WAY = (
    StepStatus.SCHEDULED.value,
    StepStatus.ARRIVED.value,
    StepStatus.READY.value,
    StepStatus.STARTED.value,
)
_TO_READ = (Stage.PERFORMED.value, Stage.PRELIMINARY.value)
# Named one by one: an index finds what is open, and nothing finds what is not over.
_NOT_OVER = tuple(stage.value for stage in Stage if stage not in {Stage.CANCELED, Stage.REPORTED})
_CLOSED = (
    OrderStatus.COMPLETED.value,
    OrderStatus.CANCELED.value,
    OrderStatus.DISCONTINUED.value,
    OrderStatus.ENTERED_IN_ERROR.value,
)


def priority_rank(field: str = "priority") -> Case:
    """STAT first; a page sorts by it."""
    return Case(
        *(When(**{field: item.value}, then=Value(rank)) for rank, item in enumerate(Priority)),
        default=Value(len(Priority)),
        output_field=IntegerField(),
    )


MANY = 1000


@dataclass(frozen=True, slots=True)
class ExamLine:
    """What is to be done, and on which side: no list names the one without the other."""

    words: str
    laterality: str = ""


def exam_line(procedure: RequestedProcedure) -> ExamLine:
    words = procedure.description or procedure.code_meaning or procedure.code_value
    return ExamLine(words, procedure.laterality)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    public_id: str
    step_id: str
    status: str
    modality: str
    description: str
    laterality: str
    start_at: datetime | None
    wished_at: datetime | None
    station: str
    room: str
    duration_minutes: int
    overbooked: bool
    version: int
    zone: tzinfo  # of the site, whose clock people go by

    @property
    def exam(self) -> ExamLine:
        return ExamLine(self.description, self.laterality)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    public_id: str
    accession_number: str
    patient: PatientLine
    status: str
    priority: str
    reason: str
    procedures: tuple[str, ...]
    exams: tuple[ExamLine, ...]
    steps: tuple[StepLine, ...]
    stage: str
    ordered_at: datetime
    source: str
    requester: PersonName = field(default_factory=PersonName)
    service: str = ""
    version: int = 1
    question: str = ""  # what was asked about it and not answered yet

    @property
    def age(self) -> Age:
        """Whether it waits too long to be scheduled, for its priority."""
        return age(Priority(self.priority), self.ordered_at, timezone.now())

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(step.modality for step in self.steps if step.modality))

    @property
    def to_schedule(self) -> StepLine | None:
        """The first step that waits to be booked."""
        return next((s for s in self.steps if s.status in WAITING and s.modality), None)

    @property
    def to_complete(self) -> StepLine | None:
        """The first step that lacks what is needed to book it."""
        return next((s for s in self.steps if s.status in WAITING and not s.modality), None)

    @property
    def next_step(self) -> StepLine | None:
        """The earliest step that has a time."""
        timed = [
            (step.start_at, number)
            for number, step in enumerate(self.steps)
            if step.start_at and step.status != StepStatus.CANCELED.value
        ]
        return self.steps[min(timed)[1]] if timed else None


def _with_step(rows: QuerySet[Order], steps: QuerySet[ScheduledProcedureStep]) -> QuerySet[Order]:
    """Found from the steps, whose states have an index, however many orders there are."""
    return rows.filter(pk__in=steps.values("procedure__order"))


def in_tab(tab: Tab) -> QuerySet[Order]:
    """The orders of a tab. Every order is in one at least; who waits for two things is in both."""
    if tab is Tab.ON_HOLD:
        return Order.objects.filter(status=OrderStatus.ON_HOLD.value)
    active = Order.objects.filter(status=OrderStatus.ACTIVE.value)
    waiting = ScheduledProcedureStep.objects.filter(status__in=WAITING)
    asked = OrderQuestion.objects.filter(answered_at=None).values("order")
    if tab is Tab.NEEDS_INFORMATION:
        lacking = waiting.filter(modality="").values("procedure__order")
        return active.filter(Q(pk__in=lacking) | Q(pk__in=asked))
    if tab is Tab.TO_SCHEDULE:
        return _with_step(active, waiting.exclude(modality="")).exclude(pk__in=asked)
    if tab is Tab.WAIT_LIST:
        entries = WaitingEntry.objects.filter(status=WaitingStatus.WAITING.value)
        return active.filter(pk__in=entries.values("step__procedure__order"))
    if tab is Tab.SCHEDULED:
        return _with_step(active, ScheduledProcedureStep.objects.filter(status__in=_UNDER_WAY))
    if tab is Tab.PERFORMED:
        return active.filter(
            pk__in=RequestedProcedure.objects.filter(stage__in=_TO_READ).values("order")
        )
    open_left = RequestedProcedure.objects.filter(stage__in=_NOT_OVER)
    return Order.objects.filter(
        Q(status__in=_CLOSED)
        | Q(status=OrderStatus.ACTIVE.value) & ~Q(pk__in=open_left.values("order"))
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How many there are in each tab, and how many of those to schedule cannot wait."""

    counts: dict[Tab, int]
    stat: int
    also: int = 0


def standing(also: QuerySet[Any] | None = None) -> Standing:
    """In one query, each number up to :data:`MANY`: beyond that nobody counts, and it costs.

    ``also`` are other rows that a page counts with them.
    """
    stat = in_tab(Tab.TO_SCHEDULE).filter(priority=Priority.STAT.value)
    others = [stat] if also is None else [stat, also]
    found = counted([*map(in_tab, Tab), *others])
    tabs = dict(zip(Tab, found, strict=False))
    return Standing(tabs, *found[len(tabs) :])


def counts() -> dict[Tab, int]:
    """How many of each, up to :data:`MANY`."""
    return standing().counts


def counted(querysets: Sequence[QuerySet[Any]]) -> list[int]:
    """How many rows each has, up to :data:`MANY`, in one query."""
    texts: list[str] = []
    values: list[Any] = []
    for rows in querysets:
        text, given = rows.order_by().values("pk")[:MANY].query.sql_with_params()
        texts.append(f"(SELECT COUNT(*) FROM ({text}) AS counted)")  # noqa: S608 - Django's own
        values += given
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(texts)}", values)
        row = cursor.fetchone()
    return [int(count) for count in row or ()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """What a list is narrowed to; empty fields narrow nothing.

    The days are those of the exam where the tab is about exams, else those of the order.
    """

    modality: str = ""
    site: str = ""
    priority: str = ""
    requester: str = ""
    first: date | None = None
    last: date | None = None
    text: str = ""

    @property
    def any(self) -> bool:
        return self != Narrow()


# Tabs that are about exams which have a time.
TIMED = frozenset({Tab.SCHEDULED, Tab.PERFORMED})


def narrowed(rows: QuerySet[Order], to: Narrow, tab: Tab) -> QuerySet[Order]:
    steps = ScheduledProcedureStep.objects.filter(procedure__order=OuterRef("pk"))
    if to.modality:
        rows = rows.filter(Exists(steps.filter(modality=to.modality)))
    if to.site:
        rows = rows.filter(Exists(steps.filter(at_site("device__", public_id=to.site))))
    if to.priority:
        rows = rows.filter(priority=to.priority)
    for word in to.requester.split():
        rows = rows.filter(Q(requester__icontains=word) | Q(requesting_service__icontains=word))
    return matching(_in_days(rows, to, steps, timed=tab in TIMED), to.text)


def _in_days(
    rows: QuerySet[Order],
    to: Narrow,
    steps: QuerySet[ScheduledProcedureStep],
    *,
    timed: bool,
) -> QuerySet[Order]:
    if to.first is None and to.last is None:
        return rows
    if not timed:
        return rows.filter(_between(to, "ordered_at", zone_of(None)))
    # Each exam by the clock of its site.
    condition = _between(to, "start_at", zone_of(None)) & ~elsewhere("device__")
    for name in Site.objects.exclude(time_zone="").values_list("time_zone", flat=True).distinct():
        there = _between(to, "start_at", ZoneInfo(name))
        condition |= there & at_site("device__", time_zone=name)
    return rows.filter(Exists(steps.filter(condition)))


def _between(to: Narrow, name: str, zone: tzinfo) -> Q:
    days: dict[str, datetime] = {}
    if to.first is not None:
        days[f"{name}__gte"] = midnight(to.first, zone)
    if to.last is not None:
        days[f"{name}__lt"] = midnight(to.last + timedelta(days=1), zone)
    return Q(**days)


def sites() -> list[tuple[str, str]]:
    """The sites to narrow to: public id and name."""
    rows = Site.objects.order_by("name").values_list("public_id", "name")
    return [(str(key), name) for key, name in rows]


def matching(rows: QuerySet[Order], text: str) -> QuerySet[Order]:
    """Narrow by accession, placer number, patient number, birth date or name."""
    text = text.strip()
    if not text:
        return rows
    born = birth_date_in(text)
    condition = (
        Q(accession_number__startswith=text.upper())
        | Q(placer_order_number=text)
        | Q(patient__identifiers__value=text)
    )
    if born:
        condition |= Q(patient__birth_date=born)
    elif any(char.isalpha() for char in text):
        condition |= name_condition(text, "patient__")
    return rows.filter(condition).distinct()


def sorted_by(rows: QuerySet[Order], sort: Sort) -> QuerySet[Order]:
    if sort is Sort.ORDERED:
        return rows.order_by("-ordered_at", "-id")
    if sort is Sort.CHANGED:
        return rows.order_by("-updated_at", "-id")
    if sort is Sort.NAME:
        return rows.order_by("patient__name_key", "id")
    if sort is Sort.START:
        live = ScheduledProcedureStep.objects.filter(procedure__order=OuterRef("pk")).exclude(
            status=StepStatus.CANCELED.value
        )
        first = live.filter(start_at__isnull=False).order_by("start_at").values("start_at")[:1]
        return rows.annotate(first_at=Subquery(first)).order_by(
            F("first_at").asc(nulls_last=True), "id"
        )
    return rows.annotate(rank=priority_rank()).order_by("rank", "ordered_at", "id")


def with_lines(rows: QuerySet[Order]) -> QuerySet[Order]:
    """Fetch in a bounded number of queries what :func:`line_of` reads."""
    return rows.select_related("patient__merged_into", "source").prefetch_related(
        Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch(
            "questions",
            queryset=OrderQuestion.objects.filter(answered_at=None).order_by("id"),
            to_attr="open_questions",
        ),
        Prefetch(
            "procedures",
            queryset=RequestedProcedure.objects.order_by("id").prefetch_related(
                Prefetch(
                    "steps",
                    queryset=ScheduledProcedureStep.objects.select_related(
                        "appointment", "device__room__site"
                    ).order_by("id"),
                )
            ),
        ),
    )


def line_of(order: Order) -> OrderLine:
    procedures = list(order.procedures.all())
    exams = tuple(map(exam_line, procedures))
    return OrderLine(
        public_id=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        status=order.status,
        priority=order.priority,
        reason=order.reason,
        procedures=tuple(exam.words for exam in exams),
        exams=exams,
        steps=tuple(step_line(step) for procedure in procedures for step in procedure.steps.all()),
        stage=_least(procedure.stage for procedure in procedures),
        ordered_at=order.ordered_at,
        source=order.source.name if order.source else "",
        requester=PersonName.parse(order.requester),
        service=order.requesting_service,
        version=order.version,
        question=next((each.text for each in _questions(order)), ""),
    )


def _questions(order: Order) -> Sequence[OrderQuestion]:
    asked: Sequence[OrderQuestion] = getattr(order, "open_questions", ())
    return asked


def step_line(step: ScheduledProcedureStep) -> StepLine:
    return StepLine(
        public_id=str(step.public_id),
        step_id=step.step_id,
        status=step.status,
        modality=step.modality,
        description=step.description,
        laterality=step.procedure.laterality,
        start_at=step.start_at,
        wished_at=step.wished_at,
        station=step.station_ae_title,
        room=step.device.room.name if step.device and step.device.room else step.location,
        duration_minutes=step.duration_minutes,
        overbooked=bool(step.appointment and step.appointment.overbooked),
        version=step.version,
        zone=zone_at(step.device),
    )


def _least(stages: Iterable[str]) -> str:
    """How far an order is as a whole: its least advanced live procedure."""
    order = [stage.value for stage in Stage]
    live = [stage for stage in stages if stage != Stage.CANCELED.value]
    return min(live, key=order.index) if live else Stage.CANCELED.value


def lines(rows: Iterable[Order]) -> list[OrderLine]:
    return [line_of(order) for order in rows]


def of(public_id: str) -> OrderLine | None:
    """One order's line."""
    found = lines(with_lines(Order.objects.filter(public_id=public_id)))
    return found[0] if found else None


def of_patient(public_id: str, limit: int = 100) -> Sequence[OrderLine]:
    """A patient's orders, newest first."""
    rows = Order.objects.filter(patient__public_id=public_id).order_by("-ordered_at", "-id")
    return lines(with_lines(rows)[:limit])


def of_all(public_ids: Sequence[str]) -> list[OrderLine]:
    """The lines of some orders, in any order."""
    return lines(with_lines(Order.objects.filter(public_id__in=list(public_ids))))


def ordered_already(
    patient: str, exams: Iterable[tuple[str, str]], limit: int = 5
) -> Sequence[OrderLine]:
    return lines(with_lines(asked_for_already(patient, exams))[:limit])


def asked_for_already(patient: str, exams: Iterable[tuple[str, str]]) -> QuerySet[Order]:
    """Open orders of a patient for one of these exams that are not yet done.

    An exam is the public id of its entry in the catalog, and a side.

    A side that is not said, and both sides, may be any.
    """
    same = Q(pk__in=[])
    for definition, laterality in exams:
        any_side = laterality not in {"L", "R"}
        sides = Q() if any_side else Q(laterality__in=["", laterality, "B"])
        same |= Q(definition__public_id=definition) & sides
    rows = RequestedProcedure.objects.filter(
        same,
        order__patient__public_id=patient,
        order__status__in=[OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value],
        stage__in=[stage.value for stage in _UNDONE],
    )
    return Order.objects.filter(pk__in=rows.values("order")).order_by("-ordered_at", "-id")


def definitions_of(public_id: str) -> list[tuple[str, str]]:
    """The exams of an order that the catalog still offers: public id of the entry, and side."""
    rows = RequestedProcedure.objects.filter(
        order__public_id=public_id, definition__active=True
    ).order_by("id")
    return [
        (str(key), side) for key, side in rows.values_list("definition__public_id", "laterality")
    ]
