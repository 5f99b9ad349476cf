"""Corrections by people: tie, untie, move, order, set right; each can be taken back.

What the device said stays as it came (PS3.4 F.7.2.2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_noop as noop

from ris.domain.corrections import (
    CorrectionKind,
    CorrectionUndone,
    MovePerformedStep,
    OrderPerformedStep,
    PerformedStepMoved,
    PerformedStepOrdered,
    PerformedStepRevised,
    RevisePerformedStep,
    UndoCorrection,
)
from ris.domain.discontinuation import FollowUpKind
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import new_uid, require_uid
from ris.domain.orders import (
    PERFORMED,
    OrderDetails,
    OrderReference,
    OrderStatus,
    PlacedOrder,
    PlaceOrder,
    ProcedureRequest,
    StepRequest,
    StepStatus,
    VoidOrder,
)
from ris.domain.patients import Demographics, PatientReference, Sex
from ris.domain.performing import Match, PerformedStatus, RelinkPerformedStep
from ris.domain.places import Place
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.models import (
    Order,
    Patient,
    PerformedCorrection,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import patients
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import touch
from ris.services.dose.performed import after_tying
from ris.services.orders.ending import void_order
from ris.services.orders.placing import place_order
from ris.services.performing.follow_ups import drop_follow_ups
from ris.services.performing.following import (
    bring_to_start,
    correct_end,
    follow,
    steps_named,
    steps_of,
)
from ris.services.performing.matching import named_by_people
from ris.services.performing.taking import Taken, taken_by_key
from ris.services.performing.telling import public_ids, tell
from ris.services.performing.tying import let_go, record, snapshot, tie


def _reason(text: str) -> str:
    if not text.strip():
        raise MissingValueError("a correction needs a reason", path="reason")
    return text.strip()


def _with_steps(public_id: str, steps: Sequence[str]) -> tuple[Taken, list[ScheduledProcedureStep]]:
    """The exam and the steps it is to have, with all orders concerned locked."""
    wanted = named_by_people(steps)
    taken = taken_by_key(public_id, [step.order for step in wanted])
    after = steps_named(taken.locked, [step.pk for step in wanted])
    orders = [step.procedure.order for step in after]
    if len({order.patient_id for order in orders}) > 1:
        raise StateConflictError("these steps belong to different patients")
    if any(order.status == OrderStatus.ENTERED_IN_ERROR.value for order in orders):
        raise StateConflictError("this order was entered in error")
    return taken, after


def relink_performed_step(command: RelinkPerformedStep, context: Context) -> None:
    reason = _reason(command.reason)
    taken, after = _with_steps(command.performed, command.steps)
    performed = taken.performed
    before = snapshot(performed, taken.steps)
    tie(taken, after, context, reason, patient=performed.patient)
    kind = CorrectionKind.LINKED if after else CorrectionKind.UNLINKED
    record(performed, kind, before, snapshot(performed, after), reason, context)
    after_tying(performed, context)


def quarantine(
    performed: PerformedProcedureStep,
    steps: Sequence[ScheduledProcedureStep],
    context: Context,
) -> None:
    """Take from its order what was made under the wrong worklist entry (SPS-04).

    Nothing of it is shown with the exam any more; a person says whose it is. The patient stays, so
    that who was told of it hears that it was an error.
    """
    before = snapshot(performed, steps)
    performed.steps.clear()
    performed.aliases.all().delete()
    performed.match = Match.QUARANTINED.value
    performed.order = None
    performed.save(update_fields=["match", "order"])
    drop_follow_ups(performed, context, "the exam was taken from this step")
    if steps:
        reason = noop("the device ended it with: incorrect worklist entry selected")
        after = snapshot(performed, ())
        record(performed, CorrectionKind.QUARANTINED, before, after, reason, context)


# --- the right patient


def move_performed_step(command: MovePerformedStep, context: Context) -> str:
    reason = _reason(command.reason)
    taken = taken_by_key(command.performed)
    performed = taken.performed
    patient = (
        patients.resolve(PatientReference(public_id=command.patient), context)
        if command.patient
        else _provisional(performed, context)
    )
    if performed.patient_id == patient.pk:
        raise StateConflictError("it is this patient's already")
    before = snapshot(performed, taken.steps)
    previous = before["patient"]
    stay = [step for step in taken.steps if step.procedure.order.patient_id == patient.pk]
    tie(taken, stay, context, reason, patient=patient, match=Match.UNSCHEDULED)
    after = snapshot(performed, stay)
    row = record(performed, CorrectionKind.MOVED, before, after, reason, context)
    context.emit(
        PerformedStepMoved(
            performed=str(performed.public_id), previous_patient=previous, reason=reason
        ),
        subject=performed,
        patient=patient,
    )
    after_tying(performed, context)
    return str(row.public_id)


def _provisional(performed: PerformedProcedureStep, context: Context) -> Patient:
    """A record of whoever the device saw; a merge (ADT^A40) makes it one with the real one."""
    number = performed.patient_identifier
    identifiers = (
        (Identifier(number, performed.patient_issuer or patients.LOCAL_ISSUER, "MR"),)
        if number
        else ()
    )
    if identifiers:
        known = patients.find(PatientReference(identifiers=identifiers), lock=True)
        if known is not None:
            return known
    name = PersonName.as_sent(performed.patient_name)
    return patients.register(
        identifiers,
        Demographics(
            name=name or PersonName.of("Unknown", performed.performed_step_id[:32] or "patient"),
            birth_date=_birth_date(performed.patient_birth_date),
            sex=_sex(performed.patient_sex),
        ),
        context,
    )


def _birth_date(text: str) -> PartialDate | None:
    digits = text.strip()
    if len(digits) == 8 and digits.isdigit():
        digits = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    try:
        return PartialDate(digits) if digits else None
    except InvalidValueError:
        return None


def _sex(text: str) -> Sex | None:
    return Sex(text) if text in {"M", "F", "O"} else None


# --- an order of its own


def order_performed_step(command: OrderPerformedStep, context: Context) -> PlacedOrder:
    reason = _reason(command.reason)
    taken = taken_by_key(command.performed)
    performed = taken.performed
    if taken.steps:
        raise StateConflictError("this exam has an order already")
    if performed.patient is None:
        raise MissingValueError("say first whose exam it is", path="patient")
    _free_study(performed.study_instance_uid)
    before = snapshot(performed, ())
    placed = place_order(_order_for(command, performed), context)
    order = lock_orders(
        Order.objects.filter(public_id=placed.public_id).values_list("pk", flat=True)
    )[0]
    taken.locked[order.pk] = order
    steps = steps_of(taken.locked, order)
    done = [step for step in steps if step.modality == performed.modality] or steps[:1]
    context.emit(
        PerformedStepOrdered(
            performed=str(performed.public_id),
            order=placed.public_id,
            steps=public_ids(done),
            reason=reason,
        ),
        subject=performed,
        order=order,
    )
    tie(taken, done, context, reason)
    after = snapshot(performed, done)
    record(performed, CorrectionKind.ORDERED, before, after, reason, context, order)
    after_tying(performed, context)
    return placed


def _free_study(uid: str) -> None:
    """Let a new order have the study; raises DuplicateKeyError if another one has it.

    An order that was entered in error, as one made of the exam and taken back is, gets no exam any
    more and keeps none from its study.
    """
    known = RequestedProcedure.objects.filter(study_instance_uid=uid).values_list("pk", "order")
    for key, order_key in known if uid else ():
        (order,) = lock_orders([order_key])
        if order.status != OrderStatus.ENTERED_IN_ERROR.value:
            raise DuplicateKeyError("there is an order for this study: tie the exam to it")
        procedure = RequestedProcedure.objects.get(pk=key)
        procedure.study_instance_uid = new_uid()
        touch(procedure, "study_instance_uid")


def _own_uid(performed: PerformedProcedureStep) -> str:
    """The study as it was performed; one that breaks the rules stays another name of a new one."""
    try:
        return require_uid(performed.study_instance_uid, Place.STUDY)
    except InvalidValueError:
        return ""


def _order_for(command: OrderPerformedStep, performed: PerformedProcedureStep) -> PlaceOrder:
    """What the device said it did, as if it had been ordered so."""
    assert performed.patient is not None  # noqa: S101 - the caller has looked
    done = [Code.from_json(code) for code in performed.procedure_codes]
    code = command.code or next(iter(done), Code(""))
    words = command.description.strip() or performed.description or code.meaning
    step = StepRequest(
        modality=performed.modality,
        station_ae_title=performed.station_ae_title,
        station_name=performed.station_name,
        location=performed.location,
        description=performed.description[:64],
        protocol_codes=tuple(Code.from_json(one) for one in performed.protocol_codes),
    )
    return PlaceOrder(
        patient=PatientReference(public_id=str(performed.patient.public_id)),
        procedures=(
            ProcedureRequest(
                code=code,
                description=words or f"{performed.modality} without an order",
                study_instance_uid=_own_uid(performed),
                steps=(step,),
            ),
        ),
        details=OrderDetails(reason=command.reason.strip(), ordered_at=performed.started_at),
        wait_for_scheduler=True,  # its time is past; it is tied, not booked
    )


# --- how it ended


def revise_performed_step(command: RevisePerformedStep, context: Context) -> str:
    reason = _reason(command.reason)
    taken = taken_by_key(command.performed)
    performed = taken.performed
    if performed.status == PerformedStatus.IN_PROGRESS.value:
        raise StateConflictError("the device has not ended it: end it first")
    if command.status is PerformedStatus.IN_PROGRESS:
        raise InvalidValueError("an ended exam stays ended", path="status")
    before = snapshot(performed, taken.steps)
    changed = []
    if command.status is not None and command.status.value != performed.effective_status:
        performed.revised_status = command.status.value
        changed.append("status")
    if command.ended_at is not None and command.ended_at != performed.effective_end:
        if command.ended_at < performed.started_at:
            raise InvalidValueError("an exam ends after it began", path="ended_at")
        performed.revised_ended_at = command.ended_at
        changed.append("ended_at")
    if not changed:
        raise StateConflictError("it says so already")
    _save_ending(taken, context)
    drop_follow_ups(performed, context, reason[:500], kind=FollowUpKind.CLOSED)
    after = snapshot(performed, taken.steps)
    row = record(performed, CorrectionKind.REVISED, before, after, reason, context)
    tell(
        context,
        performed,
        taken.orders,
        taken.steps,
        lambda order, steps, leading: PerformedStepRevised(
            performed=str(performed.public_id),
            order=order,
            steps=steps,
            changed=tuple(changed),
            reason=reason,
            leading=leading,
        ),
    )
    return str(row.public_id)


def _save_ending(taken: Taken, context: Context) -> None:
    performed, steps = taken.performed, taken.steps
    touch(performed, "revised_status", "revised_ended_at")
    end = performed.effective_end
    if not performed.counts:
        let_go(steps, context, performed)
    elif steps and end is not None:
        for step in steps:
            if StepStatus(step.status) not in PERFORMED:
                bring_to_start(step, performed.started_at, context)
        correct_end(steps)
        follow(steps, performed)


# --- taken back


def undo_correction(command: UndoCorrection, context: Context) -> None:
    reason = _reason(command.reason)
    key = public_key(command.correction, "correction")
    row = PerformedCorrection.objects.select_related("performed", "order").filter(public_id=key)
    correction = row.first()
    if correction is None:
        raise UnknownKeyError("no such correction")
    before = correction.before
    taken, steps = _with_steps(str(correction.performed.public_id), before["steps"])
    correction.refresh_from_db(fields=["undone_at"])
    if correction.undone_at is not None:
        raise StateConflictError("this was taken back already")
    performed = taken.performed
    last = performed.corrections.filter(undone_at=None).order_by("-id").first()
    if last is None or last.pk != correction.pk:
        raise StateConflictError("something else was corrected since; take that back first")
    _put_back(correction, taken, steps, context, reason)
    correction.undone_at = context.now
    correction.undone_by = context.actor.display or context.actor.name
    correction.undone_reason = reason[:500]
    touch(correction, "undone_at", "undone_by", "undone_reason")
    context.emit(
        CorrectionUndone(
            performed=str(performed.public_id),
            correction=str(correction.public_id),
            kind=correction.kind,
            reason=reason,
            order=str(performed.order.public_id) if performed.order else "",
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )
    after_tying(performed, context)


def _put_back(
    correction: PerformedCorrection,
    taken: Taken,
    steps: Sequence[ScheduledProcedureStep],
    context: Context,
    reason: str,
) -> None:
    performed, before = taken.performed, correction.before
    performed.revised_status = before["revised_status"]
    performed.revised_ended_at = _moment(before["revised_ended_at"])
    if correction.kind == CorrectionKind.REVISED.value:
        _save_ending(taken, context)
        return
    patient = (
        patients.find(PatientReference(public_id=before["patient"])) if before["patient"] else None
    )
    tie(taken, steps, context, reason, patient=patient, match=Match(before["match"]))
    if not steps and before["order"]:
        performed.order = Order.objects.get(public_id=before["order"])
        touch(performed, "order")
    performed.resolved_note = before["resolved_note"]
    performed.resolved_at = _moment(before["resolved_at"])
    touch(performed, "resolved_note", "resolved_at")
    if correction.order is not None:
        # It was made of this exam and has nothing else.
        void = VoidOrder(
            order=OrderReference(public_id=str(correction.order.public_id)), reason=reason
        )
        void_order(void, context)


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
