"""Messages in and deliveries out, for the people who watch the interfaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import DeliveryState
from ris.models import (
    Delivery,
    DeliveryAttempt,
    DomainEvent,
    Endpoint,
    InboundMessage,
    MessageEdit,
    Order,
)
from ris.selectors.message_filters import STUCK_DELIVERY as STUCK_DELIVERY
from ris.selectors.message_filters import STUCK_MESSAGE as STUCK_MESSAGE
from ris.selectors.message_filters import key_of, of_endpoints
from ris.selectors.statements import fetch

EVENTS = 200  # shown of one message


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
    # The message that brought the same later and was applied; filled by who asks for it.
    became: str = ""
    became_at: datetime | None = None


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
    is_written: bool  # else there is no text of it yet
    report: str = ""  # public id of the report whose version it carries


# --- in


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
            Prefetch("orders", queryset=Order.objects.select_related("patient")),
            Prefetch("edits", queryset=MessageEdit.objects.select_related("after_message")),
            Prefetch("edited_from", queryset=MessageEdit.objects.select_related("before_message")),
        )
        .filter(public_id=key_of(public_id, "message"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such message")
    return row


def events_of(message: InboundMessage) -> list[DomainEvent]:
    """What a message did, in order."""
    rows = DomainEvent.objects.filter(message=message).select_related("order", "patient")
    return list(rows.order_by("id")[:EVENTS])


# --- out


def with_outbound_lines(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return rows.select_related("endpoint", "order", "report").defer("payload")


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
        is_written=not row.lane.startswith("unwritable:"),
        report=str(row.report.public_id) if row.report else "",
    )


def delivery(public_id: str) -> Delivery:
    """One delivery with its attempts; raises UnknownKeyError."""
    row = (
        Delivery.objects.select_related("endpoint", "order__patient", "event", "patient")
        .prefetch_related(
            Prefetch("attempts", queryset=DeliveryAttempt.objects.order_by("number")),
            Prefetch("further_orders", queryset=Order.objects.order_by("id")),
            Prefetch("edits", queryset=MessageEdit.objects.select_related("after_delivery")),
            Prefetch("edited_from", queryset=MessageEdit.objects.select_related("before_delivery")),
        )
        .filter(public_id=key_of(public_id, "delivery"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such delivery")
    return row


def last_received(endpoint: Endpoint, limit: int) -> list[InboundLine]:
    """The newest of a peer, however seldom it sends: by the index of its messages."""
    rows = InboundMessage.objects.filter(endpoint=endpoint).order_by("-id")
    return inbound_lines(with_inbound_lines(rows)[:limit])


def last_unapplied(endpoint: Endpoint, limit: int) -> list[InboundLine]:
    """The newest of a peer that nobody dealt with."""
    stuck = InboundMessage.objects.filter(state__in=STUCK_MESSAGE, resolved_at=None)
    rows = of_endpoints(stuck, [endpoint.pk])  # few are stuck, many are of one peer
    return inbound_lines(with_inbound_lines(rows.order_by("-id"))[:limit])


def last_sent(endpoint: Endpoint, limit: int) -> list[OutboundLine]:
    """The newest to a peer: of each state by its index, then together."""
    rows = Delivery.objects.filter(endpoint=endpoint).order_by("-id").values_list("pk")
    each = [rows.filter(state=state.value)[:limit].query for state in DeliveryState]
    written, given = zip(*(query.sql_with_params() for query in each), strict=True)
    # SQLite cuts the parts of a union only inside brackets, which Django does not write.
    parts = (
        f"SELECT * FROM ({one}) AS part_{number}"  # noqa: S608  # Django's own SQL
        for number, one in enumerate(written)
    )
    keys = fetch(" UNION ALL ".join(parts), [value for values in given for value in values])
    newest = sorted((key for (key,) in keys), reverse=True)[:limit]
    found = Delivery.objects.filter(pk__in=newest).order_by("-id")
    return outbound_lines(with_outbound_lines(found))


def of_report(public_id: str) -> list[OutboundLine]:
    """Where a report was sent, and how that went."""
    rows = Delivery.objects.filter(report__public_id=key_of(public_id, "report")).order_by("-id")
    return outbound_lines(with_outbound_lines(rows))


# --- what is stuck


def stuck_deliveries(endpoint: str, limit: int) -> list[str]:
    """Public ids of what a peer refused or was given up, oldest first."""
    rows = Delivery.objects.filter(
        endpoint__public_id=key_of(endpoint, "endpoint"), state__in=STUCK_DELIVERY
    ).order_by("id")
    return [str(key) for key in rows.values_list("public_id", flat=True)[:limit]]


def patients_of(message: InboundMessage) -> list[str]:
    """Public ids of the patients a message is about, for the audit of showing it."""
    keys = {str(order.patient.public_id) for order in message.orders.all()}
    if message.patient:
        keys.add(str(message.patient.public_id))
    return sorted(keys)
