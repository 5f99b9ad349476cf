"""What must leave: events become deliveries, deliveries are sent (DESIGN 8, ADR 0005).

The rows are the queue. Celery only rings the bell, and whoever calls ``fan_out`` and
``deliver_due`` — a worker, the beat, a loop without any broker — does the same work. A delivery
leaves at least once, with the same control id on every try; those of one endpoint and lane leave in
order, one at a time.
"""

from __future__ import annotations

import math
import random
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

import structlog
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import BigIntegerField, DateTimeField, Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from ris.domain.errors import RisError
from ris.domain.exchange import BLOCKING, DELIVERY, DeliveryState, DeliveryTrigger, Direction
from ris.domain.exchange import Protocol as ProtocolName
from ris.domain.protocol import REFUSALS_BEFORE_PARKING as REFUSALS_BEFORE_PARKING
from ris.domain.protocol import (
    Attempt,
    EndpointInfo,
    KeepsHours,
    OnRefusal,
    Outgoing,
    Result,
    TakesReplies,
)
from ris.models import Counter, Delivery, DeliveryAttempt, DomainEvent, Endpoint, Patient, Report
from ris.models.prepared import Given, Select
from ris.selectors.exchange import info
from ris.selectors.orders import orders_kept
from ris.services import _clock, afterwards
from ris.services._edges import PROTOCOLS as _PROTOCOLS
from ris.services._edges import check_settings as check_settings
from ris.services._edges import register_protocol as register_protocol
from ris.services._edges import speaking as speaking
from ris.services._execute import after_commit as after_commit
from ris.services._gates import BREAKER_FAILURES as BREAKER_FAILURES
from ris.services._gates import Breaker, Gate
from ris.services._transition import move
from ris.services._writing import date, in_words, orders_of, stored, write
from ris.services._writing import new_control_id as new_control_id
from ris.services._writing import with_control_id as with_control_id
from ris.services._writing import write_again as write_again

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
BACK_OFF_SECONDS = 1.0
BACK_OFF_LIMIT_SECONDS = 300.0
# While a queue is emptied: after so many messages, look whether it was paused meanwhile.
LOOK_EVERY = 25
# A message whose sender died each time it was tried is a danger to every sender.
CRASHES_BEFORE_PARKING = 5
_CRASHED = "the sender stopped"

# Called after a commit that wrote an event; the app sets it to the Celery doorbell.
on_commit_ring: Callable[[], None] = lambda: None  # noqa: E731 - a slot, not a function


def _ring() -> None:
    on_commit_ring()


after_commit(_ring)


# --- events become deliveries


def fan_out(limit: int = 200, seconds: float = math.inf) -> int:
    """Turn new events into deliveries for every endpoint that wants them; how many events.

    One process at a time does this, so that deliveries of one order are always in the order of its
    events. After so many seconds what was written is committed and the rest left to the next call:
    on SQLite nobody else can write meanwhile, the listeners included.
    """
    events = _fan_out(limit, seconds)
    afterwards.wait_with([stored(event) for event in events])
    return len(events)


def _fan_out(limit: int, seconds: float) -> list[DomainEvent]:
    with transaction.atomic():
        Counter.objects.get_or_create(name="fan_out")
        lock = Counter.objects.select_for_update(skip_locked=True).filter(name="fan_out").first()
        if lock is None:
            return []
        events = list(
            DomainEvent.objects.select_related("order", "patient")
            .filter(fanned_out_at__isnull=True)
            .order_by("id")[:limit]
        )
        if not events:
            return []
        endpoints = list(
            Endpoint.objects.filter(direction=Direction.OUT.value, active=True).order_by("id")
        )
        until = monotonic() + seconds
        written = []
        # Read after the events were: an order says at least what they told of it.
        with orders_kept():
            for event in events:
                for endpoint in endpoints:
                    write(event, endpoint)
                written.append(event)
                if monotonic() >= until:
                    break
        DomainEvent.objects.filter(pk__in=[event.pk for event in written]).update(
            fanned_out_at=_clock.now()
        )
    return written


