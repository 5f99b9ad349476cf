"""How each connection stands: traffic, queue, answer times, alerts.

Traffic is read from rows that the clock writes (ris.services.traffic); what waits is counted from
what is open. Nothing here costs more the older the archive is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import (
    Case,
    Count,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import DeliveryState, Direction, MessageState, Protocol
from ris.domain.interfaces import added, link_in, link_out, percentile
from ris.domain.protocol import Result
from ris.models import (
    Delivery,
    DeliveryAttempt,
    Endpoint,
    InboundMessage,
    InterfaceAlert,
    Traffic,
)
from ris.selectors.calendar import midnight
from ris.selectors.message_filters import STUCK_DELIVERY, STUCK_MESSAGE, key_of

STORED = MessageState.RECEIVED.value  # answered, and not applied yet
WAITING = (DeliveryState.PENDING.value, DeliveryState.LEASED.value)
# Tries in a row that did not reach a peer, before it is said not to answer.
UNREACHED_TRIES = 3
HEADS = 50
BEHIND = 1000  # nobody counts more that wait
DAY_HOURS = 24
_UNREACHED = {Result.TRANSIENT.value, Result.AMBIGUOUS.value}


@dataclass(frozen=True, slots=True)
class EndpointChoice:
    """An endpoint to choose by name."""

    public_id: str
    name: str
    is_out: bool


def endpoint_choices() -> list[EndpointChoice]:
    rows = Endpoint.objects.order_by("name", "protocol").values_list(
        "public_id", "name", "direction"
    )
    return [EndpointChoice(str(key), name, way == Direction.OUT.value) for key, name, way in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    public_id: str
    kind: str
    detail: str
    endpoint: str
    endpoint_id: str
    is_out: bool
    since: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Sums:
    """What passed in a span of time; ``failed``: by our fault, or tries that reached nobody."""

    messages: int = 0
    refused: int = 0
    failed: int = 0
    p95: int | None = None  # milliseconds that 95 % of the answers stayed within; -1: longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One connection as it stands now."""

    public_id: str  # empty: senders that nobody registered
    pk: int | None
    name: str
    protocol: str
    direction: str
    protocol_name: str = ""
    address: str = ""
    version: str = ""
    sends: tuple[str, ...] = ()
    active: bool = True
    paused: bool = False
    paused_reason: str = ""
    paused_at: datetime | None = None
    last_at: datetime | None = None
    today: Sums = field(default_factory=Sums)
    p95: int | None = None  # of the last hour
    queued: int = 0
    stuck: int = 0
    oldest_at: datetime | None = None
    unreached_since: datetime | None = None
    alerts: tuple[AlertLine, ...] = ()

    @property
    def is_out(self) -> bool:
        return self.direction == Direction.OUT.value


@dataclass(frozen=True, slots=True)
class Queue:
    queued: int = 0
    stuck: int = 0
    oldest_at: datetime | None = None


def tiles(*, ended: bool = True) -> list[Tile]:
    """All connections by name, in a fixed number of queries and one for each that has trouble.

    Without ``ended`` those of subscriptions that were removed are left out.
    """
    now = timezone.now()
    out, into = queues()
    alerts: dict[int | None, list[AlertLine]] = {}
    for row in open_alerts():
        alerts.setdefault(row.endpoint_id, []).append(alert_line(row))
    today = sums_since(midnight(timezone.localdate(), timezone.get_default_timezone()))
    hour = _answers(now - timedelta(hours=1))
    found = []
    for endpoint in with_last(ended=ended):
        link = link_of(endpoint)
        queue = (out if _is_out(endpoint) else into).get(endpoint.pk, Queue())
        p95 = percentile(hour.get(link, []))
        found.append(
            _tile(endpoint, queue, today.get(link, Sums()), p95, alerts.get(endpoint.pk, ()))
        )
    return [*found, *_strangers(today, hour, into, alerts)]


