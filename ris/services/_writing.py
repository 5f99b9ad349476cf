"""An event becomes the deliveries it means for an endpoint; control ids."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

import structlog

from ris.domain.errors import InvalidValueError, RisError, StateConflictError
from ris.domain.exchange import DeliveryState
from ris.domain.exchange import Protocol as ProtocolName
from ris.domain.protocol import Chooses, Outgoing, StoredEvent
from ris.models import Delivery, DomainEvent, Endpoint, Order, Report
from ris.selectors.exchange import info
from ris.services import _clock
from ris.services._edges import PROTOCOLS
from ris.services._execute import together

log = structlog.get_logger(__name__)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + digits
    return digits or "0"


def new_control_id(endpoint_id: int, number: int | None = None) -> str:
    """A control id of at most 20 characters (HL7 v2.3.1 MSH-10), never given twice.

    ``number`` is that of the event; without one the id is all random. The random end keeps it
    unique towards a peer even if this database was restored from a backup.
    """
    if number is None:
        number = secrets.randbits(31)
    return f"{_base36(number)}.{_base36(endpoint_id)}.{_base36(secrets.randbits(30))}"[:18]


def with_control_id(delivery: Delivery, control_id: str) -> bytes:
    """The delivery's message as a new one."""
    protocol = PROTOCOLS[ProtocolName(delivery.endpoint.protocol)]
    return protocol.readdress(bytes(delivery.payload), control_id, info(delivery.endpoint))


def write(event: DomainEvent, endpoint: Endpoint) -> None:
    """Queue what the event means for the endpoint; what cannot be written is kept in sight."""
    protocol = PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if protocol is None:
        return
    if isinstance(protocol, Chooses) and not protocol.cares(event.name, info(endpoint)):
        return
    control_id = new_control_id(endpoint.pk, event.pk)
    try:
        outgoing = _outgoing(event, endpoint, control_id)
    except RisError as error:
        _unwritable(event, endpoint, control_id, in_words(error))
    except Exception:
        error_id = uuid.uuid4().hex[:12]
        log.exception("an event could not be rendered", error_id=error_id, event=event.name)
        _unwritable(event, endpoint, control_id, f"internal error {error_id}")
    else:
        _queue(event, endpoint, outgoing)


def write_again(delivery: Delivery) -> tuple[str, ...]:
    """Write what could not be written before, as things are now; the fields that it changed.

    Raises RisError, with the place, if it still cannot be.
    """
    event, endpoint = delivery.event, delivery.endpoint
    if event is None or ProtocolName(endpoint.protocol) not in PROTOCOLS:
        raise StateConflictError("there is nothing this message could be written from")
    try:
        outgoing = _outgoing(event, endpoint, delivery.control_id)
    except RisError as error:
        raise InvalidValueError(in_words(error), path=error.path) from None
    if not outgoing:
        raise StateConflictError(
            "the receiver is told nothing of this any more: skip the message instead"
        )
    first, *others = outgoing
    delivery.lane = first.lane
    delivery.message_type = first.message_type
    delivery.payload = first.payload
    delivery.last_error = ""
    _queue(event, endpoint, others)
    return ("lane", "message_type", "payload", "last_error")


def in_words(error: RisError) -> str:
    """The error with its place: what an administrator looks for."""
    return f"{error.message} ({error.path})" if error.path else error.message


def stored(event: DomainEvent) -> StoredEvent:
    """The event as edges are shown it; its order and patient were loaded with it."""
    return StoredEvent(
        id=event.pk,
        name=event.name,
        payload=event.payload,
        at=event.at,
        order=str(event.order.public_id) if event.order else "",
        patient=str(event.patient.public_id) if event.patient else "",
        actor_endpoint_id=event.actor_endpoint_id,
        message=event.message_id,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
    )


def _outgoing(event: DomainEvent, endpoint: Endpoint, control_id: str) -> Sequence[Outgoing]:
    protocol = PROTOCOLS[ProtocolName(endpoint.protocol)]
    return together(lambda: protocol.render(stored(event), info(endpoint), control_id))


def _queue(event: DomainEvent, endpoint: Endpoint, outgoing: Sequence[Outgoing]) -> None:
    if not outgoing:
        return
    orders = orders_of(outgoing, event.order)
    rows = Delivery.objects.bulk_create(
        [
            Delivery(
                endpoint=endpoint,
                event=event,
                order=orders[message.orders[0]] if message.orders else event.order,
                report=_report(event),
                patient=event.patient,
                lane=message.lane,
                control_id=message.control_id,
                message_type=message.message_type,
                payload=message.payload,
                due_at=_clock.now(),
            )
            for message in outgoing
        ]
    )
    for row, message in zip(rows, outgoing, strict=True):
        if len(message.orders) > 1:
            row.further_orders.set([orders[key] for key in message.orders[1:]])
    date(rows)


def orders_of(outgoing: Sequence[Outgoing], known: Order | None = None) -> dict[str, Order]:
    """The orders that messages name, by public id; one of them may be ``known``."""
    keys = {key for message in outgoing for key in message.orders}
    found = {str(known.public_id): known} if known is not None else {}
    missing = keys - found.keys()
    if missing:
        rows = Order.objects.filter(public_id__in=missing)
        found |= {str(row.public_id): row for row in rows}
    return found


def _report(event: DomainEvent) -> Report | None:
    key = event.payload.get("report")
    return Report.objects.filter(public_id=key).first() if key else None


def _unwritable(event: DomainEvent, endpoint: Endpoint, control_id: str, error: str) -> None:
    """Keep a message that cannot be written (a name the peer's character set lacks) in sight.

    It is dead from the start and holds nothing up: a lane of its own.
    """
    row = Delivery.objects.create(
        endpoint=endpoint,
        event=event,
        order=event.order,
        report=_report(event),
        patient=event.patient,
        lane=f"unwritable:{control_id}",
        control_id=control_id,
        message_type=event.name,
        payload=b"",
        state=DeliveryState.DEAD.value,
        due_at=_clock.now(),
        last_error=error,
    )
    date([row])


def date(rows: Sequence[Delivery]) -> None:
    """Where history is told, a message was made then, whatever the machine's clock says."""
    if rows and _clock.is_told():
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(created_at=_clock.now())
