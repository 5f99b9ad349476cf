"""Appointments, and what participants said to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from ris.domain.scheduling import (
    OCCUPYING,
    Answer,
    AppointmentStatus,
    NumberKind,
    Participant,
)
from ris.domain.values import Identifier
from ris.models import (
    Appointment,
    AppointmentAnswer,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.orders import appointment_view
from ris.selectors.search import terms
from ris.selectors.search.criteria import AnswerCriteria, AppointmentCriteria
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.index import Leading
from ris.selectors.search.load import by_number
from ris.selectors.search.requests import (
    of_patient,
    orders_named,
    orders_requested,
    patient_identifier,
    procedures_requested,
)
from ris.selectors.search.terms import CodeTerm
from ris.selectors.search.views import AnswerHit, AppointmentHit
from ris.selectors.slot_ids import read_slot_id, slot_id, slot_key

# Usually one step has the appointment; where several share it, the first one speaks for them. One
# that was canceled has none any more, and says itself which order it was for.

_TAKING = sorted(status.value for status in OCCUPYING)
_ACTORS = ("patient__public_id", "device__public_id", "device__room__public_id")
_FIRST_STEP = ScheduledProcedureStep.objects.filter(appointment=OuterRef("pk")).order_by("id")
_STEP_STATUS = Subquery(_FIRST_STEP.values("status")[:1])
_ORDER_STATUS = Coalesce(
    Subquery(_FIRST_STEP.values("procedure__order__status")[:1]), F("order__status")
)
_APPOINTMENT_UPDATED = Greatest(
    F("updated_at"),
    Coalesce(Subquery(_FIRST_STEP.values("updated_at")[:1]), F("updated_at")),
    Coalesce(
        Subquery(_FIRST_STEP.values("procedure__order__updated_at")[:1]),
        F("order__updated_at"),
        F("updated_at"),
    ),
)


def _appointments(criteria: AppointmentCriteria) -> QuerySet[Appointment] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "patient")
    if criteria.start:
        found &= ~Q(status=AppointmentStatus.PROPOSED.value)
        found &= terms.every(criteria.start, terms.instant("start_at"))
    found &= terms.keys("device__public_id", criteria.stations)
    found &= terms.keys("device__room__public_id", criteria.rooms)
    for alternatives in criteria.actors:
        found &= terms.among(_ACTORS, alternatives)
    found &= _of_order(criteria)
    for numbers in criteria.identifiers:
        either = terms.NOTHING
        for number in numbers:
            either |= terms.identifier("numbers__value", "numbers__issuer")(number)
        found &= Q(pk__in=Appointment.objects.filter(either).values("pk"))
    for wanted in criteria.slots:
        found &= _in_slots(each for each in wanted if isinstance(each, str))
    rows = Appointment.objects.all()
    if criteria.states is not None:
        rows = rows.annotate(step_status=_STEP_STATUS, order_status=_ORDER_STATUS)
        found &= terms.product(("status", "step_status", "order_status"), criteria.states)
    if criteria.updated:
        found &= terms.changed(criteria.updated, _changed)
        rows = rows.annotate(last_change=_APPOINTMENT_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of appointments that changed, or whose step or order did."""
    rows = Appointment.objects
    orders = Order.objects.filter(then("updated_at")).values("pk")
    procedures = RequestedProcedure.objects.filter(order__in=orders).values("pk")
    steps = ScheduledProcedureStep.objects.filter(appointment__isnull=False)
    return (
        rows.filter(then("updated_at"))
        .values("pk")
        .union(
            rows.filter(order__in=orders).values("pk"),
            steps.filter(then("updated_at")).values("appointment_id"),
            steps.filter(procedure__in=procedures).values("appointment_id"),
        )
    )