def _tile(
    endpoint: Endpoint, queue: Queue, today: Sums, p95: int | None, alerts: Iterable[AlertLine]
) -> Tile:
    """One connection, read by ``with_last``."""
    is_out = _is_out(endpoint)
    return Tile(
        public_id=str(endpoint.public_id),
        pk=endpoint.pk,
        name=endpoint.name,
        protocol=endpoint.protocol,
        direction=endpoint.direction,
        protocol_name=endpoint.protocol_name,
        address=f"{endpoint.host}:{endpoint.port}" if endpoint.port else endpoint.host,
        version=endpoint.version,
        sends=tuple(endpoint.sends),
        active=endpoint.active,
        paused=endpoint.paused,
        paused_reason=endpoint.paused_reason,
        paused_at=endpoint.paused_at,
        last_at=endpoint.last_out if is_out else endpoint.last_in,  # type: ignore[attr-defined]  # annotated
        today=today,
        p95=p95,
        queued=queue.queued,
        stuck=queue.stuck,
        oldest_at=queue.oldest_at,
        unreached_since=unreached_since(endpoint) if is_out and queue.queued else None,
        alerts=tuple(alerts),
    )


def _is_out(endpoint: Endpoint) -> bool:
    return endpoint.direction == Direction.OUT.value


def _strangers(
    today: Mapping[str, Sums],
    hour: Mapping[str, list[int]],
    into: Mapping[int | None, Queue],
    alerts: Mapping[int | None, list[AlertLine]],
) -> list[Tile]:
    """A tile for what came today from senders that nobody registered, by protocol."""
    found = []
    for protocol in Protocol:
        link = link_in(protocol.value, None)
        if link not in today:
            continue
        is_hl7 = protocol is Protocol.HL7  # the others' devices and clients have pages of their own
        found.append(
            Tile(
                public_id="",
                pk=None,
                name="Senders that are no interface here",
                protocol=protocol.value,
                direction=Direction.IN.value,
                last_at=InboundMessage.objects.filter(endpoint=None, protocol=protocol.value)
                .order_by("-id")
                .values_list("received_at", flat=True)
                .first(),
                today=today[link],
                p95=percentile(hour.get(link, [])),
                stuck=into.get(None, Queue()).stuck if is_hl7 else 0,
                alerts=tuple(alerts.get(None, ())) if is_hl7 else (),
            )
        )
    return found


def with_last(*, ended: bool = True) -> list[Endpoint]:
    rows = _with_last(Endpoint.objects.all())
    if not ended:
        rows = rows.exclude(subscription__removed_at__isnull=False)
    return list(rows.order_by("name", "direction", "protocol"))


