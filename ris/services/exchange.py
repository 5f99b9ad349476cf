"""Endpoints, and what people do with messages that got stuck."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import available_timezones

from ris.domain.actors import Role, device_actor, endpoint_actor
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.exchange import (
    DELIVERY,
    MAIL_SUBSCRIPTIONS,
    PATIENT_PROTOCOLS,
    ConfigureEndpoint,
    DeliveryRequeued,
    DeliveryResent,
    DeliverySkipped,
    DeliveryState,
    DeliveryTrigger,
    Direction,
    EndpointConfigured,
    EndpointPaused,
    ExceptionResolved,
    MessageReplayed,
    PauseEndpoint,
    Protocol,
    ReplayMessage,
    RequeueDelivery,
    ResendDelivery,
    ResolveException,
    SkipDelivery,
    Subscription,
    is_carried,
)
from ris.domain.identifiers import is_ae_title
from ris.domain.interfaces import Watch
from ris.models import Delivery, Endpoint, InboundMessage, PerformedProcedureStep
from ris.services import desk, inbox, message_edits, message_runs, outbox
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import move, touch


def configure_endpoint(command: ConfigureEndpoint, context: Context) -> str:
    name = command.name.strip()
    if not name:
        raise MissingValueError("an endpoint needs a name", path="name")
    if command.port is not None and not 1 <= command.port <= 65535:
        raise InvalidValueError("a port is 1 to 65535", path="port")
    settings, watch = _checked(command)
    endpoint = _endpoint_of(command)
    values: dict[str, Any] = {
        "name": name,
        "protocol_name": command.protocol_name,
        "host": command.host,
        "port": command.port,
        "version": command.version,
        "character_set": command.character_set,
        "time_zone": command.time_zone,
        "sends": sorted(subscription.value for subscription in command.sends),
        "settings": settings,
        "active": command.active,
    }
    if command.watch is not None:
        values["watch"] = watch
    if endpoint is None:
        endpoint = Endpoint(protocol=command.protocol.value, direction=command.direction.value)
        changed, changes = ["created"], []
    else:
        changed = [name for name, value in values.items() if getattr(endpoint, name) != value]
        changes = [
            line for name in changed for line in _change(name, getattr(endpoint, name), values)
        ]
    for name, value in values.items():
        setattr(endpoint, name, value)
    endpoint.save()
    context.emit(
        EndpointConfigured(
            endpoint=str(endpoint.public_id), changed=tuple(changed), changes=tuple(changes)
        ),
        subject=endpoint,
    )
    return str(endpoint.public_id)


def _checked(command: ConfigureEndpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and limits as they are stored; everything that is wrong is told at once."""
    faults: list[RisError] = []
    settings: dict[str, Any] = {}
    watch: dict[str, Any] = {}

    def read_settings() -> None:
        settings.update(outbox.check_settings(command.protocol, command.settings))

    def read_watch() -> None:
        watch.update(Watch.of(command.watch or {}).said())

    checks: tuple[Callable[[], None], ...] = (
        partial(_check_sending, command),
        partial(_check_zone, command),
        partial(_check_word, command.protocol, "character_set", command.character_set),
        partial(_check_word, command.protocol, "version", command.version),
        read_settings,
        read_watch,
    )
    for check in checks:
        try:
            check()
        except SeveralErrors as several:
            faults += several.errors
        except RisError as error:
            faults.append(error)
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)
    return settings, watch


def _endpoint_of(command: ConfigureEndpoint) -> Endpoint | None:
    """The endpoint that the command names, else the one of its name; None for a new one."""
    alike = Endpoint.objects.filter(
        protocol=command.protocol.value, direction=command.direction.value
    )
    if command.endpoint:
        found = alike.filter(public_id=public_key(command.endpoint, "endpoint")).first()
        if found is None:
            raise UnknownKeyError("no such endpoint")
    else:
        found = alike.filter(name=command.name.strip()).first()
    others = alike.exclude(pk=found.pk) if found else alike
    if others.filter(name=command.name.strip()).exists():
        raise DuplicateKeyError("another endpoint has this name", path="name")
    if command.protocol_name and others.filter(protocol_name=command.protocol_name).exists():
        raise DuplicateKeyError("another endpoint goes by this name", path="protocol_name")
    return found


