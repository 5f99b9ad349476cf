"""Place, revise, hold, cancel orders; add and cancel procedures and steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ris.domain.actors import Role
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import new_uid, require_accession_number, require_uid
from ris.domain.orders import (
    OPEN,
    ORDER,
    PERFORMED,
    STEP,
    AddProcedure,
    CancelOrder,
    CancelStep,
    CompleteInformation,
    DiscontinueOrder,
    HoldOrder,
    OrderCanceled,
    OrderDetails,
    OrderDiscontinued,
    OrderHeld,
    OrderPlaced,
    OrderReference,
    OrderReleased,
    OrderRevised,
    OrderTrigger,
    OrderVoided,
    PlacedOrder,
    PlaceOrder,
    Priority,
    ProcedureAdded,
    ProcedureRequest,
    ReleaseOrder,
    RepeatStep,
    ReviseOrder,
    StepCanceled,
    StepInformationCompleted,
    StepRepeated,
    StepRequest,
    StepStatus,
    StepTrigger,
    VoidOrder,
)
from ris.domain.values import Code, Identifier, PersonName, require_text
from ris.models import (
    Order,
    Patient,
    ProcedureDefinition,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.order_keys import criteria
from ris.services import _numbers, patients, scheduling
from ris.services._context import Context
from ris.services._locks import lock_step, steps_of_order
from ris.services._transition import move, restage, touch

# --- finding


def find(reference: OrderReference, *, lock: bool = True) -> Order | None:
    """The order meant. Raises DuplicateKeyError if its numbers belong to different orders."""
    rows = Order.objects.select_related("patient")
    if lock:
        rows = rows.select_for_update(of=("self",))
    found: dict[int, Order] = {}
    for filters in criteria(reference):
        order = rows.filter(**filters).first()
        if order is not None:
            found[order.pk] = order
    if len(found) > 1:
        raise DuplicateKeyError("the numbers belong to different orders", path="ORC-2")
    return next(iter(found.values()), None)


def require(reference: OrderReference) -> Order:
    order = find(reference)
    if order is None:
        raise UnknownKeyError("no such order", path="ORC-2")
    return order


# --- placing


def place_order(command: PlaceOrder, context: Context) -> PlacedOrder:
    if not command.procedures:
        raise MissingValueError("an order needs a procedure", path="OBR-4")
    known = find(OrderReference(placer=command.placer, filler=command.filler))
    fingerprint = _fingerprint(command)
    if known is not None:
        if known.fingerprint == fingerprint:
            return _placed(known, created=False)
        raise DuplicateKeyError(
            "an order with this number but other content is known already",
            path="ORC-2",
            details={"order": str(known.public_id)},
        )
    patient = patients.resolve(command.patient, context)
    if patient.deceased and not context.is_machine:
        raise StateConflictError("this patient is recorded as deceased")
    order = _create_order(command, patient, fingerprint, context)
    steps: list[ScheduledProcedureStep] = []
    for request in command.procedures:
        steps += create_procedure(order, request, strict=command.strict_catalog)
    context.emit(OrderPlaced(order=str(order.public_id), stage="REQUESTED"), subject=order)
    if not command.wait_for_scheduler:
        for step in steps:
            if step.wished_at is not None and step.modality:
                scheduling.schedule_as_ordered(step, context)
    return _placed(order, created=True)


def _fingerprint(command: PlaceOrder) -> str:
    """A digest of what was ordered for whom, to tell a repetition from a different order."""
    content = [
        sorted([i.issuer, i.value] for i in command.patient.identifiers),
        command.patient.public_id,
        [
            [
                p.code.value,
                p.code.scheme,
                p.study_instance_uid,
                p.laterality,
                [
                    [s.modality, s.station_ae_title, s.start_at.isoformat() if s.start_at else ""]
                    for s in p.steps
                ],
            ]
            for p in command.procedures
        ],
        command.details.priority.value if command.details.priority else "",
        command.details.reason or "",
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _placed(order: Order, *, created: bool) -> PlacedOrder:
    return PlacedOrder(
        public_id=str(order.public_id),
        filler_order_number=order.filler_order_number,
        accession_number=order.accession_number,
        study_instance_uids=tuple(
            order.procedures.order_by("id").values_list("study_instance_uid", flat=True)
        ),
        created=created,
    )


def _create_order(
    command: PlaceOrder, patient: Patient, fingerprint: str, context: Context
) -> Order:
    accession = command.accession or Identifier("")
    number = (
        require_accession_number(accession.value, "OBR-18")
        if accession.value
        else _numbers.accession_number(context)
    )
    if Order.objects.filter(accession_number=number, accession_issuer=accession.issuer).exists():
        raise DuplicateKeyError("this accession number belongs to another order", path="OBR-18")
    placer = command.placer or Identifier("")
    order = Order(
        patient=patient,
        visit=patients.record_visit(patient, command.visit),
        placer_order_number=require_text(
            placer.value, path="ORC-2", limit=64, name="placer order number"
        ),
        placer_issuer=placer.issuer,
        filler_order_number=(
            command.filler.value
            if command.filler and command.filler.value
            else _numbers.filler_order_number()
        ),
        accession_number=number,
        accession_issuer=accession.issuer,
        group_number=command.group_number,
        ordered_at=command.details.ordered_at or context.now,
        source_id=context.actor.endpoint_id,
        fingerprint=fingerprint,
    )
    _apply_details(order, command.details)
    order.save()
    return order


_TEXT_LIMITS = {"requesting_service": 64, "transport": 64, "entered_by": 324, "callback_phone": 250}


def _apply_details(order: Order, said: OrderDetails) -> list[str]:
    """Set what is said; returns the names of the fields that changed."""
    values: dict[str, Any] = {}
    if said.priority is not None:
        values["priority"] = Priority(said.priority).value
    for name in ("reason", "comments"):
        text = getattr(said, name)
        if text is not None:
            values[name] = text.strip()
    if said.reason_code is not None:
        values["reason_code"] = said.reason_code.as_json() if said.reason_code else {}
    for name in ("requester", "referring"):
        person: PersonName | None = getattr(said, name)
        if person is not None:
            values[name] = str(person)
    if said.requester_identifier is not None:
        values["requester_identifier"] = said.requester_identifier.value
        values["requester_issuer"] = said.requester_identifier.issuer
    for name, limit in _TEXT_LIMITS.items():
        text = getattr(said, name)
        if text is not None:
            values[name] = require_text(text, path=name, limit=limit, name=name)
    if said.ordered_at is not None:
        values["ordered_at"] = said.ordered_at
    changed = [name for name, value in values.items() if getattr(order, name) != value]
    for name in changed:
        setattr(order, name, values[name])
    return changed


# --- procedures and steps


def definition_for(code: Code) -> ProcedureDefinition | None:
    """The catalog's procedure for a code: by scheme and value, else by value if only one has it."""
    if not code.value:
        return None
    rows = list(ProcedureDefinition.objects.filter(code=code.value, active=True)[:3])
    exact = [row for row in rows if row.scheme == code.scheme]
    if exact:
        return exact[0]
    return rows[0] if len(rows) == 1 else None


