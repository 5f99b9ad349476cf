"""Exams of one patient that are booked, moved and repeated together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    RisError,
    SlotTakenError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.exam_sets import (
    BookSeries,
    BookTogether,
    ExamsBookedTogether,
    ProceduresSequenced,
    SequenceProcedures,
    SeriesBooked,
    SeriesPlanned,
    SetItem,
)
from ris.domain.local_time import ended
from ris.domain.orders import (
    OrderDetails,
    PlaceOrder,
    Priority,
    ProcedureRequest,
    StepRequest,
    StepStatus,
)
from ris.domain.patients import PatientReference
from ris.domain.places import Place
from ris.domain.scheduling import AppointmentStatus, BookAppointment, RescheduleAppointment
from ris.domain.values import Code, Identifier, PersonName
from ris.models import Order, ProcedureDefinition, ProcedureSequence, ScheduledProcedureStep
from ris.selectors.linked import Lost, links_of, span_of
from ris.selectors.openings import exam_of
from ris.selectors.sets import apart_of
from ris.services._context import Context
from ris.services._execute import together
from ris.services._locks import lock_appointment, lock_orders, lock_step, public_key
from ris.services._transition import touch
from ris.services.scheduling.appointments import book_appointment, reschedule_appointment
from ris.services.scheduling.linked import apart, require_kept
from ris.services.scheduling.resources import (
    find_device,
    give_back,
    lock,
    require_patient_free,
    resources_of,
)
from ris.services.scheduling.rules import candidates_of

MOST_VISITS = 60
_TRIES = 3  # somebody may book what fitted a moment before


def book_together(command: BookTogether, context: Context) -> tuple[str, ...]:
    steps = _locked(command.items)
    if not command.overbook:
        _require_sequence(steps, command.items)
        _require_linked(steps, command.items)
    _lock_resources(steps, command.items)
    _make_room(steps)
    if not command.overbook:
        _require_patient_free(steps, command.items)
    # In order of time, so that a gap left by moving one is there for the next.
    turns = sorted(range(len(steps)), key=lambda index: command.items[index].start_at)
    booked: dict[int, str] = {}
    for index in turns:
        item = command.items[index]
        try:
            booked[index] = _place(item, command, context)
        except RisError as error:
            error.details["item"] = index
            raise
    order = steps[0].procedure.order
    appointments = tuple(booked[index] for index in range(len(steps)))
    context.emit(
        ExamsBookedTogether(order=str(order.public_id), appointments=appointments),
        subject=order,
        order=order,
    )
    return appointments


def _locked(items: Sequence[SetItem]) -> list[ScheduledProcedureStep]:
    """The steps, with all their orders locked first in one order."""
    keys = [public_key(item.step, "step") for item in items]
    if not keys or len(set(keys)) != len(keys):
        raise MissingValueError("a set needs exams, each once", path="items")
    orders = dict(
        ScheduledProcedureStep.objects.filter(public_id__in=keys).values_list(
            "public_id", "procedure__order_id"
        )
    )
    if len(orders) != len(keys):
        raise UnknownKeyError("no such step", path="items")
    found = lock_orders(orders.values())
    if len({order.patient_id for order in found}) != 1:
        raise InvalidValueError("the exams of a set are of one patient", path="items")
    return [lock_step(item.step) for item in items]


def _lock_resources(steps: Sequence[ScheduledProcedureStep], items: Sequence[SetItem]) -> None:
    """Everything any of them may take, in one order, before the first is looked at."""
    resources = [resource for item in items for resource in resources_of(find_device(item.device))]
    for step in steps:
        resources += candidates_of(step)
    lock(resources)


def _make_room(steps: Sequence[ScheduledProcedureStep]) -> None:
    """Give back what the steps have now: one may get the time that another leaves."""
    booked = [step.appointment for step in steps if step.appointment is not None]
    for appointment in sorted(booked, key=lambda each: each.pk):
        if appointment.status == AppointmentStatus.BOOKED.value:
            give_back(lock_appointment(str(appointment.public_id)))


def _require_patient_free(
    steps: Sequence[ScheduledProcedureStep], items: Sequence[SetItem]
) -> None:
    """No exam of the set beside another of it, nor beside what else the patient has."""
    spans = sorted(
        (item.start_at.astimezone(UTC), ended(item.start_at, _minutes(step, item)))
        for step, item in zip(steps, items, strict=True)
    )
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise SlotTakenError("the patient cannot have two exams at once", path=Place.START_AT)
    own = [step.appointment for step in steps if step.appointment is not None]
    patient = steps[0].procedure.order.patient_id
    for start, end in spans:
        require_patient_free(patient, start, end, but=own)


def _minutes(step: ScheduledProcedureStep, item: SetItem) -> int:
    return exam_of(step, item.duration_minutes).minutes_on(find_device(item.device))


def _require_sequence(steps: Sequence[ScheduledProcedureStep], items: Sequence[SetItem]) -> None:
    """Refuse an order or a gap that the catalog does not allow."""
    for each in apart_of(steps):
        first = items[each.first]
        ends_at = ended(first.start_at, _minutes(steps[each.first], first))
        gap = (items[each.then].start_at - ends_at).total_seconds() / 60
        if gap < each.least:
            lost = Lost.SOON
        elif each.most is not None and gap > each.most:
            lost = Lost.LATE
        else:
            continue
        one, other = steps[each.first], steps[each.then]
        raise apart(one, other, lost, each.least, each.most or 0, item=each.then)


def _require_linked(steps: Sequence[ScheduledProcedureStep], items: Sequence[SetItem]) -> None:
    """Nor lose the time to an exam that is none of the set."""
    pairs = [(step.appointment, item, step) for step, item in zip(steps, items, strict=True)]
    rows = {row.pk: (row, item, step) for row, item, step in pairs if row is not None}
    links = links_of([row for row, _item, _step in rows.values()])
    require_kept(
        links,
        {
            key: span_of(item.start_at, _minutes(step, item))
            for key, (_row, item, step) in rows.items()
        },
    )


def _place(item: SetItem, command: BookTogether, context: Context) -> str:
    step = lock_step(item.step)
    if step.status == StepStatus.SCHEDULED.value and step.appointment is not None:
        return reschedule_appointment(
            RescheduleAppointment(
                appointment=str(step.appointment.public_id),
                start_at=item.start_at,
                device=item.device,
                duration_minutes=item.duration_minutes,
                overbook=command.overbook,
                reason=command.reason,
            ),
            context,
            patient_free=True,
        )
    return book_appointment(
        BookAppointment(
            step=item.step,
            device=item.device,
            start_at=item.start_at,
            duration_minutes=item.duration_minutes,
            overbook=command.overbook,
            reason=command.reason,
        ),
        context,
        patient_free=True,
    )


# --- series


def book_series(command: BookSeries, context: Context) -> SeriesBooked:
    wanted = sorted(set(command.starts))
    if not wanted or len(wanted) > MOST_VISITS:
        raise InvalidValueError(f"a series has 1 to {MOST_VISITS} visits", path="starts")
    step = lock_step(command.step)
    order = step.procedure.order
    if not order.group_number:
        order.group_number = order.placer_order_number or order.accession_number
        touch(order, "group_number")
    refused: dict[datetime, str] = {}
    for _ in range(_TRIES):
        found, visits = _undoable(partial(_visits, step, wanted, command, context), context)
        if not found:
            break
        refused |= found
        wanted = [at for at in wanted if at not in refused]
        if command.all_or_none or not wanted:
            break
    if found:
        words = "; ".join(f"{at:%Y-%m-%d %H:%M}: {why}" for at, why in sorted(refused.items()))
        raise SlotTakenError(
            f"not every visit can be booked: {words}",
            path="starts",
            details={"refused": [[at.isoformat(), why] for at, why in sorted(refused.items())]},
        )
    context.emit(
        SeriesPlanned(
            order=str(order.public_id),
            orders=tuple(visit.order for visit in visits if visit.order),
            visits=len(visits),
        ),
        subject=order,
        order=order,
    )
    return SeriesBooked(
        appointments=tuple(visit.appointment for visit in visits),
        refused=tuple(sorted(refused.items())),
    )


@dataclass(frozen=True, slots=True)
class _Visit:
    appointment: str
    order: str  # that was placed for it; the first is of the order there was


class _RefusedError(Exception):
    """Some visits cannot be; what was done for the others is undone."""

    def __init__(self, refused: dict[datetime, str]) -> None:
        super().__init__("refused")
        self.refused = refused


def _undoable(
    work: Callable[[], list[_Visit]], context: Context
) -> tuple[dict[datetime, str], list[_Visit]]:
    """What ``work`` made, or which visits were refused; then nothing of it is left."""
    told = len(context.emitted)
    try:
        return {}, together(work)
    except _RefusedError as error:
        del context.emitted[told:]
        return error.refused, []


def _visits(
    step: ScheduledProcedureStep,
    starts: Sequence[datetime],
    command: BookSeries,
    context: Context,
) -> list[_Visit]:
    """All orders first, then all bookings: who places orders takes numbers before rooms."""
    keys = [(command.step, ""), *(_order_again(step, context) for _ in starts[1:])]
    refused: dict[datetime, str] = {}
    visits = []
    for start_at, (key, order) in zip(starts, keys, strict=True):
        wanted = BookAppointment(step=key, device=command.device, start_at=start_at)
        told = len(context.emitted)
        try:
            appointment = together(partial(book_appointment, wanted, context))
        except RisError as error:
            del context.emitted[told:]
            refused[start_at] = error.message
            continue
        visits.append(_Visit(appointment, order))
    if refused:
        raise _RefusedError(refused)
    return visits


def _order_again(step: ScheduledProcedureStep, context: Context) -> tuple[str, str]:
    """The same exam for the same reason, as an order of the same group: its step, and its key."""
    # Orders book what they say a time for, so that area cannot be needed before this one.
    from ris.services.orders.placing import place_order

    procedure = step.procedure
    order: Order = procedure.order
    placed = place_order(
        PlaceOrder(
            patient=PatientReference(public_id=str(order.patient.public_id)),
            group_number=order.group_number,
            details=OrderDetails(
                priority=Priority(order.priority),
                reason=order.reason,
                comments=order.comments,
                requester=PersonName.parse(order.requester),
                requester_identifier=Identifier(order.requester_identifier, order.requester_issuer),
                requesting_service=order.requesting_service,
                referring=PersonName.parse(order.referring),
                transport=order.transport,
                callback_phone=order.callback_phone,
                clinical_information=order.clinical_information,
                patient_state=order.patient_state,
                confidentiality=order.confidentiality,
                patient_confidentiality=order.patient_confidentiality,
                interpreter_language=order.interpreter_language,
            ),
            procedures=(
                ProcedureRequest(
                    code=Code(
                        procedure.code_value,
                        procedure.code_scheme,
                        procedure.code_meaning,
                        procedure.code_version,
                    ),
                    description=procedure.description,
                    laterality=procedure.laterality,
                    steps=(
                        StepRequest(
                            modality=step.modality,
                            duration_minutes=step.duration_minutes,
                            description=step.description,
                        ),
                    ),
                ),
            ),
        ),
        context,
    )
    key = (
        ScheduledProcedureStep.objects.filter(procedure__order__public_id=placed.public_id)
        .order_by("id")
        .values_list("public_id", flat=True)[0]
    )
    return str(key), placed.public_id


# --- what goes before what


def sequence_procedures(command: SequenceProcedures, context: Context) -> None:
    first, then = _definition(command.first), _definition(command.then)
    if first.pk == then.pk:
        raise InvalidValueError("an exam cannot go before itself", path="then")
    if command.remove:
        ProcedureSequence.objects.filter(first=first, then=then).delete()
    else:
        _require_no_circle(first, then)
        most = command.gap_at_most_minutes
        if command.gap_minutes < 0 or (most is not None and most < command.gap_minutes):
            raise InvalidValueError("the gap at most is not below the gap at least", path="gap")
        ProcedureSequence.objects.update_or_create(
            first=first,
            then=then,
            defaults={"gap_minutes": command.gap_minutes, "gap_at_most_minutes": most},
        )
    context.emit(
        ProceduresSequenced(
            first=str(first.public_id), then=str(then.public_id), removed=command.remove
        ),
        subject=first,
    )


def _definition(key: str) -> ProcedureDefinition:
    row = ProcedureDefinition.objects.filter(public_id=public_key(key, "procedure")).first()
    if row is None:
        raise UnknownKeyError("no such procedure", path="procedure")
    return row


def _require_no_circle(first: ProcedureDefinition, then: ProcedureDefinition) -> None:
    follows: dict[int, set[int]] = {}
    for before, after in ProcedureSequence.objects.values_list("first", "then"):
        follows.setdefault(before, set()).add(after)
    seen: set[int] = set()
    waiting = [then.pk]
    while waiting:
        at = waiting.pop()
        if at == first.pk:
            raise StateConflictError("these procedures would each have to go first")
        if at not in seen:
            seen.add(at)
            waiting += follows.get(at, ())
