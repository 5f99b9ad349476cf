"""Protocoling: claim, set, ask, reject; and what waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.long_strings import shortened
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import OrderReference, OrderStatus, StepStatus
from ris.domain.protocoling import (
    LOCAL_SCHEME,
    PROTOCOLING,
    UNDECIDED,
    AskRequester,
    ChangeProtocolNeed,
    ClaimProtocoling,
    DefineProtocol,
    ProcedureRejected,
    ProposeProtocol,
    ProtocolDefined,
    ProtocolingClaimed,
    ProtocolingReleased,
    ProtocolingReopened,
    ProtocolNeedChanged,
    ProtocolProposed,
    ProtocolRetired,
    ProtocolSet,
    ProtocolState,
    ProtocolTrigger,
    ProtocolWaived,
    RejectProcedure,
    RejectReason,
    ReleaseProtocoling,
    ReopenProtocoling,
    RequesterAsked,
    RetireProtocol,
    SetProtocol,
    WaiveProtocol,
)
from ris.domain.safety import Gate, NotReadyError
from ris.domain.values import Code, require_text
from ris.models import (
    ProcedureDefinition,
    ProtocolDefinition,
    Protocoling,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors import protocoling as selected
from ris.services._context import Context
from ris.services._execute import execute, register_reason
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move, touch

_NOT_BEGUN = frozenset(
    {
        StepStatus.PENDING.value,
        StepStatus.SCHEDULED.value,
        StepStatus.ARRIVED.value,
        StepStatus.READY.value,
        StepStatus.NO_SHOW.value,
    }
)


def require_protocol(step: ScheduledProcedureStep, gate: Gate) -> None:
    """Refuse with NotReadyError while a protocol that ``gate`` waits for is not set."""
    missing = selected.missing(step, gate)
    if missing:
        raise NotReadyError(
            missing[0], step=str(step.public_id), waits_for="protocol", names=missing
        )


# --- the catalog


def define_protocol(command: DefineProtocol, context: Context) -> str:
    code = command.code
    if not code.value or not code.meaning:
        raise MissingValueError("a protocol needs a code and a name", path="code")
    minutes = command.duration_minutes
    if minutes is not None and not 1 <= minutes <= 24 * 60:
        raise InvalidValueError("a duration is 1 minute to 24 hours", path="duration_minutes")
    modality = require_text(command.modality, path="modality", limit=16, name="modality").upper()
    if not modality:
        raise MissingValueError("a protocol needs a modality", path="modality")
    row, _ = ProtocolDefinition.objects.update_or_create(
        code=require_text(code.value, path="code", limit=64, name="code"),
        scheme=require_text(code.scheme, path="scheme", limit=64, name="coding scheme"),
        defaults={
            "meaning": require_text(code.meaning, path="meaning", limit=64, name="name"),
            "modality": modality,
            "contrast": require_text(command.contrast, path="contrast", limit=64, name="contrast"),
            "pre_medication": require_text(
                command.pre_medication, path="pre_medication", limit=64, name="premedication"
            ),
            "instructions": command.instructions.strip()[:4000],
            "duration_minutes": minutes,
            "procedures": list(command.procedures),
            "active": True,
        },
    )
    context.emit(ProtocolDefined(protocol=str(row.public_id)), subject=row)
    return str(row.public_id)


def retire_protocol(command: RetireProtocol, context: Context) -> None:
    row = ProtocolDefinition.objects.filter(
        public_id=public_key(command.protocol, "protocol")
    ).first()
    if row is None:
        raise UnknownKeyError("no such protocol")
    row.active = False
    touch(row, "active")
    context.emit(ProtocolRetired(protocol=str(row.public_id)), subject=row)


def change_protocol_need(command: ChangeProtocolNeed, context: Context) -> None:
    row = ProcedureDefinition.objects.filter(
        public_id=public_key(command.definition, "procedure")
    ).first()
    if row is None:
        raise UnknownKeyError("no such procedure")
    row.protocol_required = command.need.value
    touch(row, "protocol_required")
    context.emit(
        ProtocolNeedChanged(definition=str(row.public_id), need=command.need.value), subject=row
    )


# --- one procedure


def _taken(public_id: str) -> Protocoling:
    """The procedure's row, with its order locked; made if there is none yet."""
    key = public_key(public_id, "procedure")
    order_id = (
        RequestedProcedure.objects.filter(public_id=key).values_list("order_id", flat=True).first()
    )
    if order_id is None:
        raise UnknownKeyError("no such procedure")
    lock_orders([order_id])
    procedure = RequestedProcedure.objects.select_related("order__patient", "definition").get(
        public_id=key
    )
    if procedure.order.status not in {OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value}:
        raise StateConflictError("this order is over")
    row, _ = Protocoling.objects.select_for_update(of=("self",)).get_or_create(procedure=procedure)
    row.procedure = procedure
    return row