def create_procedure(
    order: Order, request: ProcedureRequest, *, strict: bool = False
) -> list[ScheduledProcedureStep]:
    """Store a requested procedure with its steps: as ordered, else as the catalog has them."""
    definition = definition_for(request.code)
    if definition is None and strict:
        raise InvalidValueError("this procedure is not in the catalog", path="OBR-4")
    code = request.code
    if not code and not request.description:
        raise MissingValueError("a procedure needs a code or a text", path="OBR-4")
    meaning = code.meaning or (definition.meaning if definition else "") or request.description
    if len(code.value) > 64 or len(code.scheme) > 64:
        raise InvalidValueError("the procedure code is longer than 64 characters", path="OBR-4")
    laterality = (request.laterality or "").upper()[:1]
    if laterality not in {"", "L", "R", "B", "U"}:
        raise InvalidValueError("laterality is L, R, B or U", path="laterality")
    procedure = RequestedProcedure.objects.create(
        order=order,
        procedure_id=(
            require_text(request.procedure_id, path="OBR-19", limit=16, name="procedure id")
            or _numbers.procedure_id()
        ),
        study_instance_uid=(
            require_uid(request.study_instance_uid, "ZDS-1")
            if request.study_instance_uid
            else new_uid()
        ),
        definition=definition,
        code_value=code.value,
        code_scheme=code.scheme,
        code_meaning=meaning[:200],
        code_version=code.version,
        description=(request.description or meaning)[:200],
        laterality=laterality,
    )
    return [
        _create_step(procedure, step, definition, position)
        for position, step in enumerate(_wanted_steps(request, definition))
    ]


def _wanted_steps(
    request: ProcedureRequest, definition: ProcedureDefinition | None
) -> Sequence[StepRequest]:
    """The order's steps; where it names at most one, the catalog's steps with that one's wishes."""
    templates = list(definition.steps.all()) if definition else []
    if len(request.steps) > 1 or len(templates) <= 1:
        return request.steps or (StepRequest(),)
    first = request.steps[0] if request.steps else StepRequest()
    return [first, *(StepRequest() for _ in templates[1:])]


