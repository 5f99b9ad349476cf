"""Scheduled procedure steps and appointments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import DateTimeField, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from ris.models import Appointment, ScheduledProcedureStep
from ris.selectors.orders import appointment_view
from ris.selectors.search import terms
from ris.selectors.search.criteria import AppointmentCriteria, StepCriteria
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.load import by_number, orders_with
from ris.selectors.search.requests import of_order, of_patient, orders_named
from ris.selectors.search.views import AppointmentHit, StepHit

_NEVER = Value(datetime(9999, 12, 31, tzinfo=UTC), output_field=DateTimeField())

# --- steps

_STEP_UPDATED = Greatest("updated_at", "procedure__order__updated_at")


def _steps(criteria: StepCriteria) -> QuerySet[ScheduledProcedureStep] | None:
    if not criteria.possible:
        return None
    order = "procedure__order"
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, f"{order}__patient", f"{order}__visit")
    found &= of_order(criteria, order, "procedure")
    found &= terms.every(
        criteria.identifiers,
        lambda term: (
            Q(step_id=term.value) if term.issuer in {None, terms.STEP_ID} else terms.NOTHING
        ),
    )
    found &= terms.every(
        criteria.group_identifiers,
        terms.identifier(f"{order}__accession_number", f"{order}__accession_issuer"),
    )
    if criteria.states is not None:
        found &= terms.product(("status", f"{order}__status"), criteria.states)
    if criteria.statuses is not None:
        found &= terms.product(("status",), criteria.statuses)
    if criteria.priorities is not None:
        found &= terms.product((f"{order}__priority",), criteria.priorities)
    found &= terms.keys("device__public_id", criteria.stations)
    found &= terms.every(criteria.authored, terms.instant(f"{order}__ordered_at"))
    found &= terms.every(
        criteria.performed,
        lambda term: Q(
            pk__in=ScheduledProcedureStep.objects.filter(
                terms.period("performed__started_at", "performed__ended_at")(term),
                performed__isnull=False,
            ).values("pk")
        ),
    )
    rows = ScheduledProcedureStep.objects.all()
    if criteria.updated:
        rows = rows.annotate(last_change=_STEP_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _load_steps(public_ids: Sequence[str]) -> list[StepHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    found = {
        step.public_id: StepHit(order, procedure, step)
        for order in orders_with(Q(procedures__steps__public_id__in=keys), performed=True)
        for procedure in order.procedures
        for step in procedure.steps
    }
    return [found[each] for each in public_ids if each in found]


steps: Finder[StepCriteria, StepHit] = Finder(
    sources=(
        Source(
            _steps,
            {
                "updated": _STEP_UPDATED,
                "authored": F("procedure__order__ordered_at"),
                "start": Coalesce("start_at", _NEVER),
            },
        ),
    ),
    load=_load_steps,
)

# --- appointments
# Usually one step has the appointment; where several share it, the first one speaks for them.

_ACTORS = ("patient__public_id", "device__public_id", "device__room__public_id")
_FIRST_STEP = ScheduledProcedureStep.objects.filter(appointment=OuterRef("pk")).order_by("id")
_STEP_STATUS = Subquery(_FIRST_STEP.values("status")[:1])
_ORDER_STATUS = Subquery(_FIRST_STEP.values("procedure__order__status")[:1])
_APPOINTMENT_UPDATED = Greatest(
    F("updated_at"),
    Coalesce(Subquery(_FIRST_STEP.values("updated_at")[:1]), F("updated_at")),
    Coalesce(Subquery(_FIRST_STEP.values("procedure__order__updated_at")[:1]), F("updated_at")),
)


def _appointments(criteria: AppointmentCriteria) -> QuerySet[Appointment] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "patient")
    found &= terms.every(criteria.start, terms.instant("start_at"))
    found &= terms.keys("device__public_id", criteria.stations)
    found &= terms.keys("device__room__public_id", criteria.rooms)
    for alternatives in criteria.actors:
        found &= terms.among(_ACTORS, alternatives)
    with_steps = ScheduledProcedureStep.objects.filter(appointment__isnull=False)
    for alternatives in criteria.requests:
        wanted = terms.among(("procedure__public_id", "procedure__order__public_id"), alternatives)
        found &= Q(pk__in=with_steps.filter(wanted).values("appointment_id"))
    found &= terms.every(
        criteria.request_identifiers,
        lambda term: Q(
            pk__in=with_steps.filter(procedure__order__in=orders_named(term)).values(
                "appointment_id"
            )
        ),
    )
    for alternatives in criteria.visits:
        wanted = terms.among(("procedure__order__visit__public_id",), alternatives)
        found &= Q(pk__in=with_steps.filter(wanted).values("appointment_id"))
    rows = Appointment.objects.all()
    if criteria.states is not None:
        rows = rows.annotate(step_status=_STEP_STATUS, order_status=_ORDER_STATUS)
        found &= terms.product(("status", "step_status", "order_status"), criteria.states)
    if criteria.updated:
        rows = rows.annotate(last_change=_APPOINTMENT_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _load_appointments(public_ids: Sequence[str]) -> list[AppointmentHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    rows = {
        str(row.public_id): row
        for row in Appointment.objects.filter(public_id__in=keys).select_related(
            "device__room", "patient"
        )
    }
    first: dict[int, ScheduledProcedureStep] = {}
    for step in (
        ScheduledProcedureStep.objects.filter(appointment__in=[row.pk for row in rows.values()])
        .select_related("procedure")
        .order_by("id")
    ):
        if step.appointment_id is not None:
            first.setdefault(step.appointment_id, step)
    orders = by_number(step.procedure.order_id for step in first.values())
    places = {
        step.public_id: (order, procedure, step)
        for order in orders.values()
        for procedure in order.procedures
        for step in procedure.steps
    }
    found = []
    for public_id in public_ids:
        row = rows.get(public_id)
        view = appointment_view(row)
        if row is None or view is None:
            continue
        own = first.get(row.pk)
        place = places.get(str(own.public_id)) if own else None
        patient = str(row.patient.public_id) if row.patient else ""
        found.append(AppointmentHit(view, patient, *(place or (None,) * 3)))
    return found


appointments: Finder[AppointmentCriteria, AppointmentHit] = Finder(
    sources=(
        Source(
            _appointments,
            {"updated": _APPOINTMENT_UPDATED, "start": F("start_at")},
        ),
    ),
    load=_load_appointments,
)