def _with_last(rows: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
    received = InboundMessage.objects.filter(endpoint=OuterRef("pk")).order_by("-id")
    delivered = Delivery.objects.filter(
        endpoint=OuterRef("pk"), state=DeliveryState.DELIVERED.value
    ).order_by("-id")
    return rows.annotate(
        last_in=Subquery(received.values("received_at")[:1]),
        last_out=Subquery(delivered.values("delivered_at")[:1]),
    )


def queues() -> tuple[dict[int, Queue], dict[int | None, Queue]]:
    """What waits and what is stuck, by endpoint; only what is open is read."""
    return _sent(Delivery.objects.all()), _received(InboundMessage.objects.all())


def _sent(rows: QuerySet[Delivery]) -> dict[int, Queue]:
    return {
        row["endpoint"]: Queue(row["queued"], row["stuck"], row["oldest"])
        for row in rows.order_by()
        .filter(state__in=(*WAITING, *STUCK_DELIVERY))
        .values("endpoint")
        .annotate(
            queued=Count("pk", filter=Q(state__in=WAITING)),
            stuck=Count("pk", filter=Q(state__in=STUCK_DELIVERY)),
            oldest=Min("created_at", filter=Q(state__in=WAITING)),
        )
    }


def _received(rows: QuerySet[InboundMessage]) -> dict[int | None, Queue]:
    return {
        row["endpoint"]: Queue(row["queued"], row["stuck"], row["oldest"])
        for row in rows.order_by()
        .filter(state__in=(STORED, *STUCK_MESSAGE), resolved_at=None)
        .values("endpoint")
        .annotate(
            queued=Count("pk", filter=Q(state=STORED)),
            stuck=Count("pk", filter=Q(state__in=STUCK_MESSAGE)),
            oldest=Min("received_at", filter=Q(state=STORED)),
        )
    }


def sums_since(since: datetime) -> dict[str, Sums]:
    found: dict[str, list[int]] = {}
    rows = Traffic.objects.filter(start_at__gte=since).values_list(
        "link", "messages", "refused", "failed"
    )
    for link, *numbers in rows:
        total = found.setdefault(link, [0, 0, 0])
        for place, number in enumerate(numbers):
            total[place] += number
    return {link: Sums(*total) for link, total in found.items()}


def _answers(since: datetime) -> dict[str, list[int]]:
    found: dict[str, list[list[int]]] = {}
    for link, answers in Traffic.objects.filter(start_at__gte=since).values_list("link", "answers"):
        found.setdefault(link, []).append(answers)
    return {link: added(rows) for link, rows in found.items()}


def unreached_since(endpoint: Endpoint) -> datetime | None:
    """Since when nobody answers there: the last tries of what waits longest all failed."""
    heads = (
        Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING.value)
        .order_by("id")
        .values("pk")[:20]
    )
    tries = list(
        DeliveryAttempt.objects.filter(delivery__in=[row["pk"] for row in heads])
        .exclude(ended_at=None)
        .order_by("-started_at")
        .values_list("result", "started_at")[:HEADS]
    )
    failed = []
    for result, started_at in tries:
        if result not in _UNREACHED:
            break
        failed.append(started_at)
    if len(failed) < UNREACHED_TRIES:
        return None
    since: datetime = failed[-1]
    last = (
        Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.DELIVERED.value)
        .order_by("-id")
        .values_list("delivered_at", flat=True)
        .first()
    )
    if last is not None and last > failed[UNREACHED_TRIES - 1]:
        return None  # it answered meanwhile
    return max(since, last) if last is not None else since


# --- one connection


@dataclass(frozen=True, slots=True)
class Hour:
    start_at: datetime
    sums: Sums


def endpoint_row(public_id: str) -> Endpoint:
    """The endpoint; raises UnknownKeyError."""
    key = key_of(public_id, "interface")
    row = _with_last(Endpoint.objects.filter(public_id=key)).first()
    if row is None:
        raise UnknownKeyError("no such interface")
    return row


def traffic(endpoint: Endpoint, now: datetime) -> list[Traffic]:
    """What passed in the last day and since midnight, which may be an hour more."""
    since = now - timedelta(hours=DAY_HOURS + 1)
    return list(Traffic.objects.filter(link=link_of(endpoint), start_at__gte=since))


def tile(endpoint: Endpoint, rows: Iterable[Traffic], now: datetime) -> Tile:
    """One connection as ``endpoint_row`` read it, with its ``traffic``."""
    if _is_out(endpoint):
        queue = _sent(Delivery.objects.filter(endpoint=endpoint)).get(endpoint.pk, Queue())
    else:
        received = InboundMessage.objects.filter(endpoint=endpoint)
        queue = _received(received).get(endpoint.pk, Queue())
    began = midnight(timezone.localdate(now), timezone.get_default_timezone())
    numbers = [(row.messages, row.refused, row.failed) for row in rows if row.start_at >= began]
    lately = [row.answers for row in rows if row.start_at >= now - timedelta(hours=1)]
    today = Sums(*map(sum, zip(*numbers, strict=True)))
    alerts = map(alert_line, open_alerts(endpoint))
    return _tile(endpoint, queue, today, percentile(added(lately)), alerts)


def link_of(endpoint: Endpoint) -> str:
    if endpoint.direction == Direction.OUT.value:
        return link_out(endpoint.pk)
    return link_in(endpoint.protocol, endpoint.pk)