def _create_step(
    procedure: RequestedProcedure,
    request: StepRequest,
    definition: ProcedureDefinition | None,
    position: int,
) -> ScheduledProcedureStep:
    templates = list(definition.steps.all()) if definition else []
    template = templates[position] if position < len(templates) else None
    codes = [code.as_json() for code in request.protocol_codes]
    description = request.description or (
        template.description if template else procedure.description
    )
    return ScheduledProcedureStep.objects.create(
        procedure=procedure,
        step_id=(
            require_text(request.step_id, path="OBR-20", limit=16, name="step id")
            or _numbers.step_id()
        ),
        modality=require_text(
            request.modality
            or (template.modality if template else definition.modality if definition else ""),
            path="OBR-24",
            limit=16,
            name="modality",
        ).upper(),
        station_ae_title=require_text(
            request.station_ae_title, path="station", limit=16, name="station AE title"
        ),
        station_name=request.station_name[:16],
        location=request.location[:16],
        duration_minutes=request.duration_minutes
        or (
            template.duration_minutes
            if template
            else definition.duration_minutes
            if definition
            else 30
        ),
        description=description[:64],
        protocol_codes=codes or (template.protocol_codes if template else []),
        performing_physician=str(request.performing_physician),
        contrast_agent=definition.contrast if definition else "",
        wished_at=request.start_at,
    )


def add_procedure(command: AddProcedure, context: Context) -> str:
    order = require(command.order)
    _require_live(order)
    steps = create_procedure(order, command.procedure)
    procedure = steps[0].procedure
    restage(procedure)
    touch(order)
    context.emit(
        ProcedureAdded(order=str(order.public_id), procedure=str(procedure.public_id)),
        subject=order,
    )
    for step in steps:
        if step.wished_at is not None and step.modality:
            scheduling.schedule_as_ordered(step, context)
    return str(procedure.public_id)


def _require_live(order: Order) -> None:
    if order.status not in {"ACTIVE", "ON_HOLD"}:
        raise StateConflictError(
            f"this order is {order.status.lower().replace('_', ' ')}", path="ORC-1"
        )


# --- changing


def revise_order(command: ReviseOrder, context: Context) -> PlacedOrder:
    order = require(command.order)
    if command.expected_version is not None and command.expected_version != order.version:
        raise StateConflictError("somebody else changed this order meanwhile")
    _require_live(order)
    changed = _apply_details(order, command.details)
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
    return _placed(order, created=False)


def _revise_procedures(
    order: Order, requests: Sequence[ProcedureRequest], context: Context
) -> list[str]:
    stored = list(order.procedures.order_by("id"))
    changed: list[str] = []
    for position, request in enumerate(requests):
        procedure = _match_procedure(stored, request, position)
        if procedure is None:
            steps = create_procedure(order, request)
            for step in steps:
                if step.wished_at is not None and step.modality:
                    scheduling.schedule_as_ordered(step, context)
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
        scheduling.schedule_as_ordered(step, context, station=wish.station_ae_title)
        changed.append("start_at")
    return changed


def hold_order(command: HoldOrder, context: Context) -> str:
    order = require(command.order)
    _refuse_if_started(order, "hold")
    move(order, ORDER, OrderTrigger.HOLD)
    _touch_steps(order)
    context.emit(OrderHeld(order=str(order.public_id), reason=command.reason), subject=order)
    return str(order.public_id)


def release_order(command: ReleaseOrder, context: Context) -> str:
    order = require(command.order)
    move(order, ORDER, OrderTrigger.RELEASE)
    _touch_steps(order)
    context.emit(OrderReleased(order=str(order.public_id)), subject=order)
    return str(order.public_id)


def _touch_steps(order: Order) -> None:
    for step in steps_of_order(order):
        touch(step)


def _refuse_if_started(order: Order, doing: str) -> None:
    for step in steps_of_order(order):
        if StepStatus(step.status) in PERFORMED:
            raise StateConflictError(
                f"cannot {doing}: the exam was started",
                path="ORC-1",
                details={"started": True},
            )


def cancel_order(command: CancelOrder, context: Context) -> str:
    order = require(command.order)
    _refuse_if_started(order, "cancel")
    announced = any(step.announced for step in steps_of_order(order))
    move(order, ORDER, OrderTrigger.CANCEL)
    _cancel_open_steps(order, command.reason, context)
    context.emit(
        OrderCanceled(
            order=str(order.public_id),
            reason=command.reason,
            by_placer=context.is_machine,
            announced=announced,
        ),
        subject=order,
    )
    return str(order.public_id)


