"""Recommended exams: what is due, what became of them, and which order may be the one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.db.models import Count, Prefetch, Q, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.follow_ups import (
    LIVE,
    Arranger,
    Fit,
    FollowUpState,
    FollowUpTrigger,
    Wanted,
    fit,
)
from ris.domain.orders import OrderStatus, StepStatus
from ris.models import FollowUpRecommendation, Order, RequestedProcedure, ScheduledProcedureStep
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

_LIVE = [state.value for state in LIVE]
# An order that was given up is none.
_GONE = [
    OrderStatus.CANCELED.value,
    OrderStatus.DISCONTINUED.value,
    OrderStatus.ENTERED_IN_ERROR.value,
]
_BOOKED = frozenset(
    {
        StepStatus.SCHEDULED.value,
        StepStatus.ARRIVED.value,
        StepStatus.READY.value,
        StepStatus.STARTED.value,
    }
)
_NEAREST = 20  # orders of one patient that are compared


class Pile(StrEnum):
    """What the page shows."""

    DUE = "due"
    OVERDUE = "overdue"
    CONFIRM = "confirm"
    ORDERED = "ordered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderLine:
    at: datetime
    how: str
    who: str
    by: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpLine:
    public_id: str
    order: str
    report: str
    accession_number: str
    patient: PatientLine | None
    patient_key: str
    status: FollowUpState
    words: str
    reason: str
    definition: str
    due_from: date | None
    due_to: date
    arranger: Arranger
    requester: str
    recommended_at: datetime
    recommended_by: str
    linked: str
    linked_number: str
    proposed: str
    proposed_number: str
    proposed_words: str
    reminders: tuple[ReminderLine, ...]
    closed_reason: str

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


def in_pile(pile: Pile) -> QuerySet[FollowUpRecommendation]:
    """Those that are due first; of those closed the last one first."""
    rows = FollowUpRecommendation.objects.filter(_of(pile))
    if pile is Pile.CLOSED:
        return rows.order_by("-updated_at", "-id")
    return rows.order_by("due_to", "id")


def _of(pile: Pile) -> Q:
    if pile is Pile.CLOSED:
        return ~Q(status__in=_LIVE)
    if pile is Pile.CONFIRM:
        return Q(status__in=_LIVE, proposed__isnull=False, linked__isnull=True)
    if pile is Pile.OVERDUE:
        return Q(status=FollowUpState.OVERDUE.value)
    if pile is Pile.ORDERED:
        return Q(status__in=[FollowUpState.ORDERED.value, FollowUpState.BOOKED.value])
    return Q(status=FollowUpState.OPEN.value)


def counts() -> dict[Pile, int]:
    """Of all that are not closed; one query."""
    piles = [pile for pile in Pile if pile is not Pile.CLOSED]
    found = FollowUpRecommendation.objects.filter(status__in=_LIVE).aggregate(
        **{pile.value: Count("pk", filter=_of(pile)) for pile in piles}
    )
    return {pile: found[pile.value] for pile in piles}


def with_lines(rows: QuerySet[FollowUpRecommendation]) -> QuerySet[FollowUpRecommendation]:
    return rows.select_related(
        "order__patient__merged_into", "report", "linked", "proposed", "definition"
    ).prefetch_related(
        Prefetch("order__patient__identifiers", queryset=IDENTIFIERS.queryset),
        "proposed__procedures",
    )


def to_line(row: FollowUpRecommendation, *, with_patient: bool = True) -> FollowUpLine:
    return FollowUpLine(
        public_id=str(row.public_id),
        order=str(row.order.public_id),
        report=str(row.report.public_id),
        accession_number=row.order.accession_number,
        patient=line(row.order.patient) if with_patient else None,
        patient_key=str(row.order.patient.public_id),
        status=FollowUpState(row.status),
        words=row.words,
        reason=row.reason,
        definition=str(row.definition.public_id) if row.definition else "",
        due_from=row.due_from,
        due_to=row.due_to,
        arranger=Arranger(row.arranger),
        requester=row.order.requester,
        recommended_at=row.recommended_at,
        recommended_by=row.recommended_by,
        linked=str(row.linked.public_id) if row.linked else "",
        linked_number=row.linked.accession_number if row.linked else "",
        proposed=str(row.proposed.public_id) if row.proposed else "",
        proposed_number=row.proposed.accession_number if row.proposed else "",
        proposed_words=exams(row.proposed.procedures.all()) if row.proposed else "",
        reminders=tuple(
            ReminderLine(
                at=datetime.fromisoformat(each["at"]),
                how=each["how"],
                who=each["who"],
                by=each["by"],
                note=each.get("note", ""),
            )
            for each in row.reminders
        ),
        closed_reason=row.closed_reason,
    )


def exams(procedures: Iterable[RequestedProcedure]) -> str:
    return ", ".join(each.description or each.code_meaning for each in procedures)


def of_report(report: str) -> list[FollowUpLine]:
    rows = FollowUpRecommendation.objects.filter(report__public_id=report).order_by("due_to", "id")
    return [to_line(row, with_patient=False) for row in _for_part(rows)]


def of_patient(patient: str, *, besides_report: str = "") -> list[FollowUpLine]:
    """What is still open for a patient, and what was recommended by whichever report."""
    rows = FollowUpRecommendation.objects.filter(
        order__patient__public_id=patient, status__in=_LIVE
    ).order_by("due_to", "id")
    if besides_report:
        rows = rows.exclude(report__public_id=besides_report)
    return [to_line(row, with_patient=False) for row in _for_part(rows)[:50]]


def _for_part(rows: QuerySet[FollowUpRecommendation]) -> QuerySet[FollowUpRecommendation]:
    return rows.select_related(
        "order__patient", "report", "linked", "proposed", "definition"
    ).prefetch_related("proposed__procedures")


def find(public_id: str) -> FollowUpLine:
    """Raises UnknownKeyError."""
    row = with_lines(FollowUpRecommendation.objects.filter(public_id=public_id)).first()
    if row is None:
        raise UnknownKeyError("no such recommendation")
    return to_line(row)


# --- what became of them


def anything_live() -> bool:
    return FollowUpRecommendation.objects.filter(status__in=_LIVE).exists()


def concerned(orders: Sequence[str]) -> list[FollowUpRecommendation]:
    """Live recommendations that these orders are for, or may be for."""
    return list(
        _with_links(
            FollowUpRecommendation.objects.filter(
                Q(linked__public_id__in=orders)
                | Q(linked__isnull=True, order__patient__orders__public_id__in=orders),
                status__in=_LIVE,
            )
            .distinct()
            .order_by("id")
        )[:500]
    )


def changed_since(since: datetime) -> list[FollowUpRecommendation]:
    """Live recommendations of which an order or a step changed since then.

    What changed is found first, by its index: it is little, however much is live or archived.
    """
    orders = Order.objects.filter(updated_at__gte=since)
    steps = ScheduledProcedureStep.objects.filter(updated_at__gte=since)
    made = orders.filter(created_at__gte=since)
    return list(
        _with_links(
            FollowUpRecommendation.objects.filter(
                Q(linked__in=orders.values("pk"))
                | Q(linked__in=steps.values("procedure__order"))
                | Q(linked__isnull=True, order__patient__in=made.values("patient")),
                status__in=_LIVE,
            ).order_by("id")
        )[:500]
    )


def _with_links(rows: QuerySet[FollowUpRecommendation]) -> QuerySet[FollowUpRecommendation]:
    return rows.select_related("order", "linked").prefetch_related(
        Prefetch("linked__procedures", RequestedProcedure.objects.select_related("definition")),
        Prefetch("linked__procedures__steps", ScheduledProcedureStep.objects.order_by("id")),
    )


def wanted_of(row: FollowUpRecommendation) -> Wanted:
    return Wanted(code=row.code_value, modality=row.modality, body_part=row.body_part)


def best_fit(row: FollowUpRecommendation, order: Order) -> Fit:
    found = [fit(wanted_of(row), exam) for exam in _exams_of(order)]
    return next((each for each in (Fit.SAME, Fit.MAYBE) if each in found), Fit.NO)


def _exams_of(order: Order) -> list[Wanted]:
    found = []
    for each in order.procedures.all():
        steps = list(each.steps.all())
        modality = each.definition.modality if each.definition else ""
        found.append(
            Wanted(
                code=each.code_value,
                modality=modality or (steps[0].modality if steps else ""),
                body_part=each.definition.body_part if each.definition else "",
            )
        )
    return found


def likely(row: FollowUpRecommendation) -> tuple[Order, Fit] | None:
    """The patient's order after the recommendation that fits it best, if there is one."""
    orders = (
        Order.objects.filter(patient=row.order.patient_id, ordered_at__gte=row.recommended_at)
        .exclude(pk=row.order_id)
        .exclude(status__in=_GONE)
        .exclude(public_id__in=row.refused)
        .prefetch_related(
            Prefetch("procedures", RequestedProcedure.objects.select_related("definition")),
            "procedures__steps",
        )
        .order_by("ordered_at", "id")[:_NEAREST]
    )
    found = [(order, best_fit(row, order)) for order in orders]
    for wanted in (Fit.SAME, Fit.MAYBE):
        for order, how in found:
            if how is wanted:
                return order, how
    return None


