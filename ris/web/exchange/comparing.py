"""Two messages beside each other: which fields differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from ris.domain.errors import ErrorCode
from ris.models import Delivery, InboundMessage
from ris.selectors import message_filters
from ris.selectors import messages as lists
from ris.selectors.message_filters import Filter
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.exchange.decoding import Decoded, Item, decode
from ris.web.navigation import SYSTEM

# Differ in any two messages, and say nothing about what they tell.
_ALWAYS = {"MSH-7", "MSH-10"}


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    name: str
    first: str
    second: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: where it is seen, what it is, and what finds it again in the form."""

    asked: str
    address: str
    title: str
    key: str
    decoded: Decoded


def differences(first: Decoded, second: Decoded) -> list[Difference]:
    """Fields that differ, in the order of the first message; fields of one side only too.

    A field counts as a whole: where its components differ, only those are told.
    """
    before, after = _leaves(first), _leaves(second)
    found = []
    for path in [*before, *(path for path in after if path not in before)]:
        one, other = before.get(path), after.get(path)
        said = (one.value if one else "", other.value if other else "")
        if said[0] != said[1]:
            name = (one or other or Item(path, "", "")).name
            found.append(Difference(path, name, *said, expected=path in _ALWAYS))
    return found


def _leaves(decoded: Decoded) -> dict[str, Item]:
    """The innermost parts by path, each with the name of the field it is of."""
    found: dict[str, Item] = {}
    for part in decoded.parts:
        fields = {item.path: item.name for item in part.items if not item.depth}
        for item in _innermost(part.items):
            field = fields.get(item.path.partition(".")[0], "") if item.depth else ""
            name = f"{field}: {item.name}" if field and item.name else item.name or field
            found[item.path] = replace(item, name=name)
    return found


def _innermost(items: Sequence[Item]) -> Iterable[Item]:
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else None
        if following is None or following.depth <= item.depth:
            # ``PID-3`` and ``PID-3.1`` are one place where only one side has components.
            yield item


@require_GET
@page(*SYSTEM)
def compare(request: PageRequest) -> HttpResponse:
    first, second = asked(request, "a", 100), asked(request, "b", 100)
    faults: list[str] = []
    sides = [_side(request, text, faults) if text else None for text in (first, second)]
    found: list[Difference] = []
    if sides[0] is not None and sides[1] is not None:
        found = differences(sides[0].decoded, sides[1].decoded)
    context = {
        "a": sides[0].asked if sides[0] else first,
        "b": sides[1].asked if sides[1] else second,
        "faults": faults,
        "sides": sides,
        "both": all(sides),
        "differences": [each for each in found if not each.expected],
        "expected": [each for each in found if each.expected],
    }
    status = STATUS[ErrorCode.UNKNOWN_KEY] if faults else 200
    return show(request, "exchange/compare.html", context, status=status)


def _side(request: PageRequest, text: str, faults: list[str]) -> Side | None:
    """A message by ``in:ID``, ``out:ID`` or its control id, the newest of that."""
    way, _, key = text.partition(":")
    row: InboundMessage | Delivery | None
    if way in ("in", "out") and _is_key(key):
        row = lists.inbound_message(key) if way == "in" else lists.delivery(key)
    else:
        row = _by_control_id(text)
    if row is None:
        faults.append(gettext("No message has the control id {key}.").format(key=text))
        return None
    said = row.key if isinstance(row, InboundMessage) else row.control_id
    text = said if _by_control_id(said) == row else text  # as people know it, if that is one
    if isinstance(row, InboundMessage):
        row = lists.inbound_message(str(row.public_id))
        saw(request, "ViewMessage", lists.patients_of(row), subject=f"InboundMessage {key}")
        charset = row.endpoint.character_set if row.endpoint else ""
        decoded = decode(bytes(row.raw), row.protocol, charset)
        return Side(text, f"/messages/in/{row.public_id}/", row.message_type, row.key, decoded)
    patient = row.order.patient if row.order else row.patient
    if patient:
        saw(request, "ViewMessage", [str(patient.public_id)], subject=f"Delivery {key}")
    decoded = decode(bytes(row.payload), row.endpoint.protocol, row.endpoint.character_set)
    return Side(text, f"/messages/out/{row.public_id}/", row.message_type, row.control_id, decoded)


def _by_control_id(text: str) -> InboundMessage | Delivery | None:
    """The newest of them, what came in before what went out."""
    received = message_filters.inbound(Filter()).filter(key=text).first()
    return received or message_filters.by_control_id(text).first()


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
