"""Change an order: only what is said; identifiers, UIDs and bookings stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ris.domain.errors import (
    InvalidValueError,
    StateConflictError,
)
from ris.domain.long_strings import shortened
from ris.domain.order_events import OrderRevised
from ris.domain.orders import (
    PERFORMED,
    PlacedOrder,
    ProcedureRequest,
    ReviseOrder,
    StepRequest,
    StepStatus,
)
from ris.domain.places import Place
from ris.domain.values import require_text
from ris.models import (
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import patients
from ris.services._context import Context
from ris.services._locks import steps_of_order
from ris.services._transition import restage, touch
from ris.services.orders.details import apply_details
from ris.services.orders.finding import placed, require, require_live
from ris.services.orders.naming import has_code, has_identifier, has_step, identifies
from ris.services.orders.procedures import (
    create_procedure,
    known_code,
    plan_step,
    schedule_wishes,
    store,
)
from ris.services.orders.replanning import replan
from ris.services.scheduling import calendar


def revise_order(command: ReviseOrder, context: Context) -> PlacedOrder:
    order = require(command.order)
    if command.expected_version is not None and command.expected_version != order.version:
        raise StateConflictError("somebody else changed this order meanwhile")
    require_live(order)
    changed = apply_details(order, command.details)
    if command.visit is not None:
        visit = patients.record_visit(order.patient, command.visit)
        if visit is not None and visit.pk != order.visit_id:
            order.visit = visit
            changed.append("visit")
    if changed:
        touch(order, *changed)
    changed += _revise_procedures(order, command, context)
    if changed:
        # The worklist answers are keyed by the step's version.
        for step in steps_of_order(order):
            touch(step)
        context.emit(
            OrderRevised(order=str(order.public_id), changed=tuple(dict.fromkeys(changed))),
            subject=order,
        )
    return placed(order, created=False)


def _revise_procedures(order: Order, command: ReviseOrder, context: Context) -> list[str]:
    stored = list(order.procedures.prefetch_related("steps").order_by("id"))
    changed: list[str] = []
    for procedure, request in _matched(stored, command.procedures):
        if procedure is None and _is_split_off(order, request):
            continue
        if procedure is None:
            steps = create_procedure(order, request)
            if not command.wait_for_scheduler:
                schedule_wishes(steps, context)
            changed.append("procedures")
            continue
        changed += _revise_procedure(procedure, request, command, context)
    return changed


def _is_split_off(order: Order, request: ProcedureRequest) -> bool:
    """Whether a procedure the placer still counts to its order has an order of its own here."""
    if not order.placer_order_number:
        return False
    elsewhere = RequestedProcedure.objects.filter(
        order__parent_order_number=order.placer_order_number,
        order__parent_issuer=order.placer_issuer,
        order__placer_order_number="",
    ).prefetch_related("steps")
    return any(
        has_identifier(each, request) or has_step(each, request) or has_code(each, request)
        for each in elsewhere
    )


Matched = tuple[RequestedProcedure | None, ProcedureRequest]


def _matched(
    stored: list[RequestedProcedure], requests: Sequence[ProcedureRequest]
) -> list[Matched]:
    """Which procedure each request is about; None for one that is new.

    By identifiers, then by code among those that are left. What is left after that is meant by its
    position if as many are stored as are told of; otherwise a request with identifiers of its own
    or for one code more is new, and one that could mean several is refused.
    """
    free = list(stored)
    found: dict[int, RequestedProcedure | None] = {}

    def take(is_meant: Callable[[RequestedProcedure, ProcedureRequest], bool]) -> None:
        for number, request in enumerate(requests):
            if number in found:
                continue
            procedure = next((each for each in free if is_meant(each, request)), None)
            if procedure is not None:
                free.remove(procedure)
                found[number] = procedure

    take(has_identifier)
    take(has_step)
    take(lambda procedure, request: has_code(procedure, request) and not identifies(request))
    rest = [number for number in range(len(requests)) if number not in found]
    if len(rest) == len(free) and len(requests) == len(stored):
        found.update(zip(rest, free, strict=True))
    for number in rest:
        if number in found:
            continue
        request = requests[number]
        if free and not identifies(request) and len(requests) <= len(stored):
            raise InvalidValueError(
                "which procedure of the order is meant?", path=Place.PROCEDURE_ID
            )
        found[number] = None
    return [(found[number], request) for number, request in enumerate(requests)]


def _revise_procedure(
    procedure: RequestedProcedure,
    request: ProcedureRequest,
    command: ReviseOrder,
    context: Context,
) -> list[str]:
    changed: list[str] = []
    steps = list(
        procedure.steps.select_for_update(of=("self",))
        .select_related("appointment", "device", "procedure__order__patient")
        .order_by("id")
    )
    started = any(StepStatus(step.status) in PERFORMED for step in steps)
    named = {code.value for code in (request.code, *request.also)}
    if request.code.value and procedure.code_value not in named:
        if started:
            raise StateConflictError("the exam was started: its code stays", path=Place.CODE)
        code, definition = known_code(request)
        procedure.definition = definition
        procedure.code_value = code.value
        procedure.code_scheme = code.scheme
        procedure.code_version = code.version
        procedure.code_meaning = (code.meaning or (definition.meaning if definition else ""))[:200]
        procedure.description = (request.description or procedure.code_meaning)[:200]
        procedure.save()
        changed.append("code")
        wishes = {step.pk: wish for step, wish in _meant_steps(steps, request.steps)}
        waits = command.wait_for_scheduler
        replan(procedure, steps, request, wishes, context, wait_for_scheduler=waits)
    side = request.laterality.upper()[:1]
    if side and side != procedure.laterality:
        if started:
            raise StateConflictError("the exam was started: its side stays", path=Place.LATERALITY)
        procedure.laterality = side
        procedure.save(update_fields=["laterality", "updated_at"])
        changed.append("laterality")
    for step, wish in _meant_steps(steps, request.steps):
        changed += _revise_step(step, wish, command, context)
    return changed + _add_steps(procedure, steps, request.steps, command, context)


def _add_steps(
    procedure: RequestedProcedure,
    steps: Sequence[ScheduledProcedureStep],
    wishes: Sequence[StepRequest],
    command: ReviseOrder,
    context: Context,
) -> list[str]:
    """What is told of by numbers of steps that nobody knows: more steps, if there are more."""
    own = {step.step_id for step in steps}
    unknown = [wish for wish in wishes if wish.step_id and wish.step_id not in own]
    if not unknown or len(steps) == len(wishes) == 1:
        return []
    if len(wishes) <= len(steps):
        raise InvalidValueError("which step of the procedure is meant?", path=Place.STEP_ID)
    added = [
        plan_step(procedure, wish, procedure.definition, len(steps) + position)
        for position, wish in enumerate(unknown)
    ]
    store(added)
    restage(procedure)
    if not command.wait_for_scheduler:
        schedule_wishes(added, context)
    return ["steps"]


def _meant_steps(
    steps: list[ScheduledProcedureStep], wishes: Sequence[StepRequest]
) -> Iterator[tuple[ScheduledProcedureStep, StepRequest]]:
    """The step each wish is about, by its id, else by position; the others are left alone."""
    for position, wish in enumerate(wishes):
        target = next((s for s in steps if wish.step_id and s.step_id == wish.step_id), None)
        if target is None and position < len(steps) and not wish.step_id:
            target = steps[position]
        if target is None and len(steps) == len(wishes) == 1:
            target = steps[0]
        if target is not None:
            yield target, wish


def _revise_step(
    step: ScheduledProcedureStep, wish: StepRequest, command: ReviseOrder, context: Context
) -> list[str]:
    if StepStatus(step.status) in PERFORMED:
        return _revise_performed(step, wish)
    said = _said_of(wish)
    changed = [name for name, value in said.items() if getattr(step, name) != value]
    for name in changed:
        setattr(step, name, said[name])
    if changed:
        touch(step, *changed)
    return changed + _revise_time(step, wish, command, context)


def _said_of(wish: StepRequest) -> dict[str, Any]:
    """What is said of a step besides its time and place, by the names of its columns."""
    said: dict[str, Any] = {}
    if wish.modality:
        said["modality"] = wish.modality.upper()
    if wish.description:
        said["description"] = shortened(wish.description, 64)
    if wish.performing_physician:
        said["performing_physician"] = str(wish.performing_physician)
    if wish.protocol_codes:
        said["protocol_codes"] = [code.as_json() for code in wish.protocol_codes]
    return said


def _revise_performed(step: ScheduledProcedureStep, wish: StepRequest) -> list[str]:
    """What was started stays as it was planned; the same told again is no change."""
    is_new_time = wish.start_at is not None and wish.start_at not in (step.start_at, step.wished_at)
    if is_new_time:
        raise StateConflictError("the exam was started: its time stays", path=Place.START_AT)
    if wish.modality and wish.modality.upper() != step.modality:
        raise StateConflictError("the exam was started: its modality stays", path=Place.MODALITY)
    return []


def _revise_time(
    step: ScheduledProcedureStep, wish: StepRequest, command: ReviseOrder, context: Context
) -> list[str]:
    """Follow a new wish; one told before leaves the step where a scheduler put it."""
    is_new_time = wish.start_at is not None and wish.start_at not in (step.start_at, step.wished_at)
    # Where a scheduler put it, it stays: a station that is told again cannot be told from a wish.
    station = wish.station_ae_title if is_new_time or step.start_at is None else ""
    if not is_new_time and station in ("", step.station_ae_title):
        return []
    changed = ["start_at"] if is_new_time else []
    if is_new_time:
        step.wished_at = wish.start_at
        step.duration_minutes = wish.duration_minutes or step.duration_minutes
    if step.start_at is None and station:
        step.station_ae_title = require_text(
            station, path=Place.STATION, limit=16, name="station AE title"
        )
        changed.append("station_ae_title")
    touch(step, "wished_at", "duration_minutes", "station_ae_title")
    if is_new_time and step.modality and not command.wait_for_scheduler:
        calendar.schedule_as_ordered(step, context, station=station)
    return changed
