"""New orders, procedures and steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any

from django.db.models import CharField

from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.identifiers import require_accession_number
from ris.domain.order_events import (
    OrderPlaced,
    OrderReplaced,
    ProcedureAdded,
    StepInformationCompleted,
    StepRepeated,
)
from ris.domain.orders import (
    AddProcedure,
    CompleteInformation,
    OrderReference,
    OrderStatus,
    PlacedOrder,
    PlaceOrder,
    RepeatStep,
    ReviseOrder,
    StepStatus,
)
from ris.domain.places import Place
from ris.domain.values import Identifier, require_text
from ris.models import (
    EarlyCancellation,
    Order,
    Patient,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.services import _numbers, patients
from ris.services._context import Context
from ris.services._locks import lock_step
from ris.services._transition import restage, touch
from ris.services.orders import early
from ris.services.orders.details import apply_details
from ris.services.orders.ending import cancel, drop_step
from ris.services.orders.finding import find, placed, require, require_all, require_live
from ris.services.orders.procedures import (
    create_procedure,
    plan_procedure,
    schedule_wishes,
    store,
)
from ris.services.orders.revising import revise_order
from ris.services.scheduling import calendar

_TOO_EARLY = "canceled before it came"


def place_order(command: PlaceOrder, context: Context) -> PlacedOrder:
    if not command.procedures:
        raise MissingValueError("an order needs a procedure", path=Place.CODE)
    known = find(OrderReference(placer=command.placer, filler=command.filler))
    fingerprint = _fingerprint(command)
    if known is not None:
        if _is_repeated(known, command, fingerprint):
            _refuse_if_ended(known)
            return placed(known, created=False)
        if command.revise_known:
            return _revise_known(known, command, fingerprint, context)
        raise DuplicateKeyError(
            "an order with this number but other content is known already",
            path=Place.PLACER,
            details={"order": str(known.public_id)},
        )
    patient = patients.resolve(command.patient, context)
    if patient.deceased and not context.is_machine:
        raise StateConflictError("this patient is recorded as deceased")
    order = _create_order(command, patient, fingerprint, context)
    steps: list[ScheduledProcedureStep] = []
    for request in command.procedures:
        steps += plan_procedure(order, request, strict=command.strict_catalog)
    context.emit(OrderPlaced(order=str(order.public_id), stage="REQUESTED"), subject=order)
    _link_replaced(order, command.replaces, context)
    waiting = early.expected((command.placer, command.parent), context)
    if waiting:
        store(steps)
        steps = _cancel_early(order, steps, waiting, context)
    if not command.wait_for_scheduler:
        schedule_wishes(steps, context)
    if not waiting:
        store(steps)
    return placed(order, created=True)


def _cancel_early(
    order: Order,
    steps: Sequence[ScheduledProcedureStep],
    waiting: Sequence[EarlyCancellation],
    context: Context,
) -> list[ScheduledProcedureStep]:
    """Do what was asked for before the order came; the steps that are to be done all the same."""
    about = early.about(waiting, order)
    named = {procedure.pk for procedures in about.values() for procedure in procedures}
    left = [step for step in steps if step.procedure_id not in named]
    in_part = all(about.values()) and bool(left)
    for each, procedures in about.items():
        early.settle(each, order, context, in_part=in_part)
        if in_part:
            own = {procedure.pk for procedure in procedures}
            for step in steps:
                if step.procedure_id in own and step.status != StepStatus.CANCELED.value:
                    drop_step(step, each.reason or _TOO_EARLY, context)
    if about and not in_part:
        reason = next((each.reason for each in about if each.reason), _TOO_EARLY)
        cancel(order, reason, context, early=True)
        return []
    return left


def _link_replaced(order: Order, replaced: tuple[OrderReference, ...], context: Context) -> None:
    """Tie an order to those it stands for, which ``replace_order`` closed."""
    if not replaced:
        return
    old = [each for reference in replaced for each in require_all(reference)]
    for each in old:
        if each.status != OrderStatus.CANCELED.value:
            raise StateConflictError("the order to be replaced is not closed", path=Place.PLACER)
    order.replaces.set(old)
    context.emit(
        OrderReplaced(
            order=str(order.public_id), replaced=tuple(str(each.public_id) for each in old)
        ),
        subject=order,
    )


def _revise_known(
    known: Order, command: PlaceOrder, fingerprint: str, context: Context
) -> PlacedOrder:
    """Other content under a known number, from a placer whose new orders are also changes."""
    _refuse_if_ended(known)
    revised = revise_order(
        ReviseOrder(
            order=OrderReference(
                public_id=str(known.public_id), patient=command.patient.identifiers
            ),
            details=replace(command.details, ordered_at=None),  # that was the first time
            procedures=command.procedures,
            visit=command.visit,
            wait_for_scheduler=command.wait_for_scheduler,
        ),
        context,
    )
    known = require(OrderReference(public_id=str(known.public_id)))
    known.fingerprint = fingerprint
    touch(known, "fingerprint")
    return revised


def _refuse_if_ended(order: Order) -> None:
    """A new order under the number of one that was canceled would be accepted and never done."""
    status = OrderStatus(order.status)
    if status in {
        OrderStatus.CANCELED,
        OrderStatus.DISCONTINUED,
        OrderStatus.ENTERED_IN_ERROR,
    }:
        ended = status.value.lower().replace("_", " ")
        raise DuplicateKeyError(
            f"this order was {ended}; a new one needs a new number",
            path=Place.PLACER,
            details={"order": str(order.public_id)},
        )


# What a repetition may say otherwise: who typed it, and when; and where the patient is by now.
_BESIDE: dict[str, Any] = {
    "ordered_at": None,
    "entered_by": None,
    "entering_location": None,
    "remarks": (),
}
_HALF = 32


def _is_repeated(known: Order, command: PlaceOrder, fingerprint: str) -> bool:
    """Whether an order says the same as the one that is known, or less.

    What is taken for a repetition is not read any further, so nothing in it may be news.
    """
    if known.fingerprint == _fingerprint(command, named=True):
        return True
    patient = patients.find(command.patient)
    if patient is None or patient.pk != known.patient_id:
        return False  # by any of its numbers: merges change them, and accounts come and go
    if known.fingerprint == fingerprint:
        return True  # whatever became of the order since
    if known.fingerprint[:_HALF] != fingerprint[:_HALF]:
        return False
    said = command.accession
    if said is not None and (said.value, said.issuer) != (
        known.accession_number,
        known.accession_issuer,
    ):
        return False
    return not apply_details(copy(known), replace(command.details, **_BESIDE))


def _fingerprint(command: PlaceOrder, *, named: bool = False) -> str:
    """Two digests: of what was ordered, and with it of all that was said of the order.

    ``named``: with the numbers that the patient was named by, as of orders up to 0.1.
    """
    numbers = sorted([i.issuer, i.value] for i in command.patient.identifiers)
    content = [
        *([numbers, command.patient.public_id] if named else []),
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
    details = replace(command.details, **_BESIDE)
    said = [
        [each.name, repr(value)]
        for each in fields(details)
        if each.name not in _BESIDE and (value := getattr(details, each.name)) is not None
    ]
    whole = [*content, said, repr(command.accession)]
    digests = (hashlib.sha256(json.dumps(each).encode()).hexdigest() for each in (content, whole))
    return "".join(digest[:_HALF] for digest in digests)


def _is_accession_known(number: str, issuer: str) -> bool:
    return _OF_ACCESSION.first(number=number, issuer=issuer) is not None


_OF_ACCESSION = Select(
    lambda: Order.objects.only("pk").filter(
        accession_number=Given("number", CharField()), accession_issuer=Given("issuer", CharField())
    )
)


def new_accession_number(context: Context) -> str:
    """The next of ours; one that a placer used, because it has our form, is passed over."""
    number = _numbers.accession_number(context)
    while _is_accession_known(number, ""):
        number = _numbers.accession_number(context)
    return number


def _create_order(
    command: PlaceOrder, patient: Patient, fingerprint: str, context: Context
) -> Order:
    accession = command.accession or Identifier("")
    parent = command.parent or Identifier("")
    if accession.value:
        number = require_accession_number(accession.value, Place.ACCESSION)
        if _is_accession_known(number, accession.issuer):
            raise DuplicateKeyError(
                "this accession number belongs to another order", path=Place.ACCESSION
            )
    else:
        number = new_accession_number(context)
    placer = command.placer or Identifier("")
    order = Order(
        patient=patient,
        visit=patients.record_visit(patient, command.visit),
        placer_order_number=require_text(
            placer.value, path=Place.PLACER, limit=64, name="placer order number"
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
        parent_order_number=parent.value,
        parent_issuer=parent.issuer,
        ordered_at=command.details.ordered_at or context.now,
        source_id=context.actor.endpoint_id,
        fingerprint=fingerprint,
    )
    apply_details(order, command.details)
    order.save()
    return order


def add_procedure(command: AddProcedure, context: Context) -> str:
    order = require(command.order)
    require_live(order)
    steps = create_procedure(order, command.procedure)
    procedure = steps[0].procedure
    restage(procedure)
    touch(order)
    context.emit(
        ProcedureAdded(order=str(order.public_id), procedure=str(procedure.public_id)),
        subject=order,
    )
    schedule_wishes(steps, context)
    return str(procedure.public_id)


def repeat_step(command: RepeatStep, context: Context) -> str:
    step = lock_step(command.step)
    order = step.procedure.order
    require_live(order)
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
        command.modality, path=Place.MODALITY, limit=16, name="modality"
    ).upper()
    if not step.modality:
        raise MissingValueError("a step needs a modality", path=Place.MODALITY)
    if command.description:
        step.description = require_text(
            command.description, path=Place.DESCRIPTION, limit=64, name="description"
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
        calendar.schedule_as_ordered(step, context)
