"""Change an order: only what is said; identifiers, UIDs and bookings stay."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.errors import (
    StateConflictError,
)
from ris.domain.orders import (
    PERFORMED,
    OrderRevised,
    PlacedOrder,
    ProcedureRequest,
    ReviseOrder,
    StepRequest,
    StepStatus,
)
from ris.models import (
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import patients
from ris.services._context import Context
from ris.services._locks import steps_of_order
from ris.services._transition import touch
from ris.services.orders.details import apply_details
from ris.services.orders.finding import placed, require, require_live
from ris.services.orders.procedures import create_procedure, definition_for, schedule_wishes
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
    changed += _revise_procedures(order, command.procedures, context)
    if changed:
        # The worklist answers are keyed by the step's version.
        for step in steps_of_order(order):
            touch(step)
        context.emit(
            OrderRevised(order=str(order.public_id), changed=tuple(dict.fromkeys(changed))),
            subject=order,
        )
    return placed(order, created=False)


def _revise_procedures(
    order: Order, requests: Sequence[ProcedureRequest], context: Context
) -> list[str]:
    stored = list(order.procedures.order_by("id"))
    changed: list[str] = []
    for position, request in enumerate(requests):
        procedure = _match_procedure(stored, request, position)
        if procedure is None:
            schedule_wishes(create_procedure(order, request), context)
            changed.append("procedures")
            continue
        changed += _revise_procedure(procedure, request, context)
    return changed


def _match_procedure(
    stored: list[RequestedProcedure], request: ProcedureRequest, position: int
) -> RequestedProcedure | None:
    for procedure in stored:
        if (
            request.study_instance_uid
            and procedure.study_instance_uid == request.study_instance_uid
        ):
            return procedure
        if request.procedure_id and procedure.procedure_id == request.procedure_id:
            return procedure
    if request.study_instance_uid or request.procedure_id:
        return stored[position] if len(stored) == 1 and position == 0 else None
    return stored[position] if position < len(stored) else None


def _revise_procedure(
    procedure: RequestedProcedure, request: ProcedureRequest, context: Context
) -> list[str]:
    changed: list[str] = []
    steps = list(
        procedure.steps.select_for_update(of=("self",))
        .select_related("appointment", "device", "procedure__order__patient")
        .order_by("id")
    )
    started = any(StepStatus(step.status) in PERFORMED for step in steps)
    if request.code.value and request.code.value != procedure.code_value:
        if started:
            raise StateConflictError("the exam was started: its code stays", path="OBR-4")
        definition = definition_for(request.code)
        procedure.definition = definition
        procedure.code_value = request.code.value
        procedure.code_scheme = request.code.scheme
        procedure.code_version = request.code.version
        procedure.code_meaning = (
            request.code.meaning or (definition.meaning if definition else "")
        )[:200]
        procedure.description = (request.description or procedure.code_meaning)[:200]
        procedure.save()
        changed.append("code")
        for step in steps:
            step.description = procedure.description[:64]
            if definition is not None and not request.steps:
                step.modality = definition.modality
            touch(step, "description", "modality")
    for position, wish in enumerate(request.steps):
        target = next((s for s in steps if wish.step_id and s.step_id == wish.step_id), None)
        if target is None and position < len(steps) and not wish.step_id:
            target = steps[position]
        if target is None and len(steps) == len(request.steps) == 1:
            target = steps[0]
        if target is not None:
            changed += _revise_step(target, wish, context)
    return changed


def _revise_step(step: ScheduledProcedureStep, wish: StepRequest, context: Context) -> list[str]:
    changed: list[str] = []
    if wish.modality and wish.modality.upper() != step.modality:
        step.modality = wish.modality.upper()
        changed.append("modality")
    if wish.description and wish.description[:64] != step.description:
        step.description = wish.description[:64]
        changed.append("description")
    if wish.performing_physician and str(wish.performing_physician) != step.performing_physician:
        step.performing_physician = str(wish.performing_physician)
        changed.append("performing_physician")
    if changed:
        touch(step, *changed)
    if wish.start_at is not None and wish.start_at != step.start_at:
        step.wished_at = wish.start_at
        touch(step, "wished_at")
        calendar.schedule_as_ordered(step, context, station=wish.station_ae_title)
        changed.append("start_at")
    return changed
