"""Receipts of a report: who was sent which version, what came back, and what it waits for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from ris.domain.exchange import DeliveryState, Direction, Subscription
from ris.models import Delivery, DeliveryAttempt, DomainEvent, Endpoint, Report
from ris.selectors.message_filters import STUCK_DELIVERY, key_of

# What the acknowledgement of an HL7 receiver says (MSA-1, HL7 v2.5.1 2.15.8).
_ANSWER = re.compile(rb"(?:^|[\x0b\r\n])MSA(.)([AC][AER])(?:\1|[\r\n]|$)")
# More of one report are no longer read by anybody.
MOST = 60


class Waiting(StrEnum):
    """Why what was not delivered was not."""

    NOT = ""
    SOON = "SOON"  # nothing is wrong
    SENDING = "SENDING"
    AGAIN = "AGAIN"  # it is tried again by itself
    PAUSED = "PAUSED"
    OFF = "OFF"
    BEHIND = "BEHIND"  # an earlier one of its lane is parked
    QUEUED = "QUEUED"  # an earlier one of its lane is on its way
    REFUSED = "REFUSED"
    UNWRITABLE = "UNWRITABLE"
    GIVEN_UP = "GIVEN_UP"
    SKIPPED = "SKIPPED"


# A person has to do something before these go on.
NEEDS_A_PERSON = frozenset(
    {Waiting.PAUSED, Waiting.OFF, Waiting.BEHIND, Waiting.REFUSED, Waiting.UNWRITABLE,
     Waiting.GIVEN_UP}
)  # fmt: skip
# What a report leaves as (``sends``).
_REPORTS = frozenset(
    {Subscription.RESULTS.value, Subscription.DOCUMENTS.value, Subscription.REPORT_OBJECTS.value}
)
_UNSETTLED = frozenset(
    {Waiting.SOON, Waiting.SENDING, Waiting.AGAIN, Waiting.BEHIND, Waiting.QUEUED}
)
_MOVING = (DeliveryState.PENDING.value, DeliveryState.LEASED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One version at one receiver.

    ``blocker`` is the parked message that it waits behind, ``ahead`` the version on its way that it
    follows, where that is known.
    """

    public_id: str
    endpoint: str
    endpoint_id: str
    protocol: str
    message_type: str
    version: int | None
    state: str
    waiting: Waiting
    created_at: datetime
    due_at: datetime
    delivered_at: datetime | None
    attempts: int
    answer: str
    error: str
    blocker: str
    ahead: int | None = None

    @property
    def is_parked(self) -> bool:
        return self.state in STUCK_DELIVERY

    @property
    def needs_a_person(self) -> bool:
        return self.waiting in NEEDS_A_PERSON

    @property
    def is_unwritten(self) -> bool:
        """There is nothing to send again before the interface, or what it is told, is mended."""
        return self.waiting is Waiting.UNWRITABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReceipts:
    version: int | None
    receipts: tuple[Receipt, ...]

    @property
    def is_everywhere(self) -> bool:
        return all(each.state == DeliveryState.DELIVERED.value for each in self.receipts)


def of_report(public_id: str) -> list[VersionReceipts]:
    """By version, the newest first: one question, whatever the number of receivers."""
    earlier = Delivery.objects.filter(
        endpoint_id=OuterRef("endpoint_id"), lane=OuterRef("lane"), pk__lt=OuterRef("pk")
    )
    parked = earlier.filter(state__in=STUCK_DELIVERY).order_by("pk")
    moving = earlier.filter(state__in=_MOVING).order_by("-pk")
    last = DeliveryAttempt.objects.filter(delivery_id=OuterRef("pk")).order_by("-number")
    rows = (
        Delivery.objects.filter(report__public_id=key_of(public_id, "report"))
        .select_related("endpoint", "event")
        .defer("payload")
        .annotate(
            blocker=Subquery(parked.values("public_id")[:1]),
            follows=Subquery(moving.values("pk")[:1]),
            reply=Subquery(last.values("reply")[:1]),
        )
        .order_by("-id")[:MOST]
    )
    found: dict[int | None, list[Receipt]] = {}
    versions = {row.pk: _version(row) for row in rows}
    for row in rows:
        receipt = _receipt(row, versions)
        found.setdefault(receipt.version, []).append(receipt)
    newest_first = sorted(found.items(), key=lambda each: -(each[0] or 0))
    return [
        VersionReceipts(
            version=version,
            receipts=tuple(sorted(receipts, key=lambda each: (each.endpoint, each.public_id))),
        )
        for version, receipts in newest_first
    ]


