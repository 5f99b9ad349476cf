"""What must leave: events become deliveries, deliveries are sent (DESIGN 8, ADR 0005).

The rows are the queue. Celery only rings the bell, and whoever calls ``fan_out`` and
``deliver_due`` — a worker, the beat, a loop without any broker — does the same work. A delivery
leaves at least once, with the same control id on every try; those of one endpoint and lane leave in
order, one at a time.
"""

from __future__ import annotations

import random
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import BigIntegerField, DateTimeField, Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from ris.domain.errors import RisError
from ris.domain.exchange import BLOCKING, DELIVERY, DeliveryState, DeliveryTrigger, Direction
from ris.domain.exchange import Protocol as ProtocolName
from ris.domain.protocol import (
    Attempt,
    EndpointInfo,
    OutboundProtocol,
    Outgoing,
    Result,
    StoredEvent,
    TakesReplies,
)
from ris.models import (
    Counter,
    Delivery,
    DeliveryAttempt,
    DomainEvent,
    Endpoint,
    Order,
    Patient,
    Report,
)
from ris.models.prepared import Given, Select
from ris.selectors.exchange import info
from ris.services import _clock
from ris.services._execute import after_commit
from ris.services._gates import BREAKER_FAILURES as BREAKER_FAILURES
from ris.services._gates import Breaker, Gate
from ris.services._transition import move

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
BACK_OFF_SECONDS = 1.0
BACK_OFF_LIMIT_SECONDS = 300.0
# A peer that answers AE may have been busy with the same record: it is asked this often in all.
REFUSALS_BEFORE_PARKING = 3

_PROTOCOLS: dict[ProtocolName, OutboundProtocol] = {}

# Called after a commit that wrote an event; the app sets it to the Celery doorbell.
on_commit_ring: Callable[[], None] = lambda: None  # noqa: E731 - a slot, not a function


def _ring() -> None:
    on_commit_ring()


after_commit(_ring)


def register_protocol(name: ProtocolName, protocol: OutboundProtocol) -> None:
    """Called by each edge when it starts."""
    _PROTOCOLS[name] = protocol


@contextmanager
def speaking(
    name: ProtocolName, wrap: Callable[[OutboundProtocol], OutboundProtocol]
) -> Iterator[None]:
    """Let something else speak for an edge inside; where there is no such edge, nothing does."""
    edge = _PROTOCOLS.get(name)
    if edge is None:
        yield
        return
    _PROTOCOLS[name] = wrap(edge)
    try:
        yield
    finally:
        _PROTOCOLS[name] = edge


def check_settings(name: ProtocolName, settings: Mapping[str, Any]) -> dict[str, Any]:
    protocol = _PROTOCOLS.get(name)
    return protocol.check_settings(settings) if protocol else dict(settings)


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
    protocol = _PROTOCOLS[ProtocolName(delivery.endpoint.protocol)]
    return protocol.readdress(bytes(delivery.payload), control_id, info(delivery.endpoint))


# --- events become deliveries


def fan_out(limit: int = 200) -> int:
    """Turn new events into deliveries for every endpoint that wants them; how many events.

    One process at a time does this, so that deliveries of one order are always in the order of its
    events.
    """
    with transaction.atomic():
        Counter.objects.get_or_create(name="fan_out")
        lock = Counter.objects.select_for_update(skip_locked=True).filter(name="fan_out").first()
        if lock is None:
            return 0
        events = list(
            DomainEvent.objects.select_related("order", "patient")
            .filter(fanned_out_at__isnull=True)
            .order_by("id")[:limit]
        )
        if not events:
            return 0
        endpoints = list(
            Endpoint.objects.filter(direction=Direction.OUT.value, active=True).order_by("id")
        )
        for event in events:
            for endpoint in endpoints:
                _render(event, endpoint)
        DomainEvent.objects.filter(pk__in=[event.pk for event in events]).update(
            fanned_out_at=_clock.now()
        )
    return len(events)


