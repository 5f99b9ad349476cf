"""Messages that a person changed: applied or sent as new ones, beside what they were."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

from ris.domain.actors import Actor, Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.exchange import (
    DELIVERY,
    DeliveryEdited,
    DeliveryState,
    DeliveryTrigger,
    EditDelivery,
    EditMessage,
    MessageEdited,
    MessageState,
    Protocol,
    ReplyState,
)
from ris.models import Delivery, DeliveryAttempt, InboundMessage, MessageEdit
from ris.models.base import uuid7
from ris.selectors.exchange import info
from ris.services import desk, inbox, outbox
from ris.services._context import Context
from ris.services._edges import PROTOCOLS
from ris.services._locks import public_key
from ris.services._transition import move, set_reply_state, touch

_STUCK = {MessageState.REJECTED.value, MessageState.FAILED.value}
_PARKED = {DeliveryState.REFUSED.value, DeliveryState.DEAD.value}
_OVER = {DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value}


def _reason(text: str) -> str:
    if not text.strip():
        raise MissingValueError("say why it is changed", path="reason")
    return text.strip()[:200]


def _text(text: str) -> str:
    if not text.strip():
        raise MissingValueError("the message is empty", path="text")
    return text


# --- in


def edit_message(command: EditMessage, context: Context) -> str:
    """The new message goes through the inbox like any other, in the name of who edited it."""
    reason = _reason(command.reason)
    row = (
        InboundMessage.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .filter(public_id=public_key(command.message, "message"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such message")
    protocol = Protocol(row.protocol)
    form = desk.form_of(protocol)
    raw = form.raw(_text(command.text), row.endpoint.character_set if row.endpoint else "")
    if raw == bytes(row.raw):
        raise InvalidValueError("nothing was changed; apply it again as it is", path="text")
    message_type, key = form.header(raw)
    actor = _acting_for(row, context.actor)
    apply, refuse = inbox.replayer(protocol)(raw, actor, row.sender)
    receipt = inbox.receive(
        protocol=protocol,
        actor=actor,
        key=key,
        raw=raw,
        message_type=message_type,
        apply=apply,
        refuse=refuse,
        sender=row.sender,
        dedupe=False,  # its sender will never repeat this one
    )
    edited = InboundMessage.objects.get(public_id=receipt.message)
    set_reply_state(edited, ReplyState.NOT_DUE.value)  # the sender had its answer
    touch(edited, "reply_state")
    MessageEdit.objects.create(
        before_message=row,
        after_message=edited,
        reason=reason,
        actor=context.actor.name,
        at=context.now,
    )
    if command.resolve and row.state in _STUCK and edited.state == MessageState.APPLIED.value:
        row.resolved_note = f"edited and applied as new: {reason}"[:500]
        row.resolved_at = context.now
        touch(row, "resolved_note", "resolved_at")
    context.emit(
        MessageEdited(
            message=str(edited.public_id), previous=str(row.public_id), reason=command.reason
        ),
        subject=edited,
    )
    return str(edited.public_id)


def _acting_for(row: InboundMessage, actor: Actor) -> Actor:
    """The person, with what the peer may do and from where it sent."""
    return dataclasses.replace(
        actor,
        roles=actor.roles | {Role.INTERFACE},
        endpoint_id=row.endpoint_id,
        address=row.peer,
    )


# --- out


def edit_delivery(command: EditDelivery, context: Context) -> str:
    """What was parked keeps its row, and so its place; what it was goes on as a skipped copy."""
    reason = _reason(command.reason)
    row = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("endpoint", "order")
        .filter(public_id=public_key(command.delivery, "delivery"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such delivery")
    if row.state not in _PARKED | _OVER:
        raise StateConflictError("only what was refused, given up or is over is edited")
    protocol = Protocol(row.endpoint.protocol)
    form = desk.form_of(protocol)
    text = form.raw(_text(command.text), row.endpoint.character_set)
    if text == bytes(row.payload):
        raise InvalidValueError("nothing was changed; send it again as it is", path="text")
    message_type, _ = form.header(text)
    control_id = outbox.new_control_id(row.endpoint_id)
    payload = PROTOCOLS[protocol].readdress(text, control_id, info(row.endpoint))
    changed = {
        "control_id": control_id,
        "message_type": message_type,
        "payload": payload,
        "due_at": context.now - timedelta(seconds=1),
    }
    before, after = (
        _in_its_place(row, changed)
        if row.state in _PARKED
        else (row, _copy(row, **changed, **_FRESH))
    )
    MessageEdit.objects.create(
        before_delivery=before,
        after_delivery=after,
        reason=reason,
        actor=context.actor.name,
        at=context.now,
    )
    context.emit(
        DeliveryEdited(
            delivery=str(after.public_id), previous=str(before.public_id), reason=command.reason
        ),
        subject=after,
        order=row.order,
    )
    return str(after.public_id)


_FRESH: dict[str, Any] = {
    "state": DeliveryState.PENDING.value,
    "attempt_count": 0,
    "last_error": "",
    "delivered_at": None,
    "lease_token": "",
    "lease_until": None,
}


def _in_its_place(row: Delivery, changed: dict[str, Any]) -> tuple[Delivery, Delivery]:
    was = {name: getattr(row, name) for name in ("control_id", "message_type", "payload")}
    attempts, error = row.attempt_count, row.last_error
    for name, value in {**changed, "attempt_count": 0, "last_error": ""}.items():
        setattr(row, name, value)
    move(row, DELIVERY, DeliveryTrigger.REQUEUE, *changed, "attempt_count", "last_error")
    before = _copy(
        row,
        **was,
        state=DeliveryState.SKIPPED.value,
        attempt_count=attempts,
        last_error=error,
    )
    Delivery.objects.filter(pk=before.pk).update(created_at=row.created_at)
    DeliveryAttempt.objects.filter(delivery=row).update(delivery=before)
    return before, row


def _copy(row: Delivery, **changed: Any) -> Delivery:
    kept = {
        field.attname: getattr(row, field.attname)
        for field in Delivery._meta.concrete_fields
        if field.name not in {"id", "public_id", "created_at", "updated_at"}
    }
    copy = Delivery(**{**kept, "public_id": uuid7(), **changed})
    copy.save(force_insert=True)
    copy.further_orders.set(row.further_orders.all())
    return copy


HANDLERS = {EditMessage: edit_message, EditDelivery: edit_delivery}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {EditMessage: _ADMIN, EditDelivery: _ADMIN}