def _check_zone(command: ConfigureEndpoint) -> None:
    if command.time_zone and command.time_zone not in available_timezones():
        raise InvalidValueError("no such time zone; write it as Europe/Vienna", path="time_zone")


def _check_word(protocol: Protocol, name: str, word: str) -> None:
    """A name that the edge must know: a character set, a version."""
    check = desk.check_version if name == "version" else desk.check_character_set
    try:
        check(protocol, word)
    except RisError as error:
        raise InvalidValueError(error.message, path=name) from None


_SECRET = re.compile("password|passcode|secret|token", re.IGNORECASE)


def _change(name: str, before: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """``port: 2575 → 2576``; of settings each that differs, a secret without what it says."""
    after = values[name]
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield f"{name}: {_words(before)} → {_words(after)}"
        return
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            said = (
                "changed"
                if _SECRET.search(key)
                else f"{_words(before.get(key))} → {_words(after.get(key))}"
            )
            yield f"{name}.{key}: {said}"


def _words(value: Any) -> str:
    if value in (None, "", [], {}):
        return "nothing"
    return str(value)[:100]


def _check_sending(command: ConfigureEndpoint) -> None:
    """An endpoint we send to can be reached, and is sent what its protocol can say."""
    is_dicom = command.protocol is Protocol.DICOM
    if command.direction is Direction.OUT and command.protocol in {Protocol.HL7, Protocol.DICOM}:
        if not (command.host and command.port):
            raise MissingValueError("an outbound endpoint needs host and port", path="host")
        if is_dicom and not command.protocol_name:
            raise MissingValueError(
                "a DICOM endpoint needs its AE title as protocol_name", path="protocol_name"
            )
        if is_dicom and not is_ae_title(command.protocol_name):
            raise InvalidValueError(
                "an AE title is 1 to 16 ASCII characters without backslash", path="protocol_name"
            )
    is_web_archive = command.direction is Direction.OUT and command.protocol is Protocol.DICOMWEB
    if is_web_archive and not command.settings.get("url"):
        raise MissingValueError("say the address of its DICOMweb service", path="settings.url")
    if command.protocol in PATIENT_PROTOCOLS:
        if command.direction is not Direction.OUT:
            raise InvalidValueError("patients are only written to", path="direction")
        if not MAIL_SUBSCRIPTIONS.issuperset(command.sends):
            raise InvalidValueError(
                f"what is sent over {command.protocol.value} is said under Patient messages",
                path="sends",
            )
    if Subscription.ALERTS in command.sends and not command.settings.get("alerts_to"):
        raise MissingValueError("say who is written to", path="settings.alerts_to")
    for subscription in command.sends:
        if not is_carried(subscription, command.protocol):
            raise InvalidValueError(
                f"{subscription.value} is not sent over {command.protocol.value}", path="sends"
            )


def pause_endpoint(command: PauseEndpoint, context: Context) -> None:
    endpoint = Endpoint.objects.filter(public_id=public_key(command.endpoint, "endpoint")).first()
    if endpoint is None:
        raise UnknownKeyError("no such endpoint")
    endpoint.paused = command.paused
    endpoint.paused_reason = command.reason.strip()[:200] if command.paused else ""
    endpoint.paused_at = context.now if command.paused else None
    touch(endpoint, "paused", "paused_reason", "paused_at")
    context.emit(
        EndpointPaused(
            endpoint=str(endpoint.public_id), paused=command.paused, reason=command.reason
        ),
        subject=endpoint,
    )


def replay_message(command: ReplayMessage, context: Context) -> str:
    key = public_key(command.message, "message")
    row = InboundMessage.objects.select_related("endpoint").filter(public_id=key).first()
    if row is None:
        raise UnknownKeyError("no such message")
    if row.protocol in {Protocol.DICOM.value, Protocol.DICOMWEB.value}:
        sender = device_actor(row.sender, row.peer)
    else:
        name = row.endpoint.name if row.endpoint else row.sender
        sender = endpoint_actor(name, row.endpoint_id, row.peer)
    message = inbox.apply_again(key, sender)
    context.emit(
        MessageReplayed(message=str(message.public_id), reason=command.reason), subject=message
    )
    return str(message.public_id)


def _lock_delivery(public_id: str) -> Delivery:
    delivery = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("order__patient", "endpoint", "event__order", "event__patient")
        .filter(public_id=public_key(public_id, "delivery"))
        .first()
    )
    if delivery is None:
        raise UnknownKeyError("no such delivery")
    return delivery


