"""Subscriptions of FHIR clients, as their edge and their writers need them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import BigIntegerField, Q
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import DeliveryState
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
from ris.models.prepared import Given, Select
from ris.selectors.exchange import info


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


def view_of(row: FhirSubscription) -> SubscriptionView:
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


def _key(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise UnknownKeyError("no such subscription") from None


def of_endpoint(endpoint_id: int) -> SubscriptionView | None:
    """The subscription that is sent through an endpoint, unless it was removed."""
    row = _OF_ENDPOINT.first(endpoint=endpoint_id)
    return view_of(row) if row else None


# Asked for each subscription with every event.
_OF_ENDPOINT = Select(
    lambda: FhirSubscription.objects.filter(
        endpoint=Given("endpoint", BigIntegerField()), removed_at__isnull=True
    )
)


def subscription_view(public_id: str) -> SubscriptionView:
    """Raises UnknownKeyError."""
    row = FhirSubscription.objects.filter(public_id=_key(public_id), removed_at=None).first()
    if row is None:
        raise UnknownKeyError("no such subscription")
    return view_of(row)


def endpoint_of(public_id: str) -> EndpointInfo:
    """What the outbox is told of a subscription's endpoint."""
    return info(Endpoint.objects.get(subscription__public_id=_key(public_id)))


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
    rows = FhirNotification.objects.filter(subscription__public_id=_key(subscription))
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
