"""The numbers a message names, for tying one that was not applied to what exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from ris.domain.errors import RisError
from ris.services.desk import About

_ORC = {"ORC": (("placer", "2"), ("filler", "3"))}
_OBR = (("placer", "2"), ("filler", "3"), ("accession", "18"))
_PLACES: Mapping[str, Mapping[str, tuple[tuple[str, str], ...]]] = {
    **dict.fromkeys(("ORM", "OMG", "OMI", "ORR", "ORG", "ORI"), _ORC),
    "SIU": {"SCH": (("placer", "26"), ("filler", "27"))},
    "ORU": {"OBR": _OBR},
    "MDM": {"TXA": (("placer", "14"), ("filler", "15")), "OBR": _OBR},
}
_MOST = 20  # segments of one name


def named_orders(message: Message) -> list[tuple[str, str]]:
    """Each kind of number with its value, once."""
    found: list[tuple[str, str]] = []
    with suppress(RisError):
        for name, places in _PLACES.get(message.header.code, {}).items():
            for segment in message.segments(name)[:_MOST]:
                found += [(kind, segment.get(place) or "") for kind, place in places]
    return [(kind, value) for kind, value in dict.fromkeys(found) if value]


# Where a message says which one it is about, and what of it; the first that says anything counts.
_ASKS: Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    **dict.fromkeys(("ORM", "OMG", "OMI", "ORR", "ORG", "ORI"), (("ORC", ("2", "3"), "1"),)),
    "SIU": (("SCH", ("26", "27", "1", "2"), "25"),),
    "ORU": (("OBR", ("18", "3", "2"), "25"),),
    "MDM": (("TXA", ("12",), "17"),),
    **dict.fromkeys(("ADT", "BAR"), (("PID", ("3", "2"), ""), ("MRG", ("1", "4"), ""))),
}


def about(message: Message) -> About:
    """What a message asks for: of each order, appointment, report or patient its number."""
    with suppress(RisError):
        asks = frozenset(_asks(message))
        orders = frozenset(value for _, value in named_orders(message))
        by_patient = not orders or message.header.code in ("ADT", "BAR")
        patients = frozenset(
            value
            for pid in message.segments("PID")[:_MOST]
            for place in ("3", "2")
            for each in pid.repeats(place)
            if (value := (each.get(1) or "").strip())
        )
        return About(asks, orders, patients if by_patient else frozenset())
    return About(frozenset())


def _asks(message: Message) -> Iterator[str]:
    for name, numbers, what in _ASKS.get(message.header.code, ()):
        for segment in message.segments(name)[:_MOST]:
            number = next((said for each in numbers if (said := _said(segment, each))), "")
            if number:
                yield f"{name} {_said(segment, what) if what else ''} {number}"


def _said(segment: Segment, place: str) -> str:
    return (segment.get(f"{place}.1") or segment.get(place) or "").strip()