def _render(event: DomainEvent, endpoint: Endpoint) -> None:
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if protocol is None:
        return
    control_id = new_control_id(endpoint.pk, event.pk)
    stored = StoredEvent(
        id=event.pk,
        name=event.name,
        payload=event.payload,
        at=event.at,
        order=str(event.order.public_id) if event.order else "",
        patient=str(event.patient.public_id) if event.patient else "",
        actor_endpoint_id=event.actor_endpoint_id,
    )
    try:
        with transaction.atomic():
            outgoing = protocol.render(stored, info(endpoint), control_id)
    except RisError as error:
        _unwritable(event, endpoint, control_id, error.message)
        return
    except Exception:
        error_id = uuid.uuid4().hex[:12]
        log.exception("an event could not be rendered", error_id=error_id, event=event.name)
        _unwritable(event, endpoint, control_id, f"internal error {error_id}")
        return
    orders = _orders(outgoing)
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
    _date(rows)


def enqueue(endpoint: EndpointInfo, message: Outgoing, *, patient: str = "") -> str:
    """Queue a message that no event means (an application acknowledgement); its public id.

    It joins the caller's transaction if there is one, so it leaves only if that is committed. The
    same control id again is the same message: nothing is added.
    """
    orders = _orders([message])
    named = [orders[key] for key in message.orders if key in orders]
    with transaction.atomic():
        row, is_new = Delivery.objects.get_or_create(
            endpoint_id=endpoint.id,
            control_id=message.control_id,
            defaults={
                "lane": message.lane,
                "message_type": message.message_type,
                "payload": message.payload,
                "order": named[0] if named else None,
                "patient": Patient.objects.filter(public_id=patient).first() if patient else None,
                "due_at": _clock.now(),
            },
        )
        if is_new:
            row.further_orders.set(named[1:])
            _date([row])
            transaction.on_commit(_ring, robust=True)
    return str(row.public_id)


def _orders(outgoing: Sequence[Outgoing]) -> dict[str, Order]:
    """The orders that messages name, by public id."""
    keys = {key for message in outgoing for key in message.orders}
    if not keys:
        return {}
    return {str(row.public_id): row for row in Order.objects.filter(public_id__in=keys)}


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
    _date([row])


def _date(rows: Sequence[Delivery]) -> None:
    """Where history is told, a message was made then, whatever the machine's clock says."""
    if rows and _clock.is_told():
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(created_at=_clock.now())


# --- deliveries are sent