def _of_order(criteria: AppointmentCriteria) -> Q:
    found = Q()
    with_steps = ScheduledProcedureStep.objects.filter(appointment__isnull=False)
    for alternatives in criteria.requests:
        of_steps = with_steps.filter(procedure__in=procedures_requested(alternatives))
        own = Appointment.objects.filter(order__in=orders_requested(alternatives))
        found &= Q(pk__in=own.values("pk").union(of_steps.values("appointment_id")))
    found &= terms.every(
        criteria.request_identifiers,
        lambda term: Q(
            pk__in=Appointment.objects.filter(order__in=orders_named(term))
            .values("pk")
            .union(
                with_steps.filter(procedure__order__in=orders_named(term)).values("appointment_id")
            )
        ),
    )
    for alternatives in criteria.visits:
        wanted = terms.among(("procedure__order__visit__public_id",), alternatives)
        found &= Q(pk__in=with_steps.filter(wanted).values("appointment_id"))

    def of_code(term: CodeTerm) -> Q:
        condition = terms.code("procedure__code_value", "procedure__code_scheme")(term)
        return Q(pk__in=with_steps.filter(condition).values("appointment_id"))

    found &= terms.every(criteria.codes, of_code)

    def for_reason(term: CodeTerm) -> Q:
        orders = Order.objects.filter(_reason(term)).values("pk")
        theirs = with_steps.filter(procedure__order__in=orders).values("appointment_id")
        return Q(pk__in=Appointment.objects.filter(order__in=orders).values("pk").union(theirs))

    return found & terms.every(criteria.reasons, for_reason)


def _reason(term: CodeTerm) -> Q:
    """Why an order was placed; words are those of the reason or of its code."""
    found = terms.code("reason_code__value", "reason_code__scheme")(term)
    return found | Q(reason__istartswith=term.meaning) if term.meaning else found


_WITH_REASON = Order.objects.exclude(reason="", reason_code={}).values("pk")


def _in_slots(ids: Iterable[str]) -> Q:
    """At the time of one of these slots; a slot is named to the second."""
    found = terms.NOTHING
    for text in ids:
        key = read_slot_id(text)
        if key is not None:
            found |= Q(
                device=key.device,
                start_at__gte=key.start_at,
                start_at__lt=key.start_at + timedelta(seconds=1),
            )
    return found