def enqueue(
    endpoint: EndpointInfo,
    message: Outgoing,
    *,
    patient: str = "",
    report: str = "",
    event: int | None = None,
    fault: str = "",
) -> str:
    """Queue a message that no event means (an application acknowledgement); its public id.

    It joins the caller's transaction if there is one, so it leaves only if that is committed. The
    same control id again is the same message: nothing is added. ``event`` is what it follows from,
    by way of another message. With a ``fault`` it could not be written: it is kept in sight and
    holds nothing up.
    """
    orders = orders_of([message])
    named = [orders[key] for key in message.orders if key in orders]
    with transaction.atomic():
        row, is_new = Delivery.objects.get_or_create(
            endpoint_id=endpoint.id,
            control_id=message.control_id,
            defaults={
                "event_id": event,
                "lane": f"unwritable:{message.control_id}" if fault else message.lane,
                "message_type": message.message_type,
                "payload": message.payload,
                "state": (DeliveryState.DEAD if fault else DeliveryState.PENDING).value,
                "last_error": fault,
                "order": named[0] if named else None,
                "patient": Patient.objects.filter(public_id=patient).first() if patient else None,
                "report": Report.objects.filter(public_id=report).first() if report else None,
                "due_at": _clock.now(),
            },
        )
        if is_new:
            row.further_orders.set(named[1:])
            date([row])
            transaction.on_commit(_ring, robust=True)
    return str(row.public_id)


def wake(endpoint_id: int, control_id: str) -> None:
    """What a waiting delivery waits for is there: it is due now.

    One that is being sent at this moment is not waiting yet; its sender looks for itself.
    """
    waiting = Delivery.objects.filter(
        endpoint_id=endpoint_id, control_id=control_id, state=DeliveryState.PENDING.value
    )
    if waiting.update(due_at=_clock.now()):
        transaction.on_commit(_ring, robust=True)


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
    mine = (
        each for each in due if _breaker.lets(each.pk) and _is_open(each) and _gate.enter(each.pk)
    )
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


def is_sending() -> bool:
    """Whether this process is sending to anybody."""
    return not _gate.is_empty


def _is_open(endpoint: Endpoint) -> bool:
    """Whether the endpoint takes messages at this hour."""
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if not isinstance(protocol, KeepsHours):
        return True
    try:
        return protocol.is_open(info(endpoint), _clock.now())
    except Exception:
        # What is wrong with one endpoint is told when it is sent to, and must not stop the others.
        log.exception("the hours of an endpoint cannot be read", endpoint=endpoint.name)
        return True


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
    """Send one message after the other, until none is due or the peer is in trouble."""
    attempts = 0
    lease = _claim(endpoint) if limit > 0 and _breaker.lets(endpoint.pk) else None
    while lease is not None:
        attempts += 1
        attempt = _send(endpoint, lease.delivery)
        reached = attempt.answered or attempt.result in {Result.DELIVERED, Result.REFUSED}
        _breaker.note(endpoint.pk, reached=reached)
        # Otherwise the next sweep tries again; hammering a peer in trouble helps nobody.
        goes_on = reached and attempts < limit and (attempts % LOOK_EVERY or _is_served(endpoint))
        lease = _settle(lease, attempt, endpoint, claim=bool(goes_on))
    return attempts


def _is_served(endpoint: Endpoint) -> bool:
    """Whether it may still be sent to: neither paused meanwhile nor closed by its hours."""
    now = Endpoint.objects.filter(pk=endpoint.pk, active=True, paused=False).first()
    return now is not None and _is_open(now)


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
_ROW = Select(
    lambda: Delivery.objects.select_for_update(of=("self",)).filter(
        pk=Given("pk", BigIntegerField())
    )
)


class _Leased(NamedTuple):
    """A delivery that is being sent, and the try that was counted for it."""

    delivery: Delivery
    attempt: DeliveryAttempt


def _claim(endpoint: Endpoint) -> _Leased | None:
    with transaction.atomic():
        return _lease(endpoint)


def _lease(endpoint: Endpoint) -> _Leased | None:
    """Lease the oldest delivery that heads its lane; the try is counted before it is made."""
    now = _clock.now()
    delivery = _HEAD.first(endpoint=endpoint.pk, now=now)
    if delivery is None:
        return None
    delivery.lease_token = uuid.uuid4().hex
    delivery.lease_until = now + LEASE
    delivery.attempt_count += 1
    move(delivery, DELIVERY, DeliveryTrigger.LEASE, "lease_token", "lease_until", "attempt_count")
    attempt = DeliveryAttempt.objects.create(
        delivery=delivery, number=delivery.attempt_count, started_at=now
    )
    return _Leased(delivery, attempt)


