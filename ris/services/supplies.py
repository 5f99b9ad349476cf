"""Contrast, drugs and material: the catalog, what was used for a step, reactions to it."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.actors import Role
from ris.domain.discontinuation import FollowUpKind, reason_of
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import (
    PERFORMED,
    OrderReference,
    ProcedureRequest,
    ReviseOrder,
    StepStatus,
)
from ris.domain.supplies import (
    Agent,
    ChangeExam,
    DefaultSuppliesSet,
    DefineSupply,
    ExamChanged,
    ReactionRecorded,
    RecordReaction,
    RecordSupplies,
    SetDefaultSupplies,
    SuppliesRecorded,
    SupplyDefined,
    SupplyUsed,
)
from ris.domain.values import Code
from ris.models import (
    ProcedureDefinition,
    Reaction,
    ScheduledProcedureStep,
    Supply,
    SupplyDefault,
    SupplyUse,
)
from ris.selectors.resources import zone_at
from ris.services._context import Context
from ris.services._locks import lock_step, public_key
from ris.services._transition import touch
from ris.services.orders.revising import revise_order
from ris.services.patients.reviewing import propose_allergy
from ris.services.performing.follow_ups import raise_follow_up

MOST = 40  # things used for one step
_OVER = frozenset({StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value})
_NOT_TO_BE_DONE = frozenset(
    {StepStatus.CANCELED.value, StepStatus.NO_SHOW.value, StepStatus.PENDING.value}
)


def _who(context: Context) -> str:
    return (context.actor.display or context.actor.name)[:200]


# --- the catalog


def define_supply(command: DefineSupply, context: Context) -> str:
    code, name = command.code.strip(), command.name.strip()
    if not code or not name:
        raise MissingValueError("a code and a name", path="code" if not code else "name")
    if len(code) > 64 or len(name) > 120:
        raise InvalidValueError("too long", path="code" if len(code) > 64 else "name")
    if command.concentration is not None and command.concentration <= 0:
        raise InvalidValueError("a concentration is more than nothing", path="concentration")
    if command.concentration is not None and command.agent is Agent.NONE:
        raise InvalidValueError("a concentration of what?", path="agent")
    row = Supply.objects.select_for_update().filter(code=code).first() or Supply(code=code)
    row.name, row.unit = name, command.unit.strip()[:16] or "ml"
    row.kind, row.agent = command.kind.value, command.agent.value
    row.concentration = command.concentration
    row.lot_required = command.lot_required
    row.route = command.route.value if command.route else ""
    row.active = command.active
    row.save()
    context.emit(SupplyDefined(supply=str(row.public_id)), subject=row)
    return str(row.public_id)


def set_default_supplies(command: SetDefaultSupplies, context: Context) -> None:
    definition = (
        ProcedureDefinition.objects.select_for_update()
        .filter(public_id=public_key(command.procedure, "procedure"))
        .first()
    )
    if definition is None:
        raise UnknownKeyError("no such procedure", path="procedure")
    amounts = {}
    for key, amount in command.supplies:
        supply = _supply(key)
        if amount <= 0:
            raise InvalidValueError("an amount is more than nothing", path="amount")
        amounts[supply.pk] = amount
    SupplyDefault.objects.filter(definition=definition).delete()
    SupplyDefault.objects.bulk_create(
        SupplyDefault(definition=definition, supply_id=supply, amount=amount)
        for supply, amount in amounts.items()
    )
    context.emit(DefaultSuppliesSet(definition=str(definition.public_id)), subject=definition)


def _supply(key: str, *, active: bool = True) -> Supply:
    supply = Supply.objects.filter(public_id=public_key(key, "supply")).first()
    if supply is None:
        raise UnknownKeyError("no such supply", path="supply")
    if active and not supply.active:
        raise StateConflictError(f"{supply.name} is not used here any more", path="supply")
    return supply


# --- what was used


def record_supplies(command: RecordSupplies, context: Context) -> int:
    step = lock_step(command.step)
    if step.status in _NOT_TO_BE_DONE:
        raise StateConflictError("nothing is used for an exam that is not done")
    if len(command.supplies) > MOST:
        raise InvalidValueError(f"at most {MOST} things", path="supplies")
    before = list(step.supplies.select_for_update().filter(replaced_at=None).order_by("id"))
    if command.expected is not None and {str(row.public_id) for row in before} != set(
        command.expected
    ):
        raise StateConflictError("somebody else recorded supplies for this exam meanwhile")
    corrected = bool(before) and step.status in _OVER
    if corrected and not command.reason.strip():
        raise MissingValueError("the exam is over: say why it is corrected", path="reason")
    rows = [_used(step, used, context) for used in command.supplies]
    for row in before:
        row.replaced_at, row.replaced_by = context.now, _who(context)
        row.reason = command.reason.strip()[:200]
        touch(row, "replaced_at", "replaced_by", "reason")
    SupplyUse.objects.bulk_create(rows)
    order = step.procedure.order
    context.emit(
        SuppliesRecorded(
            order=str(order.public_id),
            step=str(step.public_id),
            items=tuple(
                (row.code, row.name, f"{row.amount.normalize():f}", row.unit, row.lot)
                for row in rows
            ),
            corrected=corrected,
            reason=command.reason.strip()[:200],
        ),
        subject=step,
        order=order,
    )
    return len(rows)


def _used(step: ScheduledProcedureStep, used: SupplyUsed, context: Context) -> SupplyUse:
    supply = _supply(used.supply, active=step.status not in _OVER)
    if not 0 < used.amount < 100_000:
        raise InvalidValueError(f"{supply.name}: the amount is a number above 0", path="amount")
    lot = used.lot.strip()[:40]
    if supply.lot_required and not lot:
        raise MissingValueError(f"{supply.name}: its lot number is required", path="lot")
    given_on = (step.start_at or context.now).astimezone(zone_at(step.device)).date()
    if used.expires_on is not None and used.expires_on < given_on:
        raise InvalidValueError(
            f"{supply.name}: this lot expired on {used.expires_on.isoformat()}", path="expires_on"
        )
    route = used.route.value if used.route else supply.route
    return SupplyUse(
        step=step,
        supply=supply,
        code=supply.code,
        name=supply.name,
        unit=supply.unit,
        kind=supply.kind,
        agent=supply.agent,
        concentration=supply.concentration,
        amount=used.amount,
        lot=lot,
        expires_on=used.expires_on,
        route=route,
        recorded_by=_who(context),
        recorded_at=context.now,
    )


# --- reactions


def record_reaction(command: RecordReaction, context: Context) -> str:
    """Note it with the exam, raise it for a person, and propose the allergy for a decision."""
    step = lock_step(command.step)
    if step.status in _NOT_TO_BE_DONE:
        raise StateConflictError("nothing was given for an exam that is not done")
    known = reason_of(command.code)
    if known is None:
        raise InvalidValueError("choose what happened from the list", path="code")
    supply = _supply(command.supply, active=False) if command.supply else None
    code = Code(known.value, known.scheme, known.meaning)
    reaction = Reaction.objects.create(
        step=step,
        supply=supply,
        code=code.as_json(),
        severity=command.severity.value,
        note=command.note.strip()[:1000],
        occurred_at=command.occurred_at or context.now,
        recorded_by=_who(context),
    )
    order = step.procedure.order
    context.emit(
        ReactionRecorded(
            order=str(order.public_id),
            step=str(step.public_id),
            reaction=str(reaction.public_id),
            code=code.value,
            severity=command.severity,
        ),
        subject=reaction,
        order=order,
    )
    words = f"{known.meaning}, {command.severity.value.lower()}"
    if supply is not None:
        words = f"{words}, after {supply.name}"
    performed = step.performed.order_by("-started_at", "-id").first()
    if performed is not None:
        raise_follow_up(performed, FollowUpKind.NOTE, context, step=step, reason=code, detail=words)
    if command.propose_allergy:
        cause = supply.name if supply is not None else "Substance not known"
        propose_allergy(order.patient, f"{cause}: {known.meaning.lower()}", context)
    return str(reaction.public_id)


# --- another exam than was ordered


def change_exam(command: ChangeExam, context: Context) -> None:
    """Change what is to be done while the patient is here; the order's numbers stay."""
    reason = command.reason.strip()
    if not reason:
        raise MissingValueError("say why the exam is changed", path="reason")
    step = lock_step(command.step)
    if command.expected_version is not None and command.expected_version != step.version:
        raise StateConflictError("somebody else changed this exam meanwhile")
    if StepStatus(step.status) in PERFORMED:
        raise StateConflictError("the exam was begun: what it is stays")
    request = _request(step, command)
    order = step.procedure.order
    before = len(context.emitted)
    revise_order(
        ReviseOrder(order=OrderReference(public_id=str(order.public_id)), procedures=(request,)),
        context,
    )
    changed: Sequence[str] = ()
    for emitted in context.emitted[before:]:
        changed = emitted.event.payload().get("changed", ())
    if not changed:
        raise InvalidValueError("that is what is ordered already", path="procedure")
    context.emit(
        ExamChanged(
            order=str(order.public_id),
            step=str(step.public_id),
            changed=tuple(changed),
            reason=reason[:200],
        ),
        subject=step,
        order=order,
    )


