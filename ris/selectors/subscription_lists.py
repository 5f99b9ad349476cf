"""Subscriptions of FHIR clients as the pages list them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from ris.domain.exchange import DeliveryState, Direction, Protocol
from ris.models import Delivery, Endpoint, FhirSubscription
from ris.selectors.interfaces import Queue, queues


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLine:
    """One row of the list of subscriptions."""

    public_id: str
    endpoint: str
    name: str
    client: str
    status: str
    error: str
    criteria: str
    filters: tuple[str, ...]
    url: str
    content: str
    payload: str
    events: int
    created_at: datetime
    ends_at: datetime | None
    paused: bool
    paused_reason: str
    active: bool
    last_at: datetime | None
    queued: int
    stuck: int
    oldest_at: datetime | None


def lines() -> list[SubscriptionLine]:
    """All subscriptions that were not removed, in a fixed number of queries."""
    delivered = Delivery.objects.filter(
        endpoint=OuterRef("endpoint"), state=DeliveryState.DELIVERED.value
    ).order_by("-id")
    rows = (
        FhirSubscription.objects.filter(removed_at=None)
        .select_related("endpoint")
        .annotate(last_at=Subquery(delivered.values("delivered_at")[:1]))
        .defer("document", "headers")
        .order_by("client", "id")
    )
    waiting, _ = queues()
    return [_line(row, waiting.get(row.endpoint_id, Queue())) for row in rows]


def behind(endpoint: Endpoint) -> str:
    """The subscription that is sent through an endpoint, removed or not; empty for another's."""
    if endpoint.protocol != Protocol.FHIR.value or endpoint.direction != Direction.OUT.value:
        return ""
    row = FhirSubscription.objects.filter(endpoint=endpoint).only("public_id").first()
    return str(row.public_id) if row else ""


def _line(row: Any, queue: Queue) -> SubscriptionLine:
    return SubscriptionLine(
        public_id=str(row.public_id),
        endpoint=str(row.endpoint.public_id),
        name=row.endpoint.name,
        client=row.client,
        status=row.status,
        error=row.error,
        criteria=row.criteria,
        filters=tuple(row.filters),
        url=row.url,
        content=row.content,
        payload=row.payload,
        events=row.event_count,
        created_at=row.created_at,
        ends_at=row.ends_at,
        paused=row.endpoint.paused,
        paused_reason=row.endpoint.paused_reason,
        active=row.endpoint.active,
        last_at=row.last_at,
        queued=queue.queued,
        stuck=queue.stuck,
        oldest_at=queue.oldest_at,
    )
