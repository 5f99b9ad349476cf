"""What a patient's record is made of: numbers, visits, merges, links, what is to be decided."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Prefetch, Q, QuerySet

from ris.domain.orders import OrderStatus
from ris.domain.patients import PatientClass, ReviewState, VisitStatus
from ris.domain.values import PersonName
from ris.models import (
    Appointment,
    DemographicReview,
    DomainEvent,
    Order,
    Patient,
    PatientIdentifier,
    PatientLink,
    PerformedProcedureStep,
    Report,
    Visit,
)
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

OPEN_ORDERS = (OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value)
# Who leaves after one of these leaves the house; an outpatient is discharged every time.
_STAYS = (
    PatientClass.INPATIENT.value,
    PatientClass.EMERGENCY.value,
    PatientClass.OBSTETRICS.value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLine:
    """An identifier; ``former`` if it came with a record that was merged into this one."""

    value: str
    issuer: str
    type: str
    primary: bool
    former: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitLine:
    public_id: str
    number: str
    issuer: str
    status: str
    patient_class: str
    location: str
    account: str
    started_at: datetime | None
    ended_at: datetime | None
    open_orders: int = 0
    settled_at: datetime | None = None
    settled_by: str = ""
    settled_note: str = ""
    patient: PatientLine | None = None
    orders: tuple[tuple[str, str], ...] = ()  # public id, accession number


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeLine:
    """A record that was merged into this one and still is."""

    patient: PatientLine
    numbers: tuple[str, ...]
    at: datetime | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEvent:
    name: str
    at: datetime
    actor_kind: str
    actor: str
    payload: Mapping[str, Any]

    @property
    def other(self) -> str:
        """Public id of the other record it was about."""
        if self.name in {"PatientsMerged", "PatientsUnmerged"}:
            return str(self.payload["subsumed"])
        if self.name in {"PatientsLinked", "PatientsUnlinked"}:
            return str(self.payload["other"])
        return (
            str(self.payload["previous"])
            if self.name in {"IdentifiersMoved", "VisitsMoved"}
            else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLine:
    """A value that a sender says otherwise."""

    public_id: str
    patient: PatientLine
    field: str
    stored: str  # as it is now
    said: str
    sender: str
    at: datetime
    message: str = ""


def _patients() -> QuerySet[Patient]:
    return Patient.objects.select_related("merged_into").prefetch_related(IDENTIFIERS)


def numbers(patient: str) -> list[NumberLine]:
    """All identifiers of a patient, those in use first."""
    rows = PatientIdentifier.objects.filter(patient__public_id=uuid.UUID(patient))
    return [
        NumberLine(
            value=row.value,
            issuer=row.issuer,
            type=row.type,
            primary=row.primary,
            former=row.former_id is not None,
        )
        for row in rows.order_by("-primary", F("former").asc(nulls_first=True), "id")
    ]


# --- visits ---------------------------------------------------------------------------------------


def _with_open_orders(rows: QuerySet[Visit]) -> QuerySet[Visit]:
    return rows.annotate(open_orders=Count("orders", filter=Q(orders__status__in=OPEN_ORDERS)))


def visits(patient: str, limit: int = 50) -> list[VisitLine]:
    """The visits of a patient, the latest first."""
    rows = _with_open_orders(
        Visit.objects.filter(patient__public_id=uuid.UUID(patient), merged_into=None)
    )
    return [_visit_line(row) for row in rows.order_by("-id")[:limit]]


def _visit_line(row: Visit, patient: PatientLine | None = None) -> VisitLine:
    return VisitLine(
        public_id=str(row.public_id),
        number=row.number,
        issuer=row.issuer,
        status=row.status,
        patient_class=row.patient_class,
        location=row.location,
        account=row.account,
        started_at=row.started_at,
        ended_at=row.ended_at,
        open_orders=getattr(row, "open_orders", 0),
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        settled_note=row.settled_note,
        patient=patient,
        orders=tuple(
            (str(order.public_id), order.accession_number)
            for order in getattr(row, "still_open", ())
        ),
    )


def ended_with_orders() -> QuerySet[Visit]:
    """Visits that ended with orders still open, about which nobody has decided yet.

    Of discharges only those of who stayed in the house. An order that came after the decision
    asks anew.
    """
    ended = Q(visit__status=VisitStatus.CANCELED.value) | Q(
        visit__status=VisitStatus.FINISHED.value, visit__patient_class__in=_STAYS
    )
    undecided = Q(visit__settled_at=None) | Q(created_at__gt=F("visit__settled_at"))
    # Open orders are few; visits that ended are all there ever were.
    orders = Order.objects.filter(ended, undecided, status__in=OPEN_ORDERS)
    return Visit.objects.filter(pk__in=orders.values("visit"))


def ended_visit_lines(limit: int) -> list[VisitLine]:
    still_open = Order.objects.filter(status__in=OPEN_ORDERS).order_by("id")
    rows = (
        _with_open_orders(ended_with_orders())
        .select_related("patient__merged_into")
        .prefetch_related(
            Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch("orders", queryset=still_open, to_attr="still_open"),
        )
        .order_by("-ended_at", "-id")[:limit]
    )
    return [_visit_line(row, line(row.patient)) for row in rows]


# --- merges and links -----------------------------------------------------------------------------

_RECORD_EVENTS = (
    "PatientsMerged",
    "PatientsUnmerged",
    "PatientsLinked",
    "PatientsUnlinked",
    "IdentifiersChanged",
    "IdentifiersMoved",
    "PatientRemoved",
    "VisitsMoved",
    "ReviewDecided",
)


def merges(patient: str) -> list[MergeLine]:
    """The records that were merged into this one, and by whom."""
    rows = list(_patients().filter(merged_into__public_id=uuid.UUID(patient)).order_by("id"))
    if not rows:
        return []
    told = {
        str(event.payload.get("subsumed", "")): event
        for event in DomainEvent.objects.filter(
            patient__public_id=uuid.UUID(patient), name="PatientsMerged"
        ).order_by("id")
    }
    named: dict[int, list[str]] = {}
    for former, value in PatientIdentifier.objects.filter(former__in=rows).values_list(
        "former_id", "value"
    ):
        if former is not None:
            named.setdefault(former, []).append(value)
    found = []
    for row in rows:
        event = told.get(str(row.public_id))
        found.append(
            MergeLine(
                patient=line(row),
                numbers=tuple(named.get(row.pk, ())),
                at=event.at if event else None,
                by=event.actor_name if event else "",
                reason=str(event.payload.get("reason", "")) if event else "",
            )
        )
    return found


def history(patient: str, limit: int = 30) -> list[RecordEvent]:
    """What was done to the record as a whole, the latest first."""
    rows = DomainEvent.objects.filter(
        patient__public_id=uuid.UUID(patient), name__in=_RECORD_EVENTS
    ).order_by("-id")[:limit]
    return [
        RecordEvent(
            name=row.name,
            at=row.at,
            actor_kind=row.actor_kind,
            actor=row.actor_name,
            payload=row.payload,
        )
        for row in rows
    ]


def linked(patient: str) -> list[PatientLine]:
    """Records that are of the same person and stay apart.

    A link follows its records through merges: both ends count as who they are now.
    """
    here = Patient.objects.filter(public_id=uuid.UUID(patient)).values_list("pk", flat=True).first()
    if here is None:
        return []
    own = _records({here})
    pairs = PatientLink.objects.filter(Q(patient__in=own) | Q(other__in=own))
    others = {
        key
        for pair in pairs.values_list("patient_id", "other_id")
        for key in pair
        if key not in own
    }
    found: dict[int, Patient] = {}
    for row in _patients().filter(pk__in=others):
        one = row
        while one.merged_into_id is not None:
            one = _patients().get(pk=one.merged_into_id)
        if one.pk not in own:
            found[one.pk] = one
    return [line(row) for _, row in sorted(found.items())]


def _records(keys: set[int]) -> set[int]:
    """The records with those that were merged into them."""
    found = set(keys)
    while (
        more := set(Patient.objects.filter(merged_into__in=found).values_list("pk", flat=True))
        - found
    ):
        found |= more
    return found


def holdings(patient: str) -> dict[str, int]:
    """How much a merge would move, in the words of the page."""
    key = uuid.UUID(patient)
    counted = {
        "orders": Order.objects.filter(patient__public_id=key),
        "appointments": Appointment.objects.filter(patient__public_id=key),
        "exams": PerformedProcedureStep.objects.filter(patient__public_id=key),
        "reports": Report.objects.filter(order__patient__public_id=key),
        "visits": Visit.objects.filter(patient__public_id=key),
        "identifiers": PatientIdentifier.objects.filter(patient__public_id=key),
    }
    return {name: rows.count() for name, rows in counted.items()}


# --- what senders say otherwise -------------------------------------------------------------------


def open_reviews() -> QuerySet[DemographicReview]:
    return DemographicReview.objects.filter(state=ReviewState.OPEN.value)


def review_lines(rows: QuerySet[DemographicReview], limit: int) -> list[ReviewLine]:
    listed = (
        rows.select_related("patient__merged_into", "message")
        .defer("message__raw", "message__reply")
        .prefetch_related(Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset))
        .order_by("created_at", "id")[:limit]
    )
    return [
        ReviewLine(
            public_id=str(row.public_id),
            patient=line(row.patient),
            field=row.field,
            stored=_shown(row.field, getattr(row.patient, row.field)),
            said=_shown(row.field, row.said),
            sender=row.sender,
            at=row.created_at,
            message=str(row.message.public_id) if row.message else "",
        )
        for row in listed
    ]


def reviews_of(patient: str) -> list[ReviewLine]:
    """What of a patient waits for a person."""
    return review_lines(open_reviews().filter(patient__public_id=uuid.UUID(patient)), 50)


def _shown(field: str, value: object) -> str:
    if field in {"name", "mother_birth_name"}:
        return PersonName.parse(str(value)).display
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)


def lines_of(public_ids: Sequence[str]) -> dict[str, PatientLine]:
    """Patients by public id."""
    rows = _patients().filter(public_id__in=[uuid.UUID(each) for each in public_ids])
    return {str(row.public_id): line(row) for row in rows}
