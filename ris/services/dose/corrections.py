"""What people mend of dose documents, and the look at what still waits."""

from __future__ import annotations

from ris.domain.dose import (
    BY_HAND,
    DoseMatch,
    DoseSetAside,
    DoseSource,
    DoseWithdrawn,
    JoinDoses,
    LinkDose,
    SetDoseAside,
    WithdrawDose,
)
from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.models import DoseRecord, Order, RequestedProcedure
from ris.selectors.dose_waiting import due_to_join
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services.dose.joining import emit_linked, join_again, tie
from ris.services.dose.totals import recompute, sharing_orders


def link_dose(command: LinkDose, context: Context) -> None:
    """Tie a document to an order, or to none; the person answers for the patient."""
    record = _locked(command.dose)
    reason = _required(command.reason)
    if record.source == DoseSource.MANUAL.value:
        raise StateConflictError("what was typed in for an order stays with it; withdraw it")
    order, procedure = _order(command.order), None
    if order is not None and command.procedure:
        procedure = RequestedProcedure.objects.filter(
            order=order, public_id=public_key(command.procedure, "procedure")
        ).first()
        if procedure is None:
            raise UnknownKeyError("no such procedure of this order", path="procedure")
    before, previous = sharing_orders(record), record.order
    match = DoseMatch.MATCHED if order is not None else DoseMatch.WAITING
    tie(record, order, match, BY_HAND, procedure)
    record.note = reason
    record.save()
    emit_linked(record, previous, context, how=BY_HAND, reason=reason)
    recompute(before | sharing_orders(record), context)


def set_dose_aside(command: SetDoseAside, context: Context) -> None:
    record = _locked(command.dose)
    reason = _required(command.reason)
    if record.order_id is not None:
        raise StateConflictError("it belongs to an exam; untie it first")
    record.match, record.note = DoseMatch.SET_ASIDE.value, reason
    record.save()
    context.emit(DoseSetAside(dose=str(record.public_id), reason=reason), subject=record)


def withdraw_dose(command: WithdrawDose, context: Context) -> None:
    record = _locked(command.dose)
    reason = _required(command.reason)
    if record.source != DoseSource.MANUAL.value:
        raise StateConflictError("what a device sent is not withdrawn; tie it to the right exam")
    if record.withdrawn_at is not None:
        raise StateConflictError("it was withdrawn already")
    record.withdrawn_at, record.note = context.now, reason
    record.save()
    recompute({record.order_id} if record.order_id else set(), context)
    context.emit(
        DoseWithdrawn(
            dose=str(record.public_id),
            order=str(record.order.public_id) if record.order else "",
            reason=reason,
        ),
        subject=record,
        order=record.order,
    )


def join_doses(command: JoinDoses, context: Context) -> int:
    """Look again for the exams of documents that wait, and of those whose exam was retied."""
    found = 0
    for key in due_to_join():
        record = (
            DoseRecord.objects.select_for_update(of=("self",))
            .select_related("order", "performed")
            .get(pk=key)
        )
        if join_again(record, context) and record.order_id is not None:
            found += 1
    return found


def _locked(public_id: str) -> DoseRecord:
    record = (
        DoseRecord.objects.select_for_update(of=("self",))
        .select_related("order__patient")
        .filter(public_id=public_key(public_id, "dose"))
        .first()
    )
    if record is None:
        raise UnknownKeyError("no such dose")
    return record


def _order(public_id: str) -> Order | None:
    if not public_id:
        return None
    order = (
        Order.objects.select_related("patient")
        .filter(public_id=public_key(public_id, "order"))
        .first()
    )
    if order is None:
        raise UnknownKeyError("no such order", path="order")
    return order


def _required(reason: str) -> str:
    text = reason.strip()[:500]
    if not text:
        raise MissingValueError("say why", path="reason")
    return text
