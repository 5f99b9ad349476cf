"""Which messages a person asks for: by number, by order and patient, by time and state, by text.

What an index finds is looked for in the whole archive: a control id, an order, a patient. Anything
else is looked for within a span of time, so that no question costs more the older the archive is.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce, Concat
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.exchange import DeliveryState, Direction, MessageState
from ris.models import Delivery, Endpoint, InboundMessage, Order, PatientIdentifier
from ris.selectors.calendar import midnight

STUCK_DELIVERY = (DeliveryState.REFUSED.value, DeliveryState.DEAD.value)
STUCK_MESSAGE = (MessageState.REJECTED.value, MessageState.FAILED.value)
OVER_DELIVERY = (DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value)

SPAN_DAYS = 7  # where nobody says from when
CONTENT_DAYS = 1  # the same for text inside of messages
CONTENT_ROWS = 20_000  # looked into, the newest first
CONTENT_HITS = 500
MOST = 500  # tied to one number
_YEARS = range(1900, 2200)  # beyond them are days no calendar can add one to

Row = TypeVar("Row", InboundMessage, Delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is asked for, in the words of an address; empty: anything."""

    state: str = ""  # a state, "open": needs a person, "flagged": an old key with new content
    protocol: str = ""
    endpoint: str = ""  # public id
    text: str = ""  # control id, accession number, sender or type
    type: str = ""  # as ORM^O01, or the beginning of it
    outcome: str = ""
    patient: str = ""  # a number of the patient
    order: str = ""  # accession, placer or filler number
    since: str = ""  # local date or time
    until: str = ""
    contains: str = ""
    keys: str = ""  # primary keys that were found before, with commas; nobody types them

    @classmethod
    def of(cls, said: Mapping[str, str]) -> Filter:
        known = {field.name for field in fields(cls)}
        return cls(**{name: text.strip() for name, text in said.items() if name in known})

    def said(self) -> dict[str, str]:
        return {name: text for name, text in asdict(self).items() if text}

    @property
    def needs_span(self) -> bool:
        """Whether it is looked for by reading on, message by message.

        An order or a patient is found by an index, however long ago it was.
        """
        if self.order or self.patient:
            return False
        asked = (self.protocol, self.endpoint, self.text, self.type, self.outcome, self.contains)
        return any(asked) or self.state in ("flagged", *OVER_DELIVERY)

    def span(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """From when and until when; raises InvalidValueError for what is no time."""
        since, until = moment(self.since, "since"), moment(self.until, "until", ends=True)
        if since is None and self.needs_span:
            days = CONTENT_DAYS if self.contains else SPAN_DAYS
            since = (until or now) - timedelta(days=days)
        return since, until


def moment(text: str, path: str, *, ends: bool = False) -> datetime | None:
    """A local date or time; a date that ends a span counts whole."""
    if not text:
        return None
    found: date | datetime | None
    try:
        found = parse_date(text) if len(text) == 10 else parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise InvalidValueError(
            "write a date as 2026-03-02, or a time as 2026-03-02T14:30", path=path
        )
    if isinstance(found, datetime):
        return timezone.make_aware(found) if timezone.is_naive(found) else found
    zone = timezone.get_default_timezone()
    return midnight(found + timedelta(days=1) if ends else found, zone)


# --- in


def inbound(wanted: Filter) -> QuerySet[InboundMessage]:
    """Messages in, newest first."""
    rows = InboundMessage.objects.all()
    numbered = _by_number(wanted.text) if wanted.text else []
    if numbered:
        rows = _spanned(rows, "received_at", replace(wanted, text="")).filter(pk__in=numbered)
    else:
        rows = _spanned(rows, "received_at", wanted)
        if wanted.text:
            text = wanted.text
            rows = rows.filter(Q(sender__icontains=text) | Q(message_type__icontains=text))
    if wanted.state == "flagged":
        rows = rows.filter(key_reused=True)
    elif wanted.state == "open":
        rows = rows.filter(state__in=STUCK_MESSAGE, resolved_at=None)
    elif wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.protocol:
        rows = rows.filter(protocol=wanted.protocol)
    if wanted.endpoint:
        rows = of_endpoints(rows, [] if wanted.endpoint == "-" else _endpoint(wanted))
    if wanted.outcome:
        rows = rows.filter(outcome=wanted.outcome)
    if wanted.type:
        rows = rows.filter(message_type__istartswith=wanted.type)
    if wanted.order:
        rows = rows.filter(pk__in=_of_orders(_orders(wanted.order)))
    if wanted.patient:
        patients = _patients(wanted.patient)
        orders = Order.objects.filter(patient_id__in=patients).values_list("pk", flat=True)
        tied = _of_orders(list(orders[:MOST]))
        rows = rows.filter(Q(patient_id__in=patients) | Q(pk__in=tied))
    return _containing(rows, wanted, "raw").order_by("-received_at", "-id")


def _by_number(text: str) -> list[int]:
    """Messages of a control id or an accession number."""
    keys = InboundMessage.objects.filter(key=text).order_by("-id").values_list("pk", flat=True)
    orders = Order.objects.filter(accession_number=text).values_list("pk", flat=True)
    return [*keys[:MOST], *_of_orders(list(orders[:MOST]))]


def _of_orders(orders: Sequence[int]) -> list[int]:
    tied = InboundMessage.orders.through._default_manager.filter(order_id__in=orders)
    return list(tied.order_by("-id").values_list("inboundmessage_id", flat=True)[:MOST])


# --- out


def outbound(wanted: Filter) -> QuerySet[Delivery]:
    """Deliveries, newest first."""
    rows = Delivery.objects.all()
    numbered = _sent_by_number(wanted.text) if wanted.text else []
    if numbered:
        rows = _spanned(rows, "created_at", replace(wanted, text="")).filter(pk__in=numbered)
    else:
        rows = _spanned(rows, "created_at", wanted)
        if wanted.text:
            rows = rows.filter(message_type__icontains=wanted.text)
    if wanted.state == "open":
        rows = rows.filter(state__in=STUCK_DELIVERY)
    elif wanted.state in OVER_DELIVERY:
        rows = rows.alias(found=Concat("state", Value(""))).filter(found=wanted.state)
    elif wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.protocol:
        spoken = Endpoint.objects.filter(protocol=wanted.protocol)
        rows = of_endpoints(rows, list(spoken.values_list("pk", flat=True)))
    if wanted.endpoint:
        rows = of_endpoints(rows, _endpoint(wanted))
    if wanted.type:
        rows = rows.filter(message_type__istartswith=wanted.type)
    if wanted.order:
        rows = rows.filter(pk__in=_told_of(_orders(wanted.order)))
    if wanted.patient:
        rows = rows.filter(patient_id__in=_patients(wanted.patient))
    return _containing(rows, wanted, "payload").order_by("-created_at", "-id")


def by_control_id(text: str) -> QuerySet[Delivery]:
    """Deliveries of a control id. Its index begins with the endpoint, so all are named."""
    endpoints = list(Endpoint.objects.values_list("pk", flat=True))
    return Delivery.objects.filter(endpoint_id__in=endpoints, control_id=text).order_by("-id")


def _sent_by_number(text: str) -> list[int]:
    rows = by_control_id(text)
    orders = Order.objects.filter(accession_number=text).values_list("pk", flat=True)
    return [
        *rows.values_list("pk", flat=True)[:MOST],
        *_told_of(list(orders[:MOST])),
    ]


def _told_of(orders: Sequence[int]) -> list[int]:
    rows = Delivery.objects.filter(order_id__in=orders).order_by("-id")
    further = Delivery.further_orders.through._default_manager.filter(order_id__in=orders)
    return [
        *rows.values_list("pk", flat=True)[:MOST],
        *further.values_list("delivery_id", flat=True)[:MOST],
    ]


# --- both


def _endpoint(wanted: Filter) -> list[int]:
    key = key_of(wanted.endpoint, "endpoint")
    return list(Endpoint.objects.filter(public_id=key).values_list("pk", flat=True)) or [-1]


def of_endpoints(rows: QuerySet[Row], keys: Sequence[int]) -> QuerySet[Row]:
    """Those of some endpoints, or of none; never by the index of endpoints.

    It would find all a peer ever sent, to be sorted by time; here the span is read by the index of
    times, and ends at the first page.
    """
    return rows.alias(of=Coalesce("endpoint_id", 0)).filter(of__in=keys or [0])


def _spanned(rows: QuerySet[Row], column: str, wanted: Filter) -> QuerySet[Row]:
    since, until = wanted.span(timezone.now())
    if since is not None:
        rows = rows.filter(**{f"{column}__gte": since})
    if until is not None:
        rows = rows.filter(**{f"{column}__lt": until})
    return rows


def _containing(rows: QuerySet[Row], wanted: Filter, column: str) -> QuerySet[Row]:
    """Those whose bytes hold a text, looked into one by one: no database indexes them."""
    if wanted.keys:
        return rows.filter(pk__in=[int(key) for key in wanted.keys.split(",")])
    if not wanted.contains:
        return rows
    needles = {wanted.contains.encode(), wanted.contains.encode("latin-1", "ignore")} - {b""}
    hits: list[int] = []
    looked = rows.order_by("-id").values_list("pk", column)[:CONTENT_ROWS]
    for key, content in looked.iterator(chunk_size=500):
        if any(needle in bytes(content) for needle in needles):
            hits.append(key)
            if len(hits) >= CONTENT_HITS:
                break
    return rows.filter(pk__in=hits)


def _orders(text: str) -> list[int]:
    found = Order.objects.filter(accession_number=text).values_list("pk", flat=True)[:50]
    keys = set(found)
    for name in ("placer_order_number", "filler_order_number"):
        keys |= set(Order.objects.filter(**{name: text}).values_list("pk", flat=True)[:50])
    return sorted(keys)


def _patients(text: str) -> list[int]:
    rows = PatientIdentifier.objects.filter(value=text).values_list("patient_id", flat=True)
    return sorted(set(rows[:50]))


def runnable(
    direction: Direction, filters: Mapping[str, str]
) -> QuerySet[InboundMessage] | QuerySet[Delivery]:
    """What of a filter can be done again: what was not applied; what is parked, sent or skipped."""
    wanted = Filter.of(filters)
    if direction is Direction.IN:
        return inbound(wanted).filter(state__in=STUCK_MESSAGE, resolved_at=None)
    return outbound(wanted).filter(state__in=(*STUCK_DELIVERY, *OVER_DELIVERY))


def fixed(direction: Direction, filters: Mapping[str, str], now: datetime) -> dict[str, str]:
    """A filter that finds the same later on: its span begins when it did, its text is not sought
    again."""
    wanted = Filter.of({**filters, "keys": ""})
    since, _ = wanted.span(now)
    if since is not None:
        wanted = replace(wanted, since=since.isoformat())
    if wanted.contains:
        keys = runnable(direction, wanted.said()).order_by("pk").values_list("pk", flat=True)
        wanted = replace(wanted, keys=",".join(map(str, keys)))
    return wanted.said()


def key_of(text: str, what: str) -> uuid.UUID:
    """A public id as a key; raises UnknownKeyError for what cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise UnknownKeyError(f"no such {what}") from None
