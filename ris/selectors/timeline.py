"""Everything that happened to an order, from every side, in order of time.

One list of: what was changed and by whom, every message in and out with each attempt, which scanner
was shown it on its worklist, who looked at it, and what was refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from django.db.models import Prefetch, Q
from django.utils import timezone

from ris.models import (
    AuditEvent,
    Delivery,
    DeliveryAttempt,
    DomainEvent,
    InboundMessage,
    Order,
    WorklistSighting,
)


class EntryKind(StrEnum):
    """In the order in which entries of the same instant are shown."""

    MESSAGE_IN = "message-in"
    EVENT = "event"
    MESSAGE_OUT = "message-out"
    ATTEMPT = "attempt"
    SIGHTING = "sighting"
    ACCESS = "access"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``name`` is the event, message type or action; ``detail`` what else is known of it."""

    at: datetime
    kind: EntryKind
    name: str
    actor_kind: str = ""
    actor: str = ""
    link: str = ""  # public id of the message or delivery
    detail: Mapping[str, Any] = field(default_factory=dict)


_RANK = {kind: rank for rank, kind in enumerate(EntryKind)}


def entries(order: str, *, newest_first: bool = False) -> list[Entry]:
    """The timeline of an order by public id; seven queries, whatever its length."""
    key = Order.objects.filter(public_id=uuid.UUID(order)).values_list("pk", flat=True).first()
    if key is None:
        return []
    found = [
        *_events(key),
        *_messages_in(key),
        *_messages_out(key),
        *_sightings(key),
        *_audit(key),
    ]
    found.sort(key=lambda entry: (entry.at, _RANK[entry.kind]), reverse=newest_first)
    return found


def _events(order: int) -> Iterator[Entry]:
    rows = (
        DomainEvent.objects.filter(order_id=order)
        .select_related("message")
        .defer("message__raw", "message__reply")
    )
    for row in rows:
        yield Entry(
            at=row.at,
            kind=EntryKind.EVENT,
            name=row.name,
            actor_kind=row.actor_kind,
            actor=row.actor_name,
            link=str(row.message.public_id) if row.message else "",
            detail=row.payload,
        )


def _messages_in(order: int) -> Iterator[Entry]:
    rows = (
        InboundMessage.objects.filter(orders=order).select_related("endpoint").defer("raw", "reply")
    )
    for row in rows:
        yield Entry(
            at=row.received_at,
            kind=EntryKind.MESSAGE_IN,
            name=row.message_type,
            actor=row.endpoint.name if row.endpoint else row.sender or row.peer,
            link=str(row.public_id),
            detail={
                "protocol": row.protocol,
                "key": row.key,
                "state": row.state,
                "outcome": row.outcome,
                "reply_state": row.reply_state,
                "error": row.error,
                "key_reused": row.key_reused,
                "repeats": row.repeats,
            },
        )


def _messages_out(order: int) -> Iterator[Entry]:
    further = Delivery.further_orders.through.objects.filter(order_id=order).values("delivery_id")
    rows = (
        Delivery.objects.filter(Q(order_id=order) | Q(pk__in=further))
        .select_related("endpoint")
        .defer("payload")
        .prefetch_related(Prefetch("attempts", queryset=DeliveryAttempt.objects.order_by("number")))
    )
    for row in rows:
        common = {
            "protocol": row.endpoint.protocol,
            "key": row.control_id,
            "state": row.state,
        }
        yield Entry(
            at=row.created_at,
            kind=EntryKind.MESSAGE_OUT,
            name=row.message_type,
            actor=row.endpoint.name,
            link=str(row.public_id),
            detail={**common, "attempt_count": row.attempt_count, "error": row.last_error},
        )
        for alike in _alike(row.attempts.all()):
            first, last = alike[0], alike[-1]
            yield Entry(
                at=first.ended_at or first.started_at,
                kind=EntryKind.ATTEMPT,
                name=row.message_type,
                actor=row.endpoint.name,
                link=str(row.public_id),
                detail={
                    **common,
                    "number": first.number,
                    "count": len(alike),
                    "last_at": last.ended_at or last.started_at,
                    "result": first.result,
                    "error": first.error,
                },
            )


def _alike(attempts: Iterable[DeliveryAttempt]) -> Iterator[list[DeliveryAttempt]]:
    """Attempts that ended in the same way one after another: a peer that is away for a night is
    one entry and not hundreds."""
    for _, alike in groupby(attempts, key=lambda attempt: (attempt.result, attempt.error)):
        yield list(alike)


def _sightings(order: int) -> Iterator[Entry]:
    rows = WorklistSighting.objects.filter(step__procedure__order_id=order).select_related("step")
    for row in rows:
        yield Entry(
            at=row.first_at,
            kind=EntryKind.SIGHTING,
            name="worklist",
            actor_kind="device",
            actor=row.ae_title,
            detail={"step_id": row.step.step_id, "count": row.count, "last_at": row.last_at},
        )


def _audit(order: int) -> Iterator[Entry]:
    """Reads and refusals; successful changes are told by their events already.

    Who looks at the same thing several times on a day is one entry, from first to last.
    """
    changes = Q(outcome="success", detail__has_key="events")
    looks: dict[tuple[str, str, date], list[AuditEvent]] = {}
    for row in AuditEvent.objects.filter(order_id=order).exclude(changes).order_by("at"):
        if row.outcome == "success":
            day = timezone.localdate(row.at)
            looks.setdefault((row.actor_name, row.action, day), []).append(row)
        else:
            yield _audit_entry(EntryKind.REFUSAL, row, {**row.detail, "outcome": row.outcome})
    for rows in looks.values():
        detail = {"count": len(rows), "last_at": rows[-1].at}
        yield _audit_entry(EntryKind.ACCESS, rows[0], detail)


def _audit_entry(kind: EntryKind, row: AuditEvent, detail: Mapping[str, Any]) -> Entry:
    return Entry(
        at=row.at,
        kind=kind,
        name=row.action,
        actor_kind=row.actor_kind,
        actor=row.actor_name,
        detail=detail,
    )