def _request(step: ScheduledProcedureStep, command: ChangeExam) -> ProcedureRequest:
    procedure = step.procedure
    side = command.laterality.upper()
    if side not in {"", "L", "R", "B", "U"}:
        raise InvalidValueError("a side is left, right or both", path="laterality")
    definition = procedure.definition
    code = Code(procedure.code_value, procedure.code_scheme)
    if command.procedure:
        definition = ProcedureDefinition.objects.filter(
            public_id=public_key(command.procedure, "procedure"), active=True
        ).first()
        if definition is None:
            raise UnknownKeyError("no such procedure", path="procedure")
        if definition.modality != step.modality:
            needed, there = definition.modality, step.modality
            raise InvalidValueError(
                f"{definition.meaning} needs {needed}, this room has {there}: ask for a new order",
                path="procedure",
            )
        code = Code(definition.code, definition.scheme, definition.meaning, definition.code_version)
    sided = (side or procedure.laterality) in {"L", "R", "B"}
    if definition is not None and definition.laterality_required and not sided:
        raise MissingValueError("this procedure needs a side", path="laterality")
    return ProcedureRequest(
        code=code, study_instance_uid=procedure.study_instance_uid, laterality=side
    )


HANDLERS = {
    DefineSupply: define_supply,
    SetDefaultSupplies: set_default_supplies,
    RecordSupplies: record_supplies,
    RecordReaction: record_reaction,
    ChangeExam: change_exam,
}

_ROOM = {Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.SYSTEM}
_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    DefineSupply: _SETUP,
    SetDefaultSupplies: _SETUP,
    RecordSupplies: _ROOM,
    RecordReaction: _ROOM,
    ChangeExam: _ROOM | {Role.SCHEDULER},
}
