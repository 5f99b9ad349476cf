"""What devices did lately: queries, what they were refused, who called without being registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery

from ris.domain.exchange import MessageState, Protocol
from ris.models import ApiToken, Device, DeviceRefusal, InboundMessage, WorklistQueryLog
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


_CANCELED = 0xFE00  # by the device


def device_lines(now: datetime) -> list[DeviceLine]:
    """All devices by AE title; five statements, however many there are."""
    last = WorklistQueryLog.objects.filter(calling_ae_title=OuterRef("ae_title")).order_by("-at")
    asked = dict(Device.objects.values_list("ae_title", Subquery(last.values("at")[:1])))
    errors = _error_counts(now - RECENT)
    return [
        DeviceLine(
            device=device,
            asked_at=asked.get(device.ae_title),
            errors=errors.get(device.ae_title, 0),
        )
        for device in devices()
    ]


def _error_counts(since: datetime) -> Counter[str]:
    counted = Counter(
        dict(
            _fetch(
                f"SELECT calling_ae_title, COUNT(*) FROM {_failed()} AND at >= %s"  # noqa: S608
                " GROUP BY calling_ae_title",
                [connection.ops.adapt_datetimefield_value(since)],
            )
        )
    )
    refused = _refused_messages().filter(received_at__gte=since).order_by()
    counted.update(dict(refused.values_list("sender").annotate(Count("id"))))
    kept = DeviceRefusal.objects.filter(last_at__gte=since)
    counted.update(kept.values_list("ae_title", flat=True))
    return counted


def _failed() -> str:
    """Failed queries, with the beginning of a condition; what was canceled did not fail.

    The number stands in the text: SQLite uses a partial index only then, and only if it is told.
    """
    table = connection.ops.quote_name(WorklistQueryLog._meta.db_table)
    hint = " INDEXED BY query_failed" if connection.vendor == "sqlite" else ""
    return f"{table}{hint} WHERE status > 0 AND status <> {_CANCELED}"


def _fetch(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


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
    found = _fetch(
        f"SELECT id FROM {_failed()} AND calling_ae_title = %s"  # noqa: S608 - fixed text
        " ORDER BY at DESC LIMIT %s",
        [ae_title, limit],
    )
    for query in map(stored, WorklistQueryLog.objects.filter(pk__in=[key for (key,) in found])):
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
