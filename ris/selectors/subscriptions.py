"""Subscriptions of FHIR clients: for the edge, for searches, for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import DeliveryState, Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.domain.subscriptions import SubscriptionStatus
from ris.models import (
    ApiClient,
    ApiToken,
    Delivery,
    Endpoint,
    FhirNotification,
    FhirSubscription,
)
from ris.selectors.exchange import info
from ris.selectors.interfaces import Queue, queues
from ris.selectors.message_filters import key_of
from ris.selectors.search import terms
from ris.selectors.search.criteria import Common
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.terms import Terms, TextTerm


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription as its edge needs it; ``headers`` may be secret, so they are not printed."""

    public_id: str
    version: int
    updated_at: datetime
    endpoint_id: int
    client: str
    status: SubscriptionStatus
    error: str
    criteria: str
    topic: str
    filters: tuple[str, ...]
    url: str
    headers: tuple[str, ...] = field(repr=False)
    payload: str
    content: str
    heartbeat_seconds: int
    timeout_seconds: int
    max_count: int
    ends_at: datetime | None
    base: str
    document: str
    event_count: int
    failures: int


def _view(row: FhirSubscription) -> SubscriptionView:
    return SubscriptionView(
        public_id=str(row.public_id),
        version=row.version,
        updated_at=row.updated_at,
        endpoint_id=row.endpoint_id,
        client=row.client,
        status=SubscriptionStatus(row.status),
        error=row.error,
        criteria=row.criteria,
        topic=row.topic,
        filters=tuple(row.filters),
        url=row.url,
        headers=tuple(row.headers),
        payload=row.payload,
        content=row.content,
        heartbeat_seconds=row.heartbeat_seconds,
        timeout_seconds=row.timeout_seconds,
        max_count=row.max_count,
        ends_at=row.ends_at,
        base=row.base,
        document=row.document,
        event_count=row.event_count,
        failures=row.failures,
    )


def of_endpoint(endpoint_id: int) -> SubscriptionView | None:
    """The subscription that is sent through an endpoint, unless it was removed."""
    row = FhirSubscription.objects.filter(endpoint_id=endpoint_id, removed_at=None).first()
    return _view(row) if row else None


def subscription_view(public_id: str) -> SubscriptionView:
    """Raises UnknownKeyError."""
    row = FhirSubscription.objects.filter(
        public_id=key_of(public_id, "subscription"), removed_at=None
    ).first()
    if row is None:
        raise UnknownKeyError("no such subscription")
    return _view(row)


def endpoint_of(public_id: str) -> EndpointInfo:
    """What the outbox is told of a subscription's endpoint."""
    return info(Endpoint.objects.get(subscription__public_id=key_of(public_id, "subscription")))


def is_waiting(endpoint_id: int) -> bool:
    """Whether something is still to be sent."""
    return Delivery.objects.filter(
        endpoint_id=endpoint_id,
        state__in=[DeliveryState.PENDING.value, DeliveryState.LEASED.value],
    ).exists()


def scopes_of(client: str) -> tuple[str, ...] | None:
    """What a client may do now, by its registration and its tokens; None if it has neither."""
    now = timezone.now()
    registered = ApiClient.objects.filter(name=client).first()
    found: dict[str, None] = {}
    live = False
    if registered is not None and registered.disabled_at is None:
        live = True
        found.update(dict.fromkeys(registered.scopes))
    tokens = ApiToken.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        client=client,
        api_client=None,
        revoked_at=None,
    )
    for scopes in tokens.values_list("scopes", flat=True):
        live = True
        found.update(dict.fromkeys(scopes))
    return tuple(found) if live else None


# --- events


@dataclass(frozen=True, slots=True)
class NotificationView:
    """A numbered event, and under which control id it was told."""

    number: int
    at: datetime
    focus_type: str
    focus_id: str
    control_id: str


def _notification(row: FhirNotification) -> NotificationView:
    return NotificationView(row.number, row.at, row.focus_type, row.focus_id, row.control_id)


def events_between(
    subscription: str, first: int | None, last: int | None, limit: int
) -> list[NotificationView]:
    """The events of a subscription by number, ends included; of too many the first."""
    rows = FhirNotification.objects.filter(
        subscription__public_id=key_of(subscription, "subscription")
    )
    if first is not None:
        rows = rows.filter(number__gte=first)
    if last is not None:
        rows = rows.filter(number__lte=last)
    return [_notification(row) for row in rows.order_by("number")[:limit]]


def told_by(endpoint_id: int, control_id: str) -> list[NotificationView]:
    """The events that one delivery tells."""
    rows = FhirNotification.objects.filter(
        subscription__endpoint_id=endpoint_id, control_id=control_id
    )
    return [_notification(row) for row in rows.order_by("number")]


def payloads(endpoint_id: int, control_ids: Sequence[str]) -> dict[str, bytes]:
    """What was queued under these control ids, as it was written."""
    rows = Delivery.objects.filter(endpoint_id=endpoint_id, control_id__in=list(control_ids))
    return {key: bytes(raw) for key, raw in rows.values_list("control_id", "payload")}


# --- searches


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCriteria(Common):
    criteria: Terms[TextTerm] = ()
    statuses: frozenset[SubscriptionStatus] | None = None
    urls: Terms[str] = ()
    payloads: Terms[str] = ()


def _rows(criteria: SubscriptionCriteria) -> QuerySet[FhirSubscription] | None:
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    found &= terms.every(criteria.criteria, terms.text("criteria"))
    if criteria.statuses is not None:
        found &= Q(status__in=[status.value for status in criteria.statuses])
    for alternatives in criteria.urls:
        found &= Q(url__in=list(alternatives))
    for alternatives in criteria.payloads:
        found &= Q(payload__in=list(alternatives))
    return FhirSubscription.objects.filter(found, removed_at=None)


def _load(public_ids: Sequence[str]) -> list[SubscriptionView]:
    rows = FhirSubscription.objects.filter(
        public_id__in=list(terms.as_keys(public_ids)), removed_at=None
    )
    found = {str(row.public_id): _view(row) for row in rows}
    return [found[each] for each in public_ids if each in found]


subscriptions: Finder[SubscriptionCriteria, SubscriptionView] = Finder(
    sources=(Source(_rows, {"updated": F("updated_at")}),), load=_load
)


# --- the page


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
