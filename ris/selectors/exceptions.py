"""What did not go by itself and needs a person, with what may mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, Exists, OuterRef, Prefetch, Q, QuerySet, When
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.performing import Match, PerformedStatus
from ris.domain.scheduling import LONGEST, AppointmentStatus
from ris.domain.values import PersonName
from ris.models import (
    Appointment,
    Booking,
    Delivery,
    InboundMessage,
    PerformedProcedureStep,
    ScheduledProcedureStep,
)
from ris.selectors import availability, dose_waiting, patient_records, worklist_quality
from ris.selectors.calendar import midnight
from ris.selectors.corrections import open_follow_ups
from ris.selectors.messages import STUCK_DELIVERY, STUCK_MESSAGE
from ris.selectors.order_lists import StepLine, step_line
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.resources import zone_of_device
from ris.selectors.schedule import AppointmentLine, appointment_lines

# An exam that has been going on for so long was most likely finished without a word.
STUCK_HOURS = 4
_WITHOUT_ORDER = sorted(
    {match.value for match in Match} - {Match.MATCHED.value, Match.EVIDENCE.value}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedLine:
    """A performed step that fits nothing, in the words of the device that sent it."""

    public_id: str
    sop_instance_uid: str
    match: str
    status: str
    origin: str
    started_at: datetime
    ended_at: datetime | None
    station: str
    modality: str
    description: str
    patient_name: PersonName
    patient_identifier: str
    patient_birth_date: str
    accession_numbers: tuple[str, ...]
    step_ids: tuple[str, ...]
    patient: PatientLine | None
    flags: tuple[str, ...]
    steps: tuple[StepLine, ...]
    order: str = ""
    # As people know it, where that is not what the device said.
    revised_status: str = ""
    revised_ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A step the exam may have been for, and why it is offered."""

    step: StepLine
    patient: PatientLine
    order: str
    accession_number: str
    why: str


def unmatched() -> QuerySet[PerformedProcedureStep]:
    """Exams that fit no order; what was made from images needs none."""
    return PerformedProcedureStep.objects.filter(
        match__in=_WITHOUT_ORDER, resolved_at=None
    ).order_by("-started_at", "-id")


def unmatched_by_station() -> list[tuple[str, int]]:
    """How many exams of each device fit no order, the most first: what one device did at once."""
    rows = unmatched().order_by().values_list("station_ae_title").annotate(count=Count("pk"))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def stuck() -> QuerySet[PerformedProcedureStep]:
    """Exams in progress for longer than any exam takes."""
    return PerformedProcedureStep.objects.filter(
        status=PerformedStatus.IN_PROGRESS.value,
        match=Match.MATCHED.value,
        started_at__lt=timezone.now() - timedelta(hours=STUCK_HOURS),
    ).order_by("started_at", "id")


def with_lines(rows: QuerySet[PerformedProcedureStep]) -> QuerySet[PerformedProcedureStep]:
    return (
        rows.select_related("patient__merged_into", "order")
        .defer("dataset")
        .prefetch_related(
            Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "steps",
                queryset=ScheduledProcedureStep.objects.select_related(
                    "procedure", "device__room__site", "appointment"
                ).order_by("id"),
            ),
        )
    )


def performed_rows(
    rows: QuerySet[PerformedProcedureStep], limit: int = 100
) -> list[PerformedProcedureStep]:
    """With what :func:`performed_line` reads."""
    return list(with_lines(rows)[:limit])


def performed_lines(
    rows: QuerySet[PerformedProcedureStep], limit: int = 100
) -> list[PerformedLine]:
    return [performed_line(row) for row in performed_rows(rows, limit)]


def performed_line(row: PerformedProcedureStep) -> PerformedLine:
    return PerformedLine(
        public_id=str(row.public_id),
        sop_instance_uid=row.sop_instance_uid,
        match=row.match,
        status=row.status,
        origin=row.origin,
        started_at=row.started_at,
        ended_at=row.ended_at,
        station=row.station_ae_title,
        modality=row.modality,
        description=row.description,
        patient_name=PersonName.as_sent(row.patient_name),
        patient_identifier=row.patient_identifier,
        patient_birth_date=row.patient_birth_date,
        accession_numbers=_named(row, "accession_number"),
        step_ids=_named(row, "step_id"),
        patient=line(row.patient) if row.patient else None,
        flags=tuple(row.flags),
        steps=tuple(step_line(step) for step in row.steps.all()),
        order=str(row.order.public_id) if row.order else "",
        revised_status=row.revised_status,
        revised_ended_at=row.revised_ended_at,
    )


def _named(row: PerformedProcedureStep, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item[key] for item in row.references if item.get(key)))


def _studies(row: PerformedProcedureStep) -> tuple[str, ...]:
    """The study it was performed as, and those ordered that the device said it was for."""
    uids = [uid for item in row.references for uid in item.get("referenced_study_uids", ())]
    return tuple(dict.fromkeys([*_named(row, "study_instance_uid"), *uids]))


def find_performed(public_id: str) -> PerformedProcedureStep:
    """The performed step; raises UnknownKeyError."""
    try:
        return with_lines(PerformedProcedureStep.objects.all()).get(public_id=public_id)
    except (PerformedProcedureStep.DoesNotExist, ValueError, TypeError):
        raise UnknownKeyError("no such performed step") from None


