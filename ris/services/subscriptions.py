"""Subscriptions of FHIR clients: taken up, changed, moved between states, numbered, ended.

A subscription has an endpoint of its own: the outbox keeps its deliveries in order, tries them
again and shows them like those of any other peer (docs/adr/0032).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import F

from ris.domain.actors import TIMER, ActorKind, Role
from ris.domain.errors import DeniedError, StateConflictError, UnknownKeyError
from ris.domain.exchange import DELIVERY, DeliveryState, DeliveryTrigger, Direction, Protocol
from ris.domain.places import Place
from ris.domain.subscriptions import (
    FAILURES_BEFORE_ERROR,
    MOST_OF_ONE_CLIENT,
    SUBSCRIPTION,
    MoveSubscription,
    RemoveSubscription,
    ReviseSubscription,
    Subscribe,
    SubscriptionCreated,
    SubscriptionMoved,
    SubscriptionRemoved,
    SubscriptionRevised,
    SubscriptionStatus,
    SubscriptionTerms,
    SubscriptionTrigger,
)
from ris.models import Delivery, Endpoint, FhirNotification, FhirSubscription
from ris.selectors import subscriptions as selectors
from ris.services import _clock
from ris.services._context import Context
from ris.services._execute import execute, transactional
from ris.services._locks import public_key
from ris.services._transition import move, touch

log = structlog.get_logger(__name__)

_TERMS = (
    "criteria", "topic", "url", "payload", "content", "heartbeat_seconds", "timeout_seconds",
    "max_count", "ends_at", "base", "document",
)  # fmt: skip
# What a change of these means is proved anew; a new reason or contact is not.
_PROVED = frozenset({"criteria", "topic", "filters", "url", "headers", "payload", "content"})


def _fields(terms: SubscriptionTerms) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(terms, name) for name in _TERMS}
    return {**values, "filters": list(terms.filters), "headers": list(terms.headers)}


def subscribe(command: Subscribe, context: Context) -> str:
    live = FhirSubscription.objects.filter(client=command.client, removed_at=None)
    if live.count() >= MOST_OF_ONE_CLIENT:
        raise StateConflictError(
            f"a client has {MOST_OF_ONE_CLIENT} subscriptions at most: delete what is not needed"
        )
    row = FhirSubscription(
        client=command.client, status=command.status.value, **_fields(command.terms)
    )
    row.endpoint = Endpoint.objects.create(
        name=f"{command.client[:40]} {str(row.public_id)[-12:]}",
        protocol=Protocol.FHIR.value,
        direction=Direction.OUT.value,
        protocol_name=f"Subscription/{row.public_id}",
        active=command.status is not SubscriptionStatus.OFF,
    )
    row.save()
    context.emit(
        SubscriptionCreated(subscription=str(row.public_id), client=row.client), subject=row
    )
    return str(row.public_id)


def _lock(public_id: str) -> FhirSubscription:
    row = (
        FhirSubscription.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .filter(public_id=public_key(public_id, "subscription"), removed_at=None)
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such subscription")
    return row


def _require_owner(row: FhirSubscription, context: Context) -> None:
    """Another client must not have what this one may see sent elsewhere."""
    if context.actor.kind is ActorKind.CLIENT and context.actor.name != row.client:
        raise DeniedError("this subscription belongs to another client")


def revise_subscription(command: ReviseSubscription, context: Context) -> bool:
    row = _lock(command.subscription)
    _require_owner(row, context)
    values = _fields(command.terms)
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    present = SubscriptionStatus(row.status)
    off, requested = SubscriptionStatus.OFF, SubscriptionStatus.REQUESTED
    if command.status is not present and command.status not in {off, requested}:
        raise StateConflictError(
            f"the subscription is {present.value}: a client asks for requested or off",
            path=Place.SUBSCRIPTION_STATUS,
        )
    again = command.status is requested or (
        command.status is present and present is not off and bool(_PROVED & set(changed))
    )
    if again:
        row.error, row.failures = "", 0
        move(row, SUBSCRIPTION, SubscriptionTrigger.REQUEST, "error", "failures", *changed)
    elif command.status is off and present is not off:
        move(row, SUBSCRIPTION, SubscriptionTrigger.TURN_OFF, *changed)
    elif changed:
        touch(row, *changed)
    _open(row, is_open=row.status != off.value)
    if again:
        _requeue(row, context)
    if changed or again or command.status is not present:
        context.emit(
            SubscriptionRevised(subscription=str(row.public_id), changed=tuple(changed)),
            subject=row,
        )
    else:
        context.about(row)
    return again


def _requeue(row: FhirSubscription, context: Context) -> None:
    """What was refused goes again, first and in order: its subscriber says that it is mended."""
    refused = Delivery.objects.select_for_update(of=("self",)).filter(
        endpoint_id=row.endpoint_id,
        state__in=[DeliveryState.REFUSED.value, DeliveryState.DEAD.value],
    )
    for delivery in refused.order_by("id"):
        delivery.due_at = context.now
        move(delivery, DELIVERY, DeliveryTrigger.REQUEUE, "due_at")


def _open(row: FhirSubscription, *, is_open: bool) -> None:
    """A subscription that is off is told nothing; what waits goes on waiting."""
    if row.endpoint.active != is_open:
        row.endpoint.active = is_open
        touch(row.endpoint, "active")


def move_subscription(command: MoveSubscription, context: Context) -> None:
    row = _lock(command.subscription)
    row.error = command.error[:500]
    if command.trigger is SubscriptionTrigger.ACTIVATE:
        row.failures = 0
    move(row, SUBSCRIPTION, command.trigger, "error", "failures")
    _open(row, is_open=row.status != SubscriptionStatus.OFF.value)
    context.emit(
        SubscriptionMoved(subscription=str(row.public_id), status=row.status, error=row.error),
        subject=row,
    )


def remove_subscription(command: RemoveSubscription, context: Context) -> None:
    row = _lock(command.subscription)
    _require_owner(row, context)
    row.removed_at = context.now
    row.headers = []
    if row.status != SubscriptionStatus.OFF.value:
        move(row, SUBSCRIPTION, SubscriptionTrigger.TURN_OFF, "removed_at", "headers")
    else:
        touch(row, "removed_at", "headers")
    _open(row, is_open=False)
    context.emit(
        SubscriptionRemoved(subscription=str(row.public_id), reason=command.reason), subject=row
    )


# --- what the sender notes


@transactional
def number(
    endpoint_id: int, event_id: int | None, told: Sequence[tuple[str, str, str]], at: datetime
) -> int:
    """Number events of a subscription; the number of the first.

    ``told`` are (type, id, control id of the delivery). Numbers have no gaps: they are given in the
    transaction that queues the deliveries.
    """
    row = FhirSubscription.objects.select_for_update().get(endpoint_id=endpoint_id)
    first = row.event_count + 1
    FhirNotification.objects.bulk_create(
        FhirNotification(
            subscription=row,
            number=first + place,
            event_id=event_id,
            focus_type=kind,
            focus_id=public_id,
            at=at,
            control_id=control_id,
        )
        for place, (kind, public_id, control_id) in enumerate(told)
    )
    FhirSubscription.objects.filter(pk=row.pk).update(
        event_count=F("event_count") + len(told), queued_at=_clock.now()
    )
    return first


def note_queued(endpoint_id: int) -> None:
    """A notification without an event (handshake, heartbeat) was queued."""
    FhirSubscription.objects.filter(endpoint_id=endpoint_id).update(queued_at=_clock.now())


def note_failure(endpoint_id: int, error: str, *, for_good: bool = False) -> None:
    """A try did not succeed; after some in a row the subscription is in error."""
    rows = FhirSubscription.objects.filter(endpoint_id=endpoint_id)
    rows.update(failures=F("failures") + 1)
    row = rows.first()
    if row is None or row.status not in {
        SubscriptionStatus.ACTIVE.value,
        SubscriptionStatus.REQUESTED.value,
    }:
        return
    if for_good or row.failures >= FAILURES_BEFORE_ERROR:
        _move(row, SubscriptionTrigger.FAIL, error)


def note_success(endpoint_id: int) -> None:
    """A notification arrived: whatever was wrong is mended, whatever was asked for is there."""
    row = FhirSubscription.objects.filter(endpoint_id=endpoint_id).first()
    if row is None:
        return
    if row.status in {SubscriptionStatus.REQUESTED.value, SubscriptionStatus.ERROR.value}:
        _move(row, SubscriptionTrigger.ACTIVATE)
    elif row.failures:
        FhirSubscription.objects.filter(pk=row.pk).update(failures=0)


def turn_off(endpoint_id: int, error: str) -> None:
    row = FhirSubscription.objects.filter(endpoint_id=endpoint_id).first()
    if row is not None and row.status != SubscriptionStatus.OFF.value:
        _move(row, SubscriptionTrigger.TURN_OFF, error)


def _move(row: FhirSubscription, trigger: SubscriptionTrigger, error: str = "") -> None:
    try:
        execute(
            MoveSubscription(subscription=str(row.public_id), trigger=trigger, error=error),
            actor=TIMER,
        )
    except (StateConflictError, UnknownKeyError):
        log.info("a subscription changed meanwhile", subscription=str(row.public_id))


# --- by the clock

# Queues a heartbeat for a subscription, by the id of its endpoint; set by the edge.
Heartbeat = Callable[[int], None]
_heartbeats: list[Heartbeat] = []


def register_heartbeat(beat: Heartbeat) -> None:
    _heartbeats[:] = [beat]


def run_due() -> None:
    """End what is over, and say that we are there where nothing happened for a while."""
    now = _clock.now()
    live = list(
        FhirSubscription.objects.filter(removed_at=None)
        .exclude(status=SubscriptionStatus.OFF.value)
        .defer("document", "headers")
    )
    scopes: dict[str, bool] = {}
    for row in live:
        if row.client not in scopes:
            scopes[row.client] = selectors.scopes_of(row.client) is not None
        try:
            _run(row, now, is_client=scopes[row.client])
        except Exception:
            # What is wrong with one must not stop the others, nor the clock.
            log.exception("a subscription was not looked after", subscription=str(row.public_id))


def _run(row: FhirSubscription, now: datetime, *, is_client: bool) -> None:
    if row.ends_at is not None and row.ends_at <= now:
        _move(row, SubscriptionTrigger.TURN_OFF, "it ended")
    elif not is_client:
        _move(row, SubscriptionTrigger.TURN_OFF, "its client has no valid token any more")
    elif (
        row.heartbeat_seconds
        and row.status == SubscriptionStatus.ACTIVE.value
        and row.queued_at is not None
        and row.queued_at + timedelta(seconds=row.heartbeat_seconds) <= now
    ):
        for beat in _heartbeats:
            beat(row.endpoint_id)


HANDLERS = {
    Subscribe: subscribe,
    ReviseSubscription: revise_subscription,
    MoveSubscription: move_subscription,
    RemoveSubscription: remove_subscription,
}

_CLIENTS = {Role.INTERFACE, Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    Subscribe: _CLIENTS,
    ReviseSubscription: _CLIENTS,
    MoveSubscription: {Role.SYSTEM},
    RemoveSubscription: _CLIENTS,
}