def _steps(row: Protocoling) -> list[ScheduledProcedureStep]:
    """The steps that were not begun, locked."""
    steps = ScheduledProcedureStep.objects.select_for_update(of=("self",)).filter(
        procedure=row.procedure, status__in=_NOT_BEGUN
    )
    return list(steps.order_by("id"))


def _decided(row: Protocoling, context: Context) -> tuple[str, ...]:
    """Note who decided, whatever was proposed; the names of the fields to store."""
    row.proposed_by, row.proposed_at = "", None
    row.claimed_by_id = None
    row.claimed_at = None
    row.decided_by = _who(context)
    row.decided_at = context.now
    return ("proposed_by", "proposed_at", "claimed_by", "claimed_at", "decided_by", "decided_at")


def _who(context: Context) -> str:
    return (context.actor.display or context.actor.name)[:150]


def _names(row: Protocoling) -> dict[str, str]:
    return {
        "order": str(row.procedure.order.public_id),
        "procedure": str(row.procedure.public_id),
    }


def _require_own(row: Protocoling, context: Context) -> None:
    """What another radiologist has taken is his until he gives it back."""
    if (
        row.status == ProtocolState.CLAIMED.value
        and row.claimed_by_id is not None
        and row.claimed_by_id != context.actor.user_id
    ):
        raise StateConflictError("another radiologist is at it")


def claim_protocoling(command: ClaimProtocoling, context: Context) -> None:
    row = _taken(command.procedure)
    if row.status == ProtocolState.CLAIMED.value and row.claimed_by_id == context.actor.user_id:
        context.about(row.procedure, row.procedure.order)
        return
    _require_own(row, context)
    row.claimed_by_id = context.actor.user_id
    row.claimed_at = context.now
    move(row, PROTOCOLING, ProtocolTrigger.CLAIM, "claimed_by", "claimed_at")
    context.emit(
        ProtocolingClaimed(**_names(row)), subject=row.procedure, order=row.procedure.order
    )


def release_protocoling(command: ReleaseProtocoling, context: Context) -> None:
    row = _taken(command.procedure)
    row.claimed_by_id = None
    row.claimed_at = None
    move(row, PROTOCOLING, ProtocolTrigger.RELEASE, "claimed_by", "claimed_at")
    context.emit(
        ProtocolingReleased(**_names(row)), subject=row.procedure, order=row.procedure.order
    )


def _choose(
    command: SetProtocol | ProposeProtocol, context: Context
) -> tuple[Protocoling, list[ScheduledProcedureStep], list[ProtocolDefinition]]:
    """The procedure's row as the command has it, its steps, and the protocols for them."""
    row = _taken(command.procedure)
    _require_own(row, context)
    steps = _steps(row)
    if not steps:
        raise StateConflictError("every step of this exam was begun, ended or canceled")
    chosen = _protocols(command.protocols)
    modalities = {step.modality for step in steps}
    wanted = ", ".join(sorted(modalities))
    for protocol in chosen:
        if protocol.modality not in modalities:
            raise InvalidValueError(
                f"{protocol.meaning} is for {protocol.modality}, the exam for {wanted}",
                path="protocols",
            )
    row.protocols = [str(protocol.public_id) for protocol in chosen]
    row.instructions = command.instructions.strip()[:4000]
    return row, steps, chosen