def hours(rows: Iterable[Traffic], now: datetime, count: int = DAY_HOURS) -> list[Hour]:
    """The last hours of a connection, the present one last; those without traffic too."""
    this = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    starts = [this - timedelta(hours=back) for back in range(count - 1, -1, -1)]
    numbers = {start: [0, 0, 0] for start in starts}
    answers: dict[datetime, list[list[int]]] = {start: [] for start in starts}
    for row in rows:
        if row.start_at < starts[0]:
            continue
        back = int((row.start_at - starts[0]).total_seconds() // 3600)
        start = starts[min(back, count - 1)]
        for place, number in enumerate((row.messages, row.refused, row.failed)):
            numbers[start][place] += number
        answers[start].append(row.answers)
    found = []
    for start in starts:
        messages, refused, failed = numbers[start]
        within = percentile(added(answers[start]))
        found.append(Hour(start, Sums(messages, refused, failed, within)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A message that holds others up, or the first that waits."""

    delivery: str
    lane: str
    message_type: str
    control_id: str
    state: str
    since: datetime
    due_at: datetime
    attempts: int
    error: str
    behind: int
    can_act: bool
    is_written: bool  # else there is no text of it yet


def parked(endpoint: Endpoint) -> list[Lane]:
    """What was refused or given up at a peer, oldest first, with how many wait behind it."""
    rows = Delivery.objects.filter(endpoint=endpoint, state__in=STUCK_DELIVERY)
    return [_lane(row) for row in _with_behind(rows)[:HEADS]]


def tried(endpoint: Endpoint) -> list[Lane]:
    """What waits for another try at a peer, oldest first."""
    rows = Delivery.objects.filter(endpoint=endpoint, state__in=WAITING)
    return [_lane(row) for row in _with_behind(rows)[:HEADS] if row.attempt_count][:10]


class _HowMany(Subquery):
    """The number of rows of a query, which may be cut."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _with_behind(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """The oldest first, each that was tried with how many of its lane wait for it."""
    waiting = Delivery.objects.filter(
        endpoint_id=OuterRef("endpoint_id"),
        lane=OuterRef("lane"),
        pk__gt=OuterRef("pk"),
        state__in=WAITING,
    )
    counted = _HowMany(waiting.order_by().values("pk")[:BEHIND])
    # What was never tried is in nobody's way.
    behind = Case(When(attempt_count__gt=0, then=counted), default=0)
    return rows.annotate(behind=behind).order_by("id").defer("payload")


def _lane(row: Delivery) -> Lane:
    return Lane(
        delivery=str(row.public_id),
        lane=row.lane,
        message_type=row.message_type,
        control_id=row.control_id,
        state=row.state,
        since=row.created_at,
        due_at=row.due_at,
        attempts=row.attempt_count,
        error=row.last_error,
        behind=row.behind,  # type: ignore[attr-defined]  # annotated
        can_act=row.state in STUCK_DELIVERY,
        is_written=not row.lane.startswith("unwritable:"),
    )


# --- alerts


def open_alerts(endpoint: Endpoint | None = None) -> list[InterfaceAlert]:
    rows = InterfaceAlert.objects.filter(ended_at=None).select_related("endpoint")
    if endpoint is not None:
        rows = rows.filter(endpoint=endpoint)
    return list(rows.order_by("acknowledged_at", "since", "id"))


def past_alerts(endpoint: Endpoint | None = None, limit: int = 20) -> list[AlertLine]:
    """Alerts that ended, the latest first."""
    rows = InterfaceAlert.objects.exclude(ended_at=None).select_related("endpoint")
    if endpoint is not None:
        rows = rows.filter(endpoint=endpoint)
    return [alert_line(row) for row in rows.order_by("-ended_at")[:limit]]


def alert_line(row: InterfaceAlert) -> AlertLine:
    return AlertLine(
        public_id=str(row.public_id),
        kind=row.kind,
        detail=row.detail,
        endpoint=row.endpoint.name if row.endpoint else "",
        endpoint_id=str(row.endpoint.public_id) if row.endpoint else "",
        is_out=row.endpoint is not None and row.endpoint.direction == Direction.OUT.value,
        since=row.since,
        last_seen_at=row.last_seen_at,
        ended_at=row.ended_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
    )


def alert_counts() -> tuple[int, int]:
    """Alerts that last, and how many of them nobody has acknowledged."""
    rows = InterfaceAlert.objects.filter(ended_at=None).values_list("acknowledged_at", flat=True)
    found = list(rows)
    return len(found), sum(at is None for at in found)