def discontinue_order(command: DiscontinueOrder, context: Context) -> str:
    order = require(command.order)
    steps = steps_of_order(order)
    if not any(StepStatus(step.status) in PERFORMED for step in steps):
        # Nothing was performed yet: to stop is to cancel (IHE RAD TF-2 4.2, 4.3).
        return cancel_order(CancelOrder(order=command.order, reason=command.reason), context)
    if any(step.status == StepStatus.STARTED.value for step in steps):
        raise StateConflictError(
            "cannot discontinue: the exam is in progress", path="ORC-1", details={"started": True}
        )
    announced = any(step.announced for step in steps)
    move(order, ORDER, OrderTrigger.DISCONTINUE)
    _cancel_open_steps(order, command.reason, context)
    context.emit(
        OrderDiscontinued(
            order=str(order.public_id),
            reason=command.reason,
            by_placer=context.is_machine,
            announced=announced,
        ),
        subject=order,
    )
    return str(order.public_id)


def void_order(command: VoidOrder, context: Context) -> str:
    order = require(command.order)
    _refuse_if_started(order, "mark as entered in error")
    move(order, ORDER, OrderTrigger.VOID)
    _cancel_open_steps(order, command.reason, context)
    context.emit(OrderVoided(order=str(order.public_id), reason=command.reason), subject=order)
    return str(order.public_id)


def _cancel_open_steps(order: Order, reason: str, context: Context) -> None:
    for step in steps_of_order(order):
        if StepStatus(step.status) not in OPEN or step.status == StepStatus.STARTED.value:
            continue
        if step.status == StepStatus.NO_SHOW.value:
            continue  # its time is given back already
        scheduling.release(step, reason, context)
        move(step, STEP, StepTrigger.CANCEL)


def cancel_step(command: CancelStep, context: Context) -> None:
    step = lock_step(command.step)
    scheduling.release(step, command.reason, context)
    move(step, STEP, StepTrigger.CANCEL)
    order = step.procedure.order
    touch(order)
    context.emit(
        StepCanceled(order=str(order.public_id), step=str(step.public_id), reason=command.reason),
        subject=step,
        order=order,
    )


def repeat_step(command: RepeatStep, context: Context) -> str:
    step = lock_step(command.step)
    order = step.procedure.order
    _require_live(order)
    if step.status not in {StepStatus.DISCONTINUED.value, StepStatus.CANCELED.value}:
        raise StateConflictError("only a step that was stopped or canceled can be repeated")
    again = ScheduledProcedureStep.objects.create(
        procedure=step.procedure,
        step_id=_numbers.step_id(),
        modality=step.modality,
        duration_minutes=step.duration_minutes,
        description=step.description,
        protocol_codes=step.protocol_codes,
        contrast_agent=step.contrast_agent,
        comments=step.comments,
    )
    restage(step.procedure)
    touch(order)
    context.emit(
        StepRepeated(
            order=str(order.public_id), step=str(again.public_id), previous=str(step.public_id)
        ),
        subject=again,
        order=order,
    )
    return str(again.public_id)


def complete_information(command: CompleteInformation, context: Context) -> None:
    step = lock_step(command.step)
    if step.status != StepStatus.PENDING.value:
        raise StateConflictError("this step is scheduled already")
    step.modality = require_text(
        command.modality, path="modality", limit=16, name="modality"
    ).upper()
    if not step.modality:
        raise MissingValueError("a step needs a modality", path="modality")
    if command.description:
        step.description = require_text(
            command.description, path="description", limit=64, name="description"
        )
    if command.duration_minutes:
        step.duration_minutes = command.duration_minutes
    touch(step, "modality", "description", "duration_minutes")
    order = step.procedure.order
    context.emit(
        StepInformationCompleted(order=str(order.public_id), step=str(step.public_id)),
        subject=step,
        order=order,
    )
    if step.wished_at is not None:
        scheduling.schedule_as_ordered(step, context)


HANDLERS = {
    PlaceOrder: place_order,
    ReviseOrder: revise_order,
    HoldOrder: hold_order,
    ReleaseOrder: release_order,
    CancelOrder: cancel_order,
    DiscontinueOrder: discontinue_order,
    VoidOrder: void_order,
    AddProcedure: add_procedure,
    CancelStep: cancel_step,
    RepeatStep: repeat_step,
    CompleteInformation: complete_information,
}

_DESK = {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM}

PERMISSIONS = {
    PlaceOrder: _DESK,
    ReviseOrder: _DESK,
    HoldOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    ReleaseOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    CancelOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    DiscontinueOrder: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    VoidOrder: {Role.MANAGER, Role.SYSTEM},
    AddProcedure: {Role.SCHEDULER, Role.RADIOLOGIST, Role.INTERFACE, Role.SYSTEM},
    CancelStep: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    RepeatStep: {Role.SCHEDULER, Role.TECHNOLOGIST, Role.SYSTEM},
    CompleteInformation: {Role.SCHEDULER, Role.RADIOLOGIST, Role.SYSTEM},
}