def propose_protocol(command: ProposeProtocol, context: Context) -> None:
    row, _, chosen = _choose(command, context)
    if ProtocolState(row.status) not in UNDECIDED:
        raise StateConflictError("its protocol is decided already")
    row.proposed_by, row.proposed_at = _who(context), context.now
    touch(row, "protocols", "instructions", "proposed_by", "proposed_at")
    context.emit(
        ProtocolProposed(**_names(row), codes=tuple(protocol.code for protocol in chosen)),
        subject=row.procedure,
        order=row.procedure.order,
    )


def set_protocol(command: SetProtocol, context: Context) -> None:
    row, steps, chosen = _choose(command, context)
    move(
        row,
        PROTOCOLING,
        ProtocolTrigger.SET,
        "protocols",
        "instructions",
        *_decided(row, context),
    )
    for step in steps:
        _apply(step, [each for each in chosen if each.modality == step.modality], row)
    context.emit(
        ProtocolSet(
            **_names(row),
            steps=tuple(str(step.public_id) for step in steps),
            codes=tuple(protocol.code for protocol in chosen),
        ),
        subject=row.procedure,
        order=row.procedure.order,
    )


def _protocols(public_ids: Sequence[str]) -> list[ProtocolDefinition]:
    """Those that are offered, in the order they were named."""
    if not public_ids:
        raise MissingValueError("choose a protocol", path="protocols")
    keys = [public_key(each, "protocol") for each in dict.fromkeys(public_ids)]
    rows = {
        row.public_id: row
        for row in ProtocolDefinition.objects.filter(public_id__in=keys, active=True)
    }
    if len(rows) != len(keys):
        raise UnknownKeyError("no such protocol", path="protocols")
    return [rows[key] for key in keys]


def _apply(
    step: ScheduledProcedureStep, protocols: Sequence[ProtocolDefinition], row: Protocoling
) -> None:
    """Write onto the step what the worklist shows of it; an empty protocol changes nothing else.

    A step that is booked keeps its time: how long it takes is the calendar's by then.
    """
    if not protocols:
        return
    step.protocol_codes = [
        Code(each.code, each.scheme or LOCAL_SCHEME, each.meaning).as_json() for each in protocols
    ]
    contrast = [each.contrast for each in protocols if each.contrast]
    medication = [each.pre_medication for each in protocols if each.pre_medication]
    minutes = [each.duration_minutes for each in protocols if each.duration_minutes]
    step.contrast_agent = shortened("; ".join(dict.fromkeys(contrast)), 64)
    step.pre_medication = shortened("; ".join(dict.fromkeys(medication)), 64)
    fields = ["protocol_codes", "contrast_agent", "pre_medication"]
    if row.instructions:
        step.comments = row.instructions
        fields.append("comments")
    if minutes and step.status == StepStatus.PENDING.value:
        step.duration_minutes = sum(minutes)
        fields.append("duration_minutes")
    touch(step, *fields)


def ask_requester(command: AskRequester, context: Context) -> None:
    question = command.question.strip()
    if not question:
        raise MissingValueError("say what is to be known", path="question")
    row = _taken(command.procedure)
    _require_own(row, context)
    row.question = question[:500]
    row.claimed_by_id = None
    row.claimed_at = None
    move(row, PROTOCOLING, ProtocolTrigger.ASK, "question", "claimed_by", "claimed_at")
    context.emit(
        RequesterAsked(**_names(row), note=question[:200]),
        subject=row.procedure,
        order=row.procedure.order,
    )
    execute(
        AskForInformation(
            order=OrderReference(public_id=str(row.procedure.order.public_id)), question=question
        ),
        actor=context.actor,
        correlation=context.correlation,
    )