def _send(endpoint: Endpoint, delivery: Delivery) -> Attempt:
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if protocol is None:
        return Attempt(result=Result.TRANSIENT, error="this process cannot speak the protocol")
    try:
        return protocol.send(bytes(delivery.payload), delivery.control_id, info(endpoint))
    except Exception as error:
        log.exception("sending failed", endpoint=endpoint.name)
        return Attempt(result=Result.AMBIGUOUS, error=f"internal error ({type(error).__name__})")


def _settle(lease: _Leased, attempt: Attempt, endpoint: Endpoint, *, claim: bool) -> _Leased | None:
    """Note how an attempt ended and lease the next one: one commit for a message, not two."""
    with transaction.atomic():
        _note(lease, attempt, endpoint)
        return _lease(endpoint) if claim else None


def _note(lease: _Leased, attempt: Attempt, endpoint: Endpoint) -> None:
    """Note how an attempt ended, unless the lease was lost meanwhile (fencing)."""
    now = _clock.now()
    delivery, tried = lease
    row = _ROW.first(pk=delivery.pk)
    if row is None:
        raise Delivery.DoesNotExist
    tried.ended_at, tried.result = now, attempt.result.value
    tried.reply, tried.error = attempt.reply, attempt.error
    tried.save(update_fields=["ended_at", "result", "reply", "error"])
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
    elif attempt.result is Result.REFUSED and _refusals(row, attempt) >= attempt.park_after:
        skips = attempt.on_refusal is OnRefusal.SKIP
        move(row, DELIVERY, DeliveryTrigger.SKIP if skips else DeliveryTrigger.REFUSE, *fields)
        log.warning("a peer refuses a message", endpoint=delivery.endpoint_id, skipped=skips)
    else:
        row.due_at = now + (attempt.pause or back_off(row.attempt_count))
        move(row, DELIVERY, DeliveryTrigger.DEFER, "due_at", *fields)


def _accepted(delivery: Delivery, attempt: Attempt, endpoint: Endpoint) -> str:
    """Have the edge do what the reply asks for; what went wrong with that, if anything did.

    The message has arrived all the same, so it stays delivered.
    """
    protocol = _PROTOCOLS.get(ProtocolName(endpoint.protocol))
    if not attempt.says_more or not isinstance(protocol, TakesReplies):
        return ""
    try:
        with transaction.atomic():
            protocol.accepted(bytes(delivery.payload), attempt.reply, info(endpoint))
    except OperationalError:
        raise  # nothing is known of the delivery either: it goes again, with the same control id
    except RisError as error:
        return f"delivered, but the answer could not be applied: {in_words(error)}"
    except Exception:
        error_id = uuid.uuid4().hex[:12]
        log.exception("a reply could not be applied", error_id=error_id, endpoint=endpoint.name)
        return f"delivered, but the answer could not be applied: internal error {error_id}"
    return ""


def _refusals(delivery: Delivery, attempt: Attempt) -> int:
    """Refusals in a row up to now; those before a person asked for another try count as well."""
    results = delivery.attempts.order_by("-number").values_list("result", flat=True)
    count = 0
    for result in results[: attempt.park_after]:
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
            ).update(ended_at=now, result=Result.AMBIGUOUS.value, error=_CRASHED)
            row.last_error = "the sender stopped before an answer came"
            row.lease_until = None
            row.due_at = now
            crashes = row.attempts.order_by("-number").values_list("error", flat=True)
            gives_up = list(crashes[:CRASHES_BEFORE_PARKING]) == [_CRASHED] * CRASHES_BEFORE_PARKING
            trigger = DeliveryTrigger.GIVE_UP if gives_up else DeliveryTrigger.DEFER
            move(row, DELIVERY, trigger, "last_error", "lease_until", "due_at")


def free_leases_of_this_machine() -> None:
    """At the start of the only worker: whatever is leased belongs to one that died."""
    with transaction.atomic():
        Delivery.objects.filter(state=DeliveryState.LEASED.value).update(
            lease_until=_clock.now() - timedelta(seconds=1)
        )
    _free_expired()