def _load_appointments(public_ids: Sequence[str]) -> list[AppointmentHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    rows = {
        str(row.public_id): row
        for row in Appointment.objects.filter(public_id__in=keys)
        .select_related("device__room", "patient")
        .prefetch_related("numbers", "answers")
    }
    first: dict[int, ScheduledProcedureStep] = {}
    for step in (
        ScheduledProcedureStep.objects.filter(appointment__in=[row.pk for row in rows.values()])
        .select_related("procedure")
        .order_by("id")
    ):
        if step.appointment_id is not None:
            first.setdefault(step.appointment_id, step)
    others = [row.order_id for row in rows.values() if row.order_id and row.pk not in first]
    orders = by_number([*(step.procedure.order_id for step in first.values()), *others])
    places = {
        step.public_id: (order, procedure, step)
        for order in orders.values()
        for procedure in order.procedures
        for step in procedure.steps
    }
    names = _names_of_orders(rows.values())
    found = []
    for public_id in public_ids:
        row = rows.get(public_id)
        view = appointment_view(row)
        if row is None or view is None:
            continue
        own = first.get(row.pk)
        order, procedure, shown = (
            places.get(str(own.public_id), (None, None, None))
            if own
            else (orders.get(names.get(row.pk, "")), None, None)
        )
        key = slot_key(row.device_id, row.start_at, row.end_at) if row.device_id else None
        found.append(
            AppointmentHit(
                view,
                str(row.patient.public_id) if row.patient else "",
                order,
                procedure,
                shown,
                device=str(row.device.public_id) if row.device else "",
                slot=slot_id(key) if key else "",
                reason=row.reason,
                comment=row.comment,
                wished=own is not None and own.wished_at is not None,
                answers={
                    str(each.key): Answer(each.answer)
                    for each in sorted(row.answers.all(), key=lambda each: each.pk)
                },
                numbers=tuple(
                    Identifier(
                        each.value,
                        each.issuer,
                        "PLAC" if each.kind == NumberKind.PLACER.value else "FILL",
                    )
                    for each in row.numbers.all()
                ),
            )
        )
    return found


def _names_of_orders(rows: Iterable[Appointment]) -> dict[int, str]:
    """Appointment → public id of the order it says itself that it is for."""
    wanted = {row.pk: row.order_id for row in rows if row.order_id}
    if not wanted:
        return {}
    found = Appointment.objects.filter(pk__in=wanted).values_list("pk", "order__public_id")
    return {pk: str(public_id) for pk, public_id in found}


appointments: Finder[AppointmentCriteria, AppointmentHit] = Finder(
    sources=(
        Source(
            _appointments,
            {"updated": _APPOINTMENT_UPDATED, "start": F("start_at")},
            paths={
                "patients": ("patient__public_id",),
                "stations": ("device__public_id",),
                "rooms": ("device__room__public_id",),
                "actors": _ACTORS,
                "requests": ("order__public_id",),
            },
            there={
                "identifiers": Q(numbers__isnull=False),
                "slots": Q(device__isnull=False, status__in=_TAKING),
                "codes": Q(steps__isnull=False),
                "reasons": Q(order__in=_WITH_REASON) | Q(steps__procedure__order__in=_WITH_REASON),
                "requests": Q(order__isnull=False) | Q(steps__isnull=False),
                "start": ~Q(status=AppointmentStatus.PROPOSED.value),
                "updated": Q(),
            },
            newest="updated_at",
        ),
    ),
    load=_load_appointments,
)

# --- answers


def _answers(criteria: AnswerCriteria) -> QuerySet[AppointmentAnswer] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.keys("appointment__public_id", criteria.appointments)
    of_kind = (
        (criteria.patients, Participant.PATIENT),
        (criteria.stations, Participant.DEVICE),
        (criteria.rooms, Participant.ROOM),
    )
    for ids, kind in of_kind:
        if ids:
            found &= Q(participant=kind.value) & terms.keys("key", ids)
    found &= terms.keys("key", criteria.actors)
    if criteria.patient_identifiers:
        found &= Q(participant=Participant.PATIENT.value)
        found &= terms.every(
            criteria.patient_identifiers, patient_identifier("appointment__patient")
        )
    if criteria.answers is not None:
        found &= Q(answer__in=sorted(answer.value for answer in criteria.answers))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return AppointmentAnswer.objects.filter(found)


def _load_answers(public_ids: Sequence[str]) -> list[AnswerHit]:
    rows = AppointmentAnswer.objects.filter(public_id__in=list(terms.as_keys(public_ids)))
    found = {
        str(row.public_id): AnswerHit(
            public_id=str(row.public_id),
            appointment=str(row.appointment.public_id),
            participant=Participant(row.participant),
            key=str(row.key),
            answer=Answer(row.answer),
            comment=row.comment,
            start_at=row.appointment.start_at,
            end_at=row.appointment.end_at,
            updated_at=row.updated_at,
        )
        for row in rows.select_related("appointment")
    }
    return [found[each] for each in public_ids if each in found]


def _keys_of(kind: Participant) -> Leading:
    return lambda rows: [rows.filter(participant=kind.value).order_by().values("key")]


answers: Finder[AnswerCriteria, AnswerHit] = Finder(
    sources=(
        Source(
            _answers,
            {"updated": F("updated_at")},
            paths={"appointments": ("appointment__public_id",), "actors": ("key",)},
            leading={
                "patients": _keys_of(Participant.PATIENT),
                "rooms": _keys_of(Participant.ROOM),
            },
            there={
                "actors": Q(),
                "patients": Q(participant=Participant.PATIENT.value),
                "rooms": Q(participant=Participant.ROOM.value),
                "updated": Q(),
            },
        ),
    ),
    load=_load_answers,
)
