"""How closely a message is looked at before it is applied: off, key fields, tables (spec 3.4).

Key fields are those that IHE RAD requires and that nothing can be done without, so that a sender
learns of all of them at once, together with what its translator finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from integration.hl7 import schema
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from ris.domain.errors import InvalidValueError, MissingValueError, RisError

Level = Literal["off", "key", "tables"]

# Orders that are begun with the message, for which everything must be there; a change or an end
# refers to what is known (MESA 101.188 cancels with ORC alone).
_BEGINS = frozenset({"NW", "RO", "PA", "CH", "SN"})

_NUMBERS = ("2", "3")  # of an order: the placer's, ours

# For each kind of message: (segment, one of these fields). Every segment of that name is looked at.
KEY_FIELDS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "ORM": (("ORC", ("1",)), ("ORC", _NUMBERS)),
    "OMG": (("ORC", ("1",)), ("ORC", _NUMBERS)),
    "OMI": (("ORC", ("1",)), ("ORC", _NUMBERS)),
    "ADT": (("PID", ("3", "2", "4")),),
    "MDM": (("TXA", ("2",)), ("TXA", ("12",))),
}
# And segments without which there is nothing to do.
KEY_SEGMENTS: Mapping[str, tuple[str, ...]] = {
    "ORM": ("ORC",),
    "OMG": ("ORC",),
    "OMI": ("ORC",),
    "ADT": ("PID",),
    "SIU": ("SCH",),
    "ORU": ("OBR",),
    "MDM": ("TXA",),
    "BAR": ("PID",),
}


def faults(message: Message, level: Level) -> list[RisError]:
    """What is wrong with a message at a level, each with its place.

    Raises InvalidValueError for two messages in one, whose segments belong to either: some engines
    send several in a frame, and nothing of the second may get lost behind an AA to the first.
    """
    if len(message.segments("MSH")) > 1:
        text = "a second message: each comes in a frame of its own, or all in a batch (BHS)"
        raise InvalidValueError(text, path="MSH[2]")
    if level == "off":
        return []
    if level == "key":
        return list(_missing(message))
    return schema.check(message)


def _missing(message: Message) -> Iterator[RisError]:
    code = message.header.code
    for name in KEY_SEGMENTS.get(code, ()):
        if name not in message:
            yield MissingValueError(f"{name} is required", path=name)
    numbered = _numbered_in_obr(message)
    for name, fields in KEY_FIELDS.get(code, ()):
        for segment in message.segments(name):
            if name == "ORC" and fields == _NUMBERS and segment.occurrence in numbered:
                continue
            if not any(_says(segment, number) for number in fields):
                text = " or ".join(f"{name}-{number}" for number in fields)
                yield MissingValueError(f"{text} is required", path=segment.at(fields[0]))
    if code in ("ORM", "OMG", "OMI") and _begins(message):
        yield from _missing_of_new(message)


def _numbered_in_obr(message: Message) -> set[int]:
    """The ORCs whose order numbers stand in an OBR of theirs instead (HL7 v2.5.1 4.5.1.2)."""
    found = set()
    for group in message.groups("ORC"):
        orc = group.first("ORC")
        obrs = group.segments("OBR")
        if orc is not None and any(_says(obr, number) for obr in obrs for number in _NUMBERS):
            found.add(orc.occurrence)
    return found


def _missing_of_new(message: Message) -> Iterator[RisError]:
    """What a new order must say of its patient."""
    patient = message.first("PID")
    if patient is None:
        yield MissingValueError("PID is required", path="PID")
        return
    if not any(_says(patient, number) for number in ("2", "3", "4")):
        yield MissingValueError("PID-3 is required", path=patient.at("3"))
    if not _says(patient, "5"):
        yield MissingValueError("PID-5 is required", path=patient.at("5"))


def _begins(message: Message) -> bool:
    return any((orc.get("1") or "").strip().upper() in _BEGINS for orc in message.segments("ORC"))


def _says(segment: Segment, number: str) -> bool:
    return any(repeat.raw != '""' for repeat in segment.repeats(number))