_breaker = Breaker()
_gate = Gate()
_pools: dict[str, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()
# Whoever asks for deliveries waits for them so long; they go on without him.
WAIT_SECONDS = 5.0


def reset_breaker() -> None:
    """Forget past failures (an operator asks to try now; a test begins)."""
    global _breaker
    _breaker = Breaker()


def deliver_due(limit: int = 1000, *, threads: int = 0) -> int:
    """Send what is due; the number of attempts made, as far as they were waited for.

    With ``threads`` so many endpoints are served at once, and as many again of those that did not
    answer last time: these wait among themselves, so that a peer that hangs keeps nobody waiting.
    """
    _free_expired()
    due = list(
        Endpoint.objects.filter(
            pk__in=Delivery.objects.filter(
                state=DeliveryState.PENDING.value, due_at__lte=_clock.now()
            ).values("endpoint_id"),
            active=True,
            paused=False,
        ).order_by("id")
    )
    mine = (each for each in due if _breaker.lets(each.pk) and _gate.enter(each.pk))
    if threads < 2:
        return sum(_serve_alone(endpoint, limit) for endpoint in mine)
    awaited = []
    for endpoint in mine:
        in_doubt = _breaker.doubts(endpoint.pk)
        pool = _pool("doubtful" if in_doubt else "deliver", threads)
        future = pool.submit(_serve_apart, endpoint, limit)
        if not in_doubt:
            awaited.append(future)
    done, _ = wait(awaited, timeout=WAIT_SECONDS)
    return sum(future.result() for future in done)


def _pool(name: str, threads: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(threads, thread_name_prefix=name)
        return _pools[name]


def _serve_apart(endpoint: Endpoint, limit: int) -> int:
    """Serve in a thread of a pool, which keeps its database connection."""
    try:
        return _serve_alone(endpoint, limit, before=close_old_connections)
    except Exception:
        log.exception("deliveries of an endpoint stopped", endpoint=endpoint.name)
        return 0


def _serve_alone(
    endpoint: Endpoint, limit: int, *, before: Callable[[], None] = lambda: None
) -> int:
    """Serve an endpoint whose gate was entered, and leave it."""
    attempts = 0
    try:
        before()
        while True:
            attempts += _serve(endpoint, limit)
            # A peer that does not answer is left to the next sweep, whoever asks for it meanwhile.
            if _gate.leave(endpoint.pk, for_good=_breaker.doubts(endpoint.pk)):
                return attempts
    except BaseException:
        _gate.leave(endpoint.pk, for_good=True)
        raise


def _serve(endpoint: Endpoint, limit: int) -> int:
    attempts = 0
    while attempts < limit and _breaker.lets(endpoint.pk):
        delivery = _claim(endpoint)
        if delivery is None:
            break
        attempts += 1
        attempt = _send(endpoint, delivery)
        _finish(delivery, attempt, endpoint)
        reached = attempt.result in {Result.DELIVERED, Result.REFUSED}
        _breaker.note(endpoint.pk, reached=reached)
        if not reached:
            break  # the next sweep tries again; hammering a peer in trouble helps nobody
    return attempts


def _heads() -> QuerySet[Delivery]:
    """What is due at the head of its lane, oldest first: both parts follow an index."""
    earlier = Delivery.objects.filter(
        endpoint_id=OuterRef("endpoint_id"),
        lane=OuterRef("lane"),
        pk__lt=OuterRef("pk"),
        state__in=[state.value for state in BLOCKING],
    )
    return (
        Delivery.objects.select_for_update(skip_locked=True, of=("self",))
        # Not by the index of what is due, which SQLite would take: it finds all that waits, while
        # the endpoint's in their order end at the first.
        .alias(due=Coalesce("due_at", "created_at"))
        .filter(
            ~Exists(earlier),
            endpoint=Given("endpoint", BigIntegerField()),
            state=DeliveryState.PENDING.value,
            due__lte=Given("now", DateTimeField()),
        )
        .order_by("pk")[:1]
    )


_HEAD = Select(_heads)


def _claim(endpoint: Endpoint) -> Delivery | None:
    """Lease the oldest delivery that heads its lane; the try is counted before it is made."""
    now = _clock.now()
    with transaction.atomic():
        delivery = _HEAD.first(endpoint=endpoint.pk, now=now)
        if delivery is None:
            return None
        delivery.lease_token = uuid.uuid4().hex
        delivery.lease_until = now + LEASE
        delivery.attempt_count += 1
        move(
            delivery,
            DELIVERY,
            DeliveryTrigger.LEASE,
            "lease_token",
            "lease_until",
            "attempt_count",
        )
        DeliveryAttempt.objects.create(
            delivery=delivery, number=delivery.attempt_count, started_at=now
        )
    return delivery


def _send(endpoint: Endpoint, delivery: Delivery) -> Attempt:
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if protocol is None:
        return Attempt(result=Result.TRANSIENT, error="this process cannot speak the protocol")
    try:
        return protocol.send(bytes(delivery.payload), delivery.control_id, info(endpoint))
    except Exception as error:
        log.exception("sending failed", endpoint=endpoint.name)
        return Attempt(result=Result.AMBIGUOUS, error=f"internal error ({type(error).__name__})")


def _finish(delivery: Delivery, attempt: Attempt, endpoint: Endpoint) -> None:
    """Note how an attempt ended, unless the lease was lost meanwhile (fencing)."""
    now = _clock.now()
    with transaction.atomic():
        row = Delivery.objects.select_for_update(of=("self",)).get(pk=delivery.pk)
        DeliveryAttempt.objects.filter(delivery=row, number=delivery.attempt_count).update(
            ended_at=now,
            result=attempt.result.value,
            reply=attempt.reply,
            error=attempt.error,
        )
        if row.state != DeliveryState.LEASED.value or row.lease_token != delivery.lease_token:
            log.warning("a lease was lost before its delivery ended", delivery=str(row.public_id))
            return
        row.last_error = attempt.error
        row.lease_until = None
        fields = ("last_error", "lease_until")
        if attempt.result is Result.DELIVERED:
            row.delivered_at = now
            row.last_error = _accepted(row, attempt, endpoint)
            move(row, DELIVERY, DeliveryTrigger.SUCCEED, "delivered_at", *fields)
        elif attempt.result is Result.REFUSED and _refusals(row) >= REFUSALS_BEFORE_PARKING:
            move(row, DELIVERY, DeliveryTrigger.REFUSE, *fields)
            log.warning("a peer refuses a message", endpoint=delivery.endpoint_id)
        else:
            row.due_at = now + back_off(row.attempt_count)
            move(row, DELIVERY, DeliveryTrigger.DEFER, "due_at", *fields)


def _accepted(delivery: Delivery, attempt: Attempt, endpoint: Endpoint) -> str:
    """Have the edge do what the reply asks for; what went wrong with that, if anything did.

    The message has arrived all the same, so it stays delivered.
    """
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if not attempt.reply or not isinstance(protocol, TakesReplies):
        return ""
    try:
        with transaction.atomic():
            protocol.accepted(bytes(delivery.payload), attempt.reply, info(endpoint))
    except OperationalError:
        raise  # nothing is known of the delivery either: it goes again, with the same control id
    except RisError as error:
        return f"delivered, but the answer could not be applied: {error.message}"
    except Exception:
        error_id = uuid.uuid4().hex[:12]
        log.exception("a reply could not be applied", error_id=error_id, endpoint=endpoint.name)
        return f"delivered, but the answer could not be applied: internal error {error_id}"
    return ""


def _refusals(delivery: Delivery) -> int:
    """Refusals since the delivery was last queued by a person."""
    results = delivery.attempts.order_by("-number").values_list("result", flat=True)
    count = 0
    for result in results[: REFUSALS_BEFORE_PARKING + 1]:
        if result != Result.REFUSED.value:
            break
        count += 1
    return count


def back_off(attempts: int) -> timedelta:
    """Full jitter, doubling from one second to five minutes."""
    ceiling = min(BACK_OFF_LIMIT_SECONDS, BACK_OFF_SECONDS * 2 ** min(attempts, 12))
    return timedelta(seconds=random.uniform(BACK_OFF_SECONDS / 2, ceiling))  # noqa: S311 - jitter


def _free_expired() -> None:
    """Give back deliveries whose sender died; its try counts, and the receiver may have it."""
    now: datetime = _clock.now()
    expired = Delivery.objects.filter(state=DeliveryState.LEASED.value, lease_until__lt=now)
    if not expired.exists():
        return
    with transaction.atomic():
        for row in expired.select_for_update(skip_locked=True, of=("self",)):
            DeliveryAttempt.objects.filter(
                delivery=row, number=row.attempt_count, ended_at__isnull=True
            ).update(ended_at=now, result=Result.AMBIGUOUS.value, error="the sender stopped")
            row.last_error = "the sender stopped before an answer came"
            row.lease_until = None
            row.due_at = now
            move(row, DELIVERY, DeliveryTrigger.DEFER, "last_error", "lease_until", "due_at")


def free_leases_of_this_machine() -> None:
    """At the start of the only worker: whatever is leased belongs to one that died."""
    with transaction.atomic():
        Delivery.objects.filter(state=DeliveryState.LEASED.value).update(
            lease_until=_clock.now() - timedelta(seconds=1)
        )
    _free_expired()