def requeue_delivery(command: RequeueDelivery, context: Context) -> None:
    delivery = _lock_delivery(command.delivery)
    written = () if delivery.payload else outbox.write_again(delivery)
    delivery.due_at = context.now
    move(delivery, DELIVERY, DeliveryTrigger.REQUEUE, "due_at", *written)
    context.emit(
        DeliveryRequeued(delivery=str(delivery.public_id), reason=command.reason),
        subject=delivery,
        order=delivery.order,
    )


def skip_delivery(command: SkipDelivery, context: Context) -> None:
    if not command.reason.strip():
        raise MissingValueError("to skip a message needs a reason", path="reason")
    delivery = _lock_delivery(command.delivery)
    move(delivery, DELIVERY, DeliveryTrigger.SKIP)
    context.emit(
        DeliverySkipped(delivery=str(delivery.public_id), reason=command.reason),
        subject=delivery,
        order=delivery.order,
    )


def resend_delivery(command: ResendDelivery, context: Context) -> str:
    delivery = _lock_delivery(command.delivery)
    if delivery.state not in {DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value}:
        raise StateConflictError("only what was delivered or skipped is sent again as new")
    control_id = outbox.new_control_id(delivery.endpoint_id, secrets.randbits(20))
    again = Delivery.objects.create(
        endpoint=delivery.endpoint,
        event=delivery.event,
        order=delivery.order,
        report=delivery.report,
        patient=delivery.patient,
        lane=delivery.lane,
        control_id=control_id,
        message_type=delivery.message_type,
        payload=outbox.with_control_id(delivery, control_id),
        due_at=context.now - timedelta(seconds=1),
    )
    again.further_orders.set(delivery.further_orders.all())
    context.emit(
        DeliveryResent(
            delivery=str(again.public_id),
            previous=str(delivery.public_id),
            reason=command.reason,
        ),
        subject=again,
        order=delivery.order,
    )
    return str(again.public_id)


def resolve_exception(command: ResolveException, context: Context) -> None:
    if not command.note.strip():
        raise MissingValueError("say what was done", path="note")
    row: InboundMessage | PerformedProcedureStep | None
    if command.kind == "message":
        row = InboundMessage.objects.filter(public_id=public_key(command.key, "message")).first()
    elif command.kind == "performed":
        row = PerformedProcedureStep.objects.filter(
            public_id=public_key(command.key, "performed step")
        ).first()
    else:
        raise InvalidValueError("an exception is a message or a performed step", path="kind")
    if row is None:
        raise UnknownKeyError("no such exception")
    row.resolved_note = command.note.strip()[:500]
    row.resolved_at = context.now
    touch(row, "resolved_note", "resolved_at")
    context.emit(
        ExceptionResolved(kind=command.kind, key=command.key, note=row.resolved_note),
        subject=row,
    )


HANDLERS = {
    ConfigureEndpoint: configure_endpoint,
    PauseEndpoint: pause_endpoint,
    ReplayMessage: replay_message,
    RequeueDelivery: requeue_delivery,
    SkipDelivery: skip_delivery,
    ResendDelivery: resend_delivery,
    ResolveException: resolve_exception,
    **message_edits.HANDLERS,
    **message_runs.HANDLERS,
}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    ConfigureEndpoint: _ADMIN,
    PauseEndpoint: _ADMIN,
    ReplayMessage: _ADMIN,
    RequeueDelivery: _ADMIN | {Role.RADIOLOGIST},
    SkipDelivery: _ADMIN,
    ResendDelivery: _ADMIN | {Role.RADIOLOGIST},
    ResolveException: _ADMIN | {Role.TECHNOLOGIST, Role.SCHEDULER},
    **message_edits.PERMISSIONS,
    **message_runs.PERMISSIONS,
}