def candidates(performed: PerformedProcedureStep, text: str = "") -> list[Candidate]:
    """Steps the exam may have been for, the likeliest first.

    By a number the device named, by its patient's number, by its station and day; with ``text``,
    by accession or patient number.
    """
    rows = ScheduledProcedureStep.objects.exclude(
        procedure__order__status=OrderStatus.ENTERED_IN_ERROR.value
    )
    text = text.strip()
    if not text:  # who was canceled is found by its number, and opened again
        rows = rows.exclude(status=StepStatus.CANCELED.value)
    groups: list[tuple[str, QuerySet[ScheduledProcedureStep]]] = []
    if text:
        groups.append(
            (
                "found by number",
                rows.filter(
                    Q(procedure__order__accession_number=text)
                    | Q(procedure__order__patient__identifiers__value=text)
                    | Q(step_id=text)
                ),
            )
        )
    else:
        # Each number by itself, so that each is found by its index.
        for field, numbers in (
            ("procedure__order__accession_number", _named(performed, "accession_number")),
            ("step_id", _named(performed, "step_id")),
            ("procedure__procedure_id", _named(performed, "procedure_id")),
            ("procedure__study_instance_uid", _studies(performed)),
            ("procedure__order__placer_order_number", _named(performed, "placer_order_number")),
            ("procedure__order__filler_order_number", _named(performed, "filler_order_number")),
        ):
            if numbers:
                groups.append(
                    ("a number the device sent", rows.filter(**{f"{field}__in": numbers}))
                )
        if performed.patient_identifier:
            groups.append(
                (
                    "the same patient number",
                    rows.filter(
                        procedure__order__patient__identifiers__value=performed.patient_identifier
                    ),
                )
            )
        zone = zone_of_device(performed.station_ae_title)
        day = timezone.localdate(performed.started_at, zone)
        groups.append(
            (
                "the same device and day",
                rows.filter(
                    Q(station_ae_title=performed.station_ae_title)
                    | Q(modality=performed.modality, station_ae_title=""),
                    start_at__gte=midnight(day, zone),
                    start_at__lt=midnight(day + timedelta(days=1), zone),
                ),
            )
        )
    found: dict[int, Candidate] = {}
    for why, group in groups:
        for step in _with_patient(group)[:20]:
            found.setdefault(step.pk, _candidate(step, why))
    return list(found.values())[:30]


def _with_patient(rows: QuerySet[ScheduledProcedureStep]) -> QuerySet[ScheduledProcedureStep]:
    return (
        rows.select_related(
            "procedure__order__patient__merged_into", "device__room__site", "appointment"
        )
        .prefetch_related(
            Prefetch("procedure__order__patient__identifiers", queryset=IDENTIFIERS.queryset)
        )
        .distinct()
        .order_by("-start_at", "-id")
    )


def _candidate(step: ScheduledProcedureStep, why: str) -> Candidate:
    order = step.procedure.order
    return Candidate(
        step=step_line(step),
        patient=line(order.patient),
        order=str(order.public_id),
        accession_number=order.accession_number,
        why=why,
    )


def _overlapping() -> QuerySet[Appointment]:
    """Appointments of today or to come that were booked over others which are still there."""
    today = midnight(timezone.localdate(), timezone.get_default_timezone())
    others = Booking.objects.filter(
        resource=OuterRef("resource"),
        live=True,
        start_at__lt=OuterRef("end_at"),
        start_at__gt=today - LONGEST,
        end_at__gt=OuterRef("start_at"),
    ).exclude(appointment=OuterRef("appointment"))
    own = Booking.objects.filter(Exists(others), appointment=OuterRef("pk"), live=True)
    return Appointment.objects.filter(
        Exists(own), overbooked=True, status=AppointmentStatus.BOOKED.value, start_at__gte=today
    )


def double_booked() -> Sequence[AppointmentLine]:
    return appointment_lines(_overlapping())


def stuck_messages() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(state__in=STUCK_MESSAGE, resolved_at=None).order_by("-id")


# What orders come as: ORM^O01, OMG^O19, OMI^O23, POST ServiceRequest.
_ORDERS = Q(message_type__startswith="O") & Q(message_type__contains="^O") | Q(
    message_type__endswith=" ServiceRequest"
)


def failed_orders() -> QuerySet[InboundMessage]:
    """Messages with orders that did not become orders."""
    return stuck_messages().filter(_ORDERS)


def stuck_deliveries() -> QuerySet[Delivery]:
    """What did not get out: results first, for somebody waits for each of them."""
    is_other = Case(When(report__isnull=False, then=0), default=1)
    rows = Delivery.objects.filter(state__in=STUCK_DELIVERY)
    return rows.alias(is_other=is_other).order_by("is_other", "-id")


def counts() -> dict[str, int]:
    """How many of each kind; the number a page shows before anybody opens it."""
    return {
        "performed": unmatched().count(),
        "stuck": stuck().count(),
        "follow_ups": open_follow_ups().count(),
        "messages": stuck_messages().count(),
        "deliveries": stuck_deliveries().count(),
        "double_booked": _overlapping().count(),
        "not_offered": worklist_quality.not_offered().count(),
        "reviews": patient_records.open_reviews().count(),
        "visits": patient_records.ended_with_orders().count(),
        "doses": dose_waiting.waiting().count(),
        "images": availability.differing().count(),
    }
