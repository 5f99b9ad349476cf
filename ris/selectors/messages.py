"""Messages in and deliveries out, for the people who watch the interfaces."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, OuterRef, Prefetch, Q, QuerySet, Subquery

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import DeliveryState, Direction, MessageState
from ris.models import Delivery, DeliveryAttempt, Endpoint, InboundMessage, Order

STUCK_DELIVERY = (DeliveryState.REFUSED.value, DeliveryState.DEAD.value)
STUCK_MESSAGE = (MessageState.REJECTED.value, MessageState.FAILED.value)


@dataclass(frozen=True, slots=True)
class OrderKey:
    public_id: str
    accession_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundLine:
    public_id: str
    received_at: datetime
    protocol: str
    message_type: str
    key: str
    sender: str
    peer: str
    endpoint: str
    state: str
    outcome: str
    reply_state: str
    error: str
    error_path: str
    key_reused: bool
    repeats: int
    orders: tuple[OrderKey, ...]
    resolved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundLine:
    public_id: str
    created_at: datetime
    protocol: str
    message_type: str
    control_id: str
    endpoint: str
    endpoint_id: str
    state: str
    attempt_count: int
    due_at: datetime
    delivered_at: datetime | None
    last_error: str
    order: OrderKey | None
    paused: bool


# --- in


def inbound(
    *, state: str = "", protocol: str = "", endpoint: str = "", text: str = ""
) -> QuerySet[InboundMessage]:
    """Messages in, newest first. ``state`` may also be ``flagged``: an old key with new content."""
    rows = InboundMessage.objects.order_by("-id")
    if state == "flagged":
        rows = rows.filter(key_reused=True)
    elif state == "open":
        rows = rows.filter(state__in=STUCK_MESSAGE, resolved_at=None)
    elif state:
        rows = rows.filter(state=state)
    if protocol:
        rows = rows.filter(protocol=protocol)
    if endpoint:
        rows = rows.filter(endpoint__public_id=_key(endpoint, "endpoint"))
    text = text.strip()
    if text:
        rows = rows.filter(
            Q(key=text)
            | Q(sender__icontains=text)
            | Q(message_type__icontains=text)
            | Q(pk__in=InboundMessage.objects.filter(orders__accession_number=text).values("pk"))
        )
    return rows


def with_inbound_lines(rows: QuerySet[InboundMessage]) -> QuerySet[InboundMessage]:
    return (
        rows.select_related("endpoint")
        .defer("raw", "reply")
        .prefetch_related(
            Prefetch("orders", queryset=Order.objects.only("public_id", "accession_number"))
        )
    )


def inbound_lines(rows: Iterable[InboundMessage]) -> list[InboundLine]:
    return [_inbound_line(row) for row in rows]


def _inbound_line(row: InboundMessage) -> InboundLine:
    return InboundLine(
        public_id=str(row.public_id),
        received_at=row.received_at,
        protocol=row.protocol,
        message_type=row.message_type,
        key=row.key,
        sender=row.sender,
        peer=row.peer,
        endpoint=row.endpoint.name if row.endpoint else "",
        state=row.state,
        outcome=row.outcome,
        reply_state=row.reply_state,
        error=row.error,
        error_path=row.error_path,
        key_reused=row.key_reused,
        repeats=row.repeats,
        orders=tuple(OrderKey(str(o.public_id), o.accession_number) for o in row.orders.all()),
        resolved=row.resolved_at is not None,
    )


def inbound_message(public_id: str) -> InboundMessage:
    """One message with everything; raises UnknownKeyError."""
    row = (
        InboundMessage.objects.select_related("endpoint", "patient")
        .prefetch_related(
            Prefetch("orders", queryset=Order.objects.select_related("patient")), "events"
        )
        .filter(public_id=_key(public_id, "message"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such message")
    return row


# --- out


def outbound(*, state: str = "", endpoint: str = "", text: str = "") -> QuerySet[Delivery]:
    """Deliveries, newest first. ``state`` may also be ``open``: what needs a person."""
    rows = Delivery.objects.order_by("-id")
    if state == "open":
        rows = rows.filter(state__in=STUCK_DELIVERY)
    elif state:
        rows = rows.filter(state=state)
    if endpoint:
        rows = rows.filter(endpoint__public_id=_key(endpoint, "endpoint"))
    text = text.strip()
    if text:
        rows = rows.filter(
            Q(control_id=text) | Q(message_type__icontains=text) | Q(order__accession_number=text)
        )
    return rows


def with_outbound_lines(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return rows.select_related("endpoint", "order").defer("payload")


def outbound_lines(rows: Iterable[Delivery]) -> list[OutboundLine]:
    return [_outbound_line(row) for row in rows]


def _outbound_line(row: Delivery) -> OutboundLine:
    return OutboundLine(
        public_id=str(row.public_id),
        created_at=row.created_at,
        protocol=row.endpoint.protocol,
        message_type=row.message_type,
        control_id=row.control_id,
        endpoint=row.endpoint.name,
        endpoint_id=str(row.endpoint.public_id),
        state=row.state,
        attempt_count=row.attempt_count,
        due_at=row.due_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
        order=OrderKey(str(row.order.public_id), row.order.accession_number) if row.order else None,
        paused=row.endpoint.paused,
    )


def delivery(public_id: str) -> Delivery:
    """One delivery with its attempts; raises UnknownKeyError."""
    row = (
        Delivery.objects.select_related("endpoint", "order__patient", "event", "patient")
        .prefetch_related(
            Prefetch("attempts", queryset=DeliveryAttempt.objects.order_by("number")),
            Prefetch("further_orders", queryset=Order.objects.order_by("id")),
        )
        .filter(public_id=_key(public_id, "delivery"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such delivery")
    return row


def of_report(public_id: str) -> list[OutboundLine]:
    """Where a report was sent, and how that went."""
    rows = Delivery.objects.filter(report__public_id=_key(public_id, "report")).order_by("-id")
    return outbound_lines(with_outbound_lines(rows))


# --- endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """A peer system with how its traffic stands."""

    public_id: str
    name: str
    protocol: str
    direction: str
    protocol_name: str
    address: str
    version: str
    sends: tuple[str, ...]
    active: bool
    paused: bool
    last_at: datetime | None
    queued: int
    stuck: int
    oldest_at: datetime | None

    @property
    def is_out(self) -> bool:
        return self.direction == Direction.OUT.value


@dataclass(frozen=True, slots=True)
class _Traffic:
    queued: int = 0
    stuck: int = 0
    oldest_at: datetime | None = None


def endpoint_lines() -> list[EndpointLine]:
    """All peers by name, in three queries however many; only what is open is counted."""
    waiting = (DeliveryState.PENDING.value, DeliveryState.LEASED.value)
    out = {
        row["endpoint"]: _Traffic(row["queued"], row["stuck"], row["oldest"])
        for row in Delivery.objects.order_by()
        .filter(state__in=(*waiting, *STUCK_DELIVERY))
        .values("endpoint")
        .annotate(
            queued=Count("pk", filter=Q(state__in=waiting)),
            stuck=Count("pk", filter=Q(state__in=STUCK_DELIVERY)),
            oldest=Min("created_at", filter=Q(state__in=waiting)),
        )
    }
    into = {
        row["endpoint"]: _Traffic(0, row["stuck"])
        for row in InboundMessage.objects.order_by()
        .filter(state__in=STUCK_MESSAGE, resolved_at=None)
        .exclude(endpoint=None)
        .values("endpoint")
        .annotate(stuck=Count("pk"))
    }
    received = InboundMessage.objects.filter(endpoint=OuterRef("pk")).order_by("-id")
    delivered = Delivery.objects.filter(
        endpoint=OuterRef("pk"), state=DeliveryState.DELIVERED.value
    ).order_by("-id")
    rows = Endpoint.objects.annotate(
        last_in=Subquery(received.values("received_at")[:1]),
        last_out=Subquery(delivered.values("delivered_at")[:1]),
    ).order_by("name", "direction", "protocol")
    found = []
    for row in rows:
        is_out = row.direction == Direction.OUT.value
        traffic = (out if is_out else into).get(row.pk, _Traffic())
        found.append(
            EndpointLine(
                public_id=str(row.public_id),
                name=row.name,
                protocol=row.protocol,
                direction=row.direction,
                protocol_name=row.protocol_name,
                address=f"{row.host}:{row.port}" if row.port else row.host,
                version=row.version,
                sends=tuple(row.sends),
                active=row.active,
                paused=row.paused,
                last_at=row.last_out if is_out else row.last_in,
                queued=traffic.queued,
                stuck=traffic.stuck,
                oldest_at=traffic.oldest_at,
            )
        )
    return found


def stuck_deliveries(endpoint: str, limit: int) -> list[str]:
    """Public ids of what a peer refused or was given up, oldest first, as far as it was written."""
    rows = (
        Delivery.objects.filter(
            endpoint__public_id=_key(endpoint, "endpoint"), state__in=STUCK_DELIVERY
        )
        .exclude(payload=b"")
        .order_by("id")
    )
    return [str(key) for key in rows.values_list("public_id", flat=True)[:limit]]


def patients_of(message: InboundMessage) -> list[str]:
    """Public ids of the patients a message is about, for the audit of showing it."""
    keys = {str(order.patient.public_id) for order in message.orders.all()}
    if message.patient:
        keys.add(str(message.patient.public_id))
    return sorted(keys)


def _key(text: str, what: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise UnknownKeyError(f"no such {what}") from None
