"""The order numbers a message names, for tying one that was not applied to orders that exist."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from integration.hl7.er7 import Message
from ris.domain.errors import RisError

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
