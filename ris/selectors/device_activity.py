"""What devices did lately: queries, what they were refused, who called without being registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Max, QuerySet

from ris.domain.exchange import MessageState, Protocol
from ris.models import ApiToken, DeviceRefusal, InboundMessage, WorklistQueryLog
from ris.selectors.explain.queries import StoredQuery, stored
from ris.selectors.facility import DeviceView, devices

SHOWN = 20
RECENT = timedelta(days=1)
REMEMBERED = timedelta(days=30)
STRANGERS = 50
# How many rows are looked through for them.
LOOKED_AT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """A device with its last query and how many errors it had within a day."""

    device: DeviceView
    asked_at: datetime | None
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something a device was refused; ``link`` leads to the query or message, if there is one."""

    at: datetime
    operation: str
    status: str
    words: str
    link: str = ""
    address: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A caller that nobody registered, and why it was refused; ``count`` of what is looked at."""

    ae_title: str
    address: str
    last_at: datetime
    count: int
    reason: str


# Statuses of a final response that are no failure: all sent, canceled by the device.
_GOOD = (0x0000, 0xFE00)


def device_lines(now: datetime) -> list[DeviceLine]:
    """All devices by AE title; four statements, however many there are."""
    since = now - RECENT
    known = devices()
    asked: dict[str, datetime] = dict(
        WorklistQueryLog.objects.filter(
            calling_ae_title__in=[device.ae_title for device in known], at__gte=now - REMEMBERED
        )
        .values_list("calling_ae_title")
        .annotate(Max("at"))
        .order_by()
    )
    errors = _error_counts(since)
    return [
        DeviceLine(
            device=device,
            asked_at=asked.get(device.ae_title),
            errors=errors.get(device.ae_title, 0),
        )
        for device in known
    ]


def _error_counts(since: datetime) -> dict[str, int]:
    found: dict[str, int] = {}
    counted: tuple[QuerySet[WorklistQueryLog] | QuerySet[InboundMessage], str]
    for counted in (
        (_failed_queries().filter(at__gte=since), "calling_ae_title"),
        (_refused_messages().filter(received_at__gte=since), "sender"),
    ):
        rows, column = counted
        for ae_title, count in rows.values_list(column).annotate(Count("id")).order_by():
            found[ae_title] = found.get(ae_title, 0) + count
    for ae_title in DeviceRefusal.objects.filter(last_at__gte=since).values_list(
        "ae_title", flat=True
    ):
        found[ae_title] = found.get(ae_title, 0) + 1
    return found


def _failed_queries() -> QuerySet[WorklistQueryLog]:
    return WorklistQueryLog.objects.exclude(status__in=_GOOD)


def _refused_messages() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(
        protocol__in=[Protocol.DICOM.value, Protocol.DICOMWEB.value],
        state__in=[MessageState.REJECTED.value, MessageState.FAILED.value],
    )


def last_queries(ae_title: str, limit: int = SHOWN) -> list[StoredQuery]:
    """The newest first; of all devices if none is named."""
    rows = WorklistQueryLog.objects.order_by("-at", "-id")
    if ae_title:
        rows = rows.filter(calling_ae_title=ae_title)
    return [stored(row) for row in rows[:limit]]


def troubles(ae_title: str, limit: int = SHOWN) -> list[Trouble]:
    """What the device was refused, the newest first: associations, queries, performed steps."""
    found = [*_refusals(ae_title, limit), *_queries(ae_title, limit), *_messages(ae_title, limit)]
    found.sort(key=lambda one: one.at, reverse=True)
    return found[:limit]


def _refusals(ae_title: str, limit: int) -> Iterator[Trouble]:
    for row in DeviceRefusal.objects.filter(ae_title=ae_title).order_by("-last_at")[:limit]:
        yield Trouble(
            at=row.last_at,
            operation=row.operation,
            status=row.status,
            words=row.reason,
            address=row.address,
            count=row.count,
        )


def _queries(ae_title: str, limit: int) -> Iterator[Trouble]:
    rows = _failed_queries().filter(calling_ae_title=ae_title).order_by("-at", "-id")
    for query in map(stored, rows[:limit]):
        yield Trouble(
            at=query.at,
            operation="C-FIND",
            status=query.status_hex,
            words=query.remark or query.status_words,
            link=f"/devices/queries/{query.number}/",
            address=query.address,
        )


def _messages(ae_title: str, limit: int) -> Iterator[Trouble]:
    rows = _refused_messages().filter(sender=ae_title).order_by("-received_at")
    for row in rows.defer("raw", "reply")[:limit]:
        yield Trouble(
            at=row.received_at,
            operation=row.message_type,
            status=row.outcome,
            words=f"{row.error_path} {row.error}".strip(),
            link=f"/messages/in/{row.public_id}/",
            address=row.peer,
        )


def strangers(now: datetime) -> list[Stranger]:
    """Callers that nobody registered, the last one first; three statements."""
    registered = devices()
    known = {device.ae_title for device in registered}
    known |= {title for device in registered for title in device.settings.get("aliases", ())}
    found: dict[str, Stranger] = {}
    for caller in (*_refused(now), *_let_in()):
        if caller.ae_title in known:
            continue
        before = found.get(caller.ae_title)
        if before is None:
            found[caller.ae_title] = caller
        else:
            newer = max(before, caller, key=lambda one: one.last_at)
            found[caller.ae_title] = replace(newer, count=before.count + caller.count)
    return sorted(found.values(), key=lambda one: one.last_at, reverse=True)[:STRANGERS]


def _refused(now: datetime) -> Iterator[Stranger]:
    rows = DeviceRefusal.objects.filter(
        operation="A-ASSOCIATE", last_at__gte=now - REMEMBERED
    ).order_by("-last_at")
    for row in rows[:LOOKED_AT]:
        yield Stranger(
            ae_title=row.ae_title,
            address=row.address,
            last_at=row.last_at,
            count=row.count,
            reason=row.reason,
        )


def _let_in() -> Iterator[Stranger]:
    """Who asked lately where callers that nobody registered are accepted, HTTP clients aside."""
    clients = set(ApiToken.objects.values_list("client", flat=True))
    rows = WorklistQueryLog.objects.order_by("-at").values_list("calling_ae_title", "address", "at")
    for ae_title, address, at in rows[:LOOKED_AT]:
        if ae_title not in clients:
            yield Stranger(
                ae_title=ae_title,
                address=address,
                last_at=at,
                count=1,
                reason="let in all the same",
            )