def reject_procedure(command: RejectProcedure, context: Context) -> None:
    note, alternative = command.note.strip(), command.alternative.strip()
    if not note:
        raise MissingValueError("say why", path="note")
    if command.reason is RejectReason.ALTERNATIVE and not alternative:
        raise MissingValueError("say what would be better", path="alternative")
    row = _taken(command.procedure)
    _require_own(row, context)
    row.reject_reason = command.reason.value
    row.note = note[:500]
    row.alternative = alternative[:200]
    move(
        row,
        PROTOCOLING,
        ProtocolTrigger.REJECT,
        "reject_reason",
        "note",
        "alternative",
        *_decided(row, context),
    )
    context.emit(
        ProcedureRejected(
            **_names(row), reason=command.reason.value, note=row.note, alternative=row.alternative
        ),
        subject=row.procedure,
        order=row.procedure.order,
    )


def waive_protocol(command: WaiveProtocol, context: Context) -> None:
    row = _taken(command.procedure)
    _require_own(row, context)
    row.note = command.reason.strip()[:500]
    move(row, PROTOCOLING, ProtocolTrigger.WAIVE, "note", *_decided(row, context))
    context.emit(
        ProtocolWaived(**_names(row), reason=row.note),
        subject=row.procedure,
        order=row.procedure.order,
    )


def reopen_protocoling(command: ReopenProtocoling, context: Context) -> None:
    reason = command.reason.strip()
    if not reason:
        raise MissingValueError("say why", path="reason")
    row = _taken(command.procedure)
    move(row, PROTOCOLING, ProtocolTrigger.REOPEN)
    context.emit(
        ProtocolingReopened(**_names(row), reason=reason[:200]),
        subject=row.procedure,
        order=row.procedure.order,
    )


def begin_anew(procedure: RequestedProcedure, reason: str, context: Context) -> None:
    """What was decided, proposed or asked was about another exam than this is now."""
    row = Protocoling.objects.select_for_update(of=("self",)).filter(procedure=procedure).first()
    if row is None:
        return
    for step in procedure.steps.filter(comments=row.instructions).exclude(comments=""):
        step.comments = ""
        touch(step, "comments")
    row.protocols, row.instructions, row.proposed_by, row.proposed_at = [], "", "", None
    fields = ("protocols", "instructions", "proposed_by", "proposed_at")
    if ProtocolState(row.status) in UNDECIDED:
        touch(row, *fields)
        return
    move(row, PROTOCOLING, ProtocolTrigger.REOPEN, *fields)
    context.emit(
        ProtocolingReopened(
            order=str(procedure.order.public_id),
            procedure=str(procedure.public_id),
            reason=reason,
        ),
        subject=procedure,
        order=procedure.order,
    )


HANDLERS = {
    DefineProtocol: define_protocol,
    RetireProtocol: retire_protocol,
    ChangeProtocolNeed: change_protocol_need,
    ClaimProtocoling: claim_protocoling,
    ReleaseProtocoling: release_protocoling,
    SetProtocol: set_protocol,
    ProposeProtocol: propose_protocol,
    AskRequester: ask_requester,
    RejectProcedure: reject_procedure,
    WaiveProtocol: waive_protocol,
    ReopenProtocoling: reopen_protocoling,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}
# A protocol is dose, contrast and a justification: who is still learning proposes one and asks what
# is missing, and an attending radiologist answers for what is done.
_READER = {Role.RADIOLOGIST}

PERMISSIONS = {
    DefineProtocol: _SETUP,
    RetireProtocol: _SETUP,
    ChangeProtocolNeed: _SETUP,
    ClaimProtocoling: _READER,
    ReleaseProtocoling: _READER | {Role.MANAGER},
    SetProtocol: _READER,
    ProposeProtocol: {Role.RESIDENT},
    AskRequester: _READER | {Role.RESIDENT},
    RejectProcedure: _READER,
    WaiveProtocol: _READER,
    ReopenProtocoling: _READER | {Role.MANAGER},
}

register_reason(
    Role.RESIDENT,
    (ClaimProtocoling, SetProtocol, RejectProcedure, WaiveProtocol, ReopenProtocoling),
    "an attending radiologist decides on the protocol; you can propose one or ask the requester",
)
