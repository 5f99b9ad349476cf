"""What became of messages that were not applied: whether the same was asked for again, and done.

A sender mends what was refused and sends it anew, as a message of its own; the refused one stays in
sight until somebody deals with it, and should say that there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Length

from ris.domain.errors import RisError
from ris.domain.exchange import MessageState, Protocol
from ris.models import InboundMessage, Order, PatientIdentifier
from ris.services import desk

_MOST = 500  # later messages looked at for one page
_LONGEST = 64 * 1024  # bytes: longer ones, with documents in them, are not read for a list
_NOT_APPLIED = (MessageState.REJECTED.value, MessageState.FAILED.value)


@dataclass(frozen=True, slots=True)
class Became:
    """The message that brought the same later, and was applied."""

    message: str
    at: datetime


def became(public_ids: Iterable[str]) -> Mapping[str, Became]:
    """Of the messages named, those whose sender asked for the same later with success."""
    rows = _short().filter(public_id__in=list(public_ids), state__in=_NOT_APPLIED)
    asked = [(row, about) for row in rows if (about := _about(row)) is not None]
    if not asked:
        return {}
    found: dict[str, Became] = {}
    later = [(row, _about(row)) for row in _candidates(asked)]
    for row, about in asked:
        for other, its in later:
            if other.pk > row.pk and _is_same_peer(row, other) and its and about.asks <= its.asks:
                found[str(row.public_id)] = Became(str(other.public_id), other.received_at)
                break
    return found


def _short() -> QuerySet[InboundMessage]:
    rows = InboundMessage.objects.select_related("endpoint").defer("reply")
    return rows.alias(length=Length("raw")).filter(length__lte=_LONGEST)


def _about(row: InboundMessage) -> desk.About | None:
    """What a message asks for; None if that cannot be said."""
    if row.protocol not in set(Protocol) or not desk.is_text(Protocol(row.protocol)):
        return None
    charset = row.endpoint.character_set if row.endpoint else ""
    try:
        about = desk.form_of(Protocol(row.protocol)).about(bytes(row.raw), charset)
    except RisError:
        return None
    return about if about.asks else None


def _candidates(asked: list[tuple[InboundMessage, desk.About]]) -> list[InboundMessage]:
    """Applied messages of the same types about the same orders and patients, oldest first."""
    orders = {number for _, about in asked for number in about.orders}
    patients = {number for _, about in asked for number in about.patients}
    applied = _short().filter(
        state=MessageState.APPLIED.value,
        pk__gt=min(row.pk for row, _ in asked),
        message_type__in={row.message_type for row, _ in asked},
    )
    found: dict[int, InboundMessage] = {}
    if orders:
        known = Order.objects.filter(
            Q(placer_order_number__in=orders)
            | Q(filler_order_number__in=orders)
            | Q(accession_number__in=orders)
        )
        tied = applied.filter(orders__in=known.values("pk")).order_by("pk")
        found |= {row.pk: row for row in tied[:_MOST]}
    if patients:
        whose = PatientIdentifier.objects.filter(value__in=patients).values("patient")
        told = applied.filter(patient__in=whose).order_by("pk")
        found |= {row.pk: row for row in told[:_MOST]}
    return [found[key] for key in sorted(found)]


def _is_same_peer(one: InboundMessage, other: InboundMessage) -> bool:
    if one.message_type != other.message_type:
        return False
    same = one.endpoint_id is not None and one.endpoint_id == other.endpoint_id
    return same or one.sender == other.sender
