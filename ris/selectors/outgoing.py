"""What an event means for other systems, beside the views: whose orders, which identifiers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from ris.domain.exchange import DeliveryState, Protocol
from ris.domain.protocol import StoredEvent
from ris.domain.values import Identifier
from ris.models import Delivery, DomainEvent, InboundMessage, Order, PatientIdentifier


def orders_of_steps(public_ids: Iterable[str]) -> list[str]:
    """The public ids of the orders of these steps, oldest order first.

    An exam may be performed for the steps of several orders at once (PS3.17 C, group case).
    """
    keys = [uuid.UUID(public_id) for public_id in public_ids]
    rows = Order.objects.filter(procedures__steps__public_id__in=keys).distinct().order_by("id")
    return [str(public_id) for public_id in rows.values_list("public_id", flat=True)]


def identifiers_moved(ids: Iterable[int]) -> tuple[Identifier, ...]:
    """The patient identifiers that a merge gave to the survivor (``PatientsMerged.moved``)."""
    rows = PatientIdentifier.objects.filter(id__in=list(ids)).order_by("id")
    return tuple(Identifier(row.value, row.issuer, row.type) for row in rows)


def booked_by_the_same(event: StoredEvent) -> list[StoredEvent]:
    """The bookings of one order that one message brought, oldest first; else the event alone."""
    if event.name != "AppointmentBooked" or event.message is None or not event.order:
        return [event]
    rows = DomainEvent.objects.filter(
        message=event.message, name=event.name, order__public_id=event.order
    ).order_by("id")
    return [
        replace(event, id=key, payload=payload)
        for key, payload in rows.values_list("id", "payload")
    ]


def last_told(endpoint_id: int, lane: str) -> bytes | None:
    """The last message of a lane that a peer got or will get; not what a person passed over."""
    row = (
        Delivery.objects.filter(endpoint_id=endpoint_id, lane=lane)
        .exclude(state=DeliveryState.SKIPPED.value)
        .order_by("-id")
        .only("payload")
        .first()
    )
    return bytes(row.payload) if row is not None else None


def is_relayed(message: int | None) -> bool:
    """Whether the stored message is one that a relay passes on by itself: an ADT message."""
    return (
        message is not None
        and InboundMessage.objects.filter(
            pk=message, protocol=Protocol.HL7.value, message_type__startswith="ADT"
        ).exists()
    )