def receivers() -> list[str]:
    """Who is sent a report once it is signed, by the names of their interfaces.

    Some take only what is final, or only their own orders: that is for their protocol to say.
    """
    rows = Endpoint.objects.filter(direction=Direction.OUT.value, active=True).order_by("name")
    return [row.name for row in rows.only("name", "sends") if not _REPORTS.isdisjoint(row.sends)]


def is_leaving(public_id: str) -> bool:
    """Whether something happened to the report that receivers are still to be found for."""
    key = key_of(public_id, "report")
    return DomainEvent.objects.filter(
        subject_type=Report.__name__, subject_id=str(key), fanned_out_at__isnull=True
    ).exists()


def unsettled(groups: Sequence[VersionReceipts]) -> bool:
    """Whether anything is still on its way, so that the page looks again soon."""
    return any(each.waiting in _UNSETTLED for group in groups for each in group.receipts)


def _version(row: Delivery) -> int | None:
    number = row.event.payload.get("number") if row.event else None
    return int(number) if number else None


def _receipt(row: Delivery, versions: Mapping[int, int | None]) -> Receipt:
    blocker = getattr(row, "blocker", None)
    follows = getattr(row, "follows", None)
    return Receipt(
        public_id=str(row.public_id),
        endpoint=row.endpoint.name,
        endpoint_id=str(row.endpoint.public_id),
        protocol=row.endpoint.protocol,
        message_type=row.message_type,
        version=_version(row),
        state=row.state,
        waiting=_waiting(row, blocked=blocker is not None, follows=follows is not None),
        created_at=row.created_at,
        due_at=row.due_at,
        delivered_at=row.delivered_at,
        attempts=row.attempt_count,
        answer=answer_of(bytes(getattr(row, "reply", None) or b"")),
        error=row.last_error,
        blocker=str(blocker) if blocker else "",
        ahead=versions.get(follows) if follows else None,
    )


def answer_of(reply: bytes) -> str:
    """The receiver's word, as interfaces people know it: AA, AE, AR, CA; empty if it has none."""
    found = _ANSWER.search(reply[:4000])
    return found[2].decode("ascii") if found else ""


def _waiting(row: Delivery, *, blocked: bool, follows: bool) -> Waiting:
    match DeliveryState(row.state):
        case DeliveryState.DELIVERED:
            return Waiting.NOT
        case DeliveryState.SKIPPED:
            return Waiting.SKIPPED
        case DeliveryState.REFUSED:
            return Waiting.REFUSED
        case DeliveryState.DEAD:
            unwritable = row.lane.startswith("unwritable:")
            return Waiting.UNWRITABLE if unwritable else Waiting.GIVEN_UP
        case DeliveryState.LEASED:
            return Waiting.SENDING
        case DeliveryState.PENDING:
            return _pending(row, blocked=blocked, follows=follows)


def _pending(row: Delivery, *, blocked: bool, follows: bool) -> Waiting:
    if not row.endpoint.active:
        return Waiting.OFF
    if row.endpoint.paused:
        return Waiting.PAUSED
    if blocked:
        return Waiting.BEHIND
    tried = row.attempt_count > 0 and row.due_at > timezone.now()
    if tried or row.last_error:
        return Waiting.AGAIN
    return Waiting.QUEUED if follows else Waiting.SOON