def step_to(row: FollowUpRecommendation) -> FollowUpTrigger | None:
    """Where the linked order leads; None: it is there already."""
    if row.linked is None:
        return None
    if row.linked.status in _GONE or row.linked.patient_id != row.order.patient_id:
        return FollowUpTrigger.LOSE  # given up, or found to be somebody else's
    steps = {step.status for each in row.linked.procedures.all() for step in each.steps.all()}
    if StepStatus.COMPLETED.value in steps:
        return FollowUpTrigger.PERFORM
    is_booked = row.status == FollowUpState.BOOKED.value
    if steps & _BOOKED:
        return None if is_booked else FollowUpTrigger.BOOK
    return FollowUpTrigger.UNBOOK if is_booked else None


def moved_by(row: FollowUpRecommendation) -> Order | None:
    """The order that looking at it again would change something for; None: nothing changed."""
    if row.linked is not None:
        return row.linked if step_to(row) is not None else None
    found = likely(row)
    if found is None:
        return None
    order, how = found
    return order if how is Fit.SAME or row.proposed_id != order.pk else None


def done_by(orders: Iterable[int], patients: Collection[str]) -> QuerySet[FollowUpRecommendation]:
    """What these orders were the end of, and all that was done for these patients."""
    wanted = Q(linked__in=list(orders))
    if patients:
        theirs = Order.objects.filter(patient__public_id__in=list(patients))
        wanted |= Q(order__in=theirs, linked__isnull=False)
    done = FollowUpRecommendation.objects.filter(status=FollowUpState.DONE.value)
    return done.filter(wanted).order_by("id")


def why_not_done(row: FollowUpRecommendation) -> str:
    """Why its order is the end of it no longer; empty if it is."""
    if row.linked is None or row.linked.patient_id != row.order.patient_id:
        return "its order is another patient's"
    if row.linked.status in {OrderStatus.CANCELED.value, OrderStatus.ENTERED_IN_ERROR.value}:
        return "its order was given up"
    steps = ScheduledProcedureStep.objects.filter(procedure__order=row.linked)
    if not steps.filter(status=StepStatus.COMPLETED.value).exists():
        return "its exam was not done after all"
    return ""


def lapsed(today: date) -> QuerySet[FollowUpRecommendation]:
    """What was to be done by yesterday and has no appointment."""
    return FollowUpRecommendation.objects.filter(
        status__in=[FollowUpState.OPEN.value, FollowUpState.ORDERED.value], due_to__lt=today
    ).order_by("due_to", "id")
