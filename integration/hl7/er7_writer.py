"""Writing HL7 v2 messages: escaping, delimiters, encoding in the peer's character set.

A segment is a tuple whose positions are HL7's field numbers, its name being number 0::

    ("PID", 1, None, [("4711", None, None, ("HOSP", "1.2.3", "ISO"), "MR"), ("99",)], None,
     ("Doe", "John"))

======================  =========================================================
value                   written as
======================  =========================================================
``None``, ``""``        nothing: the receiver leaves what it has
``DELETE``              ``""``: the receiver deletes what it has
``str``, ``int``        the text, escaped; line breaks as ``\\.br\\``
``tuple``               components; a tuple within it, subcomponents
``list``                repetitions
``Raw``                 text that is in wire form already (kept Z segments)
======================  =========================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from integration.hl7 import charset as charsets
from integration.hl7.charset import Charset
from integration.hl7.er7_decode import place_after
from integration.hl7.er7_segment import Segment
from integration.hl7.escapes import NULL, STANDARD, Delimiters, escape
from ris.domain.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Raw:
    """Text in wire form; must use the delimiters of the message it goes into."""

    text: str


DELETE = Raw(NULL)

Value: TypeAlias = "str | int | Raw | tuple[Value, ...] | list[Value] | None"
SegmentRow: TypeAlias = Sequence[Value]


def build(
    segments: Iterable[SegmentRow | Raw],
    *,
    charset: Charset | str = charsets.UTF_8,
    delimiters: Delimiters = STANDARD,
) -> bytes:
    """The message's bytes, each segment ended by CR.

    Raises InvalidValueError with the path of a character that the set cannot hold; never
    writes a substitute.
    """
    chosen = charsets.find("", charset) if isinstance(charset, str) else charset
    text = "".join(render(segment, delimiters) + "\r" for segment in segments)
    try:
        return chosen.encode(text)
    except InvalidValueError as error:
        raise InvalidValueError(
            error.message, path=place_after(text[: error.details["offset"]]), details=error.details
        ) from None


def render(segment: SegmentRow | Raw, delimiters: Delimiters = STANDARD) -> str:
    """One segment without its end; MSH-1 and MSH-2 are filled in."""
    if isinstance(segment, Raw):
        return segment.text
    name = segment[0]
    if not isinstance(name, str) or re.fullmatch(r"[A-Z][A-Z0-9]{2}", name) is None:
        raise ValueError(f"not a segment name: {name!r}")
    fields = [name, *(_field(value, delimiters) for value in segment[1:])]
    if name == "MSH":
        fields[1:3] = [delimiters.encoding]
    while not fields[-1]:
        fields.pop()
    return delimiters.field.join(fields)


def copy(segment: Segment) -> SegmentRow | Raw:
    """A received segment as it was, to be written with the usual delimiters (kept Z segments)."""
    given = segment.delimiters
    if given == STANDARD:
        return Raw(segment.raw)

    def primitive(text: str) -> Value:
        return DELETE if text == NULL else segment.unescape(text)

    def component(text: str) -> Value:
        parts = text.split(given.subcomponent) if given.subcomponent else [text]
        return tuple(primitive(part) for part in parts)

    def repetition(text: str) -> Value:
        return tuple(component(part) for part in text.split(given.component))

    row: list[Value] = [segment.name]
    for text in segment.fields[1:]:
        parts = text.split(given.repetition) if given.repetition else [text]
        row.append([repetition(part) for part in parts])
    return row


def msh(
    *,
    sending: tuple[str, str],
    receiving: tuple[str, str],
    at: str,
    message_type: tuple[str, ...],
    control_id: str,
    version: str,
    processing_id: str = "P",
    charset: Charset | None = None,
) -> tuple[Value, ...]:
    """An MSH row: ``sending`` and ``receiving`` are (application, facility), ``at`` is MSH-7."""
    declared: Value = list(charset.msh18.split("~")) if charset else None
    return (
        "MSH", None, None, sending[0], sending[1], receiving[0], receiving[1], at, None,
        message_type, control_id, processing_id, version, None, None, None, None, None, declared,
    )  # fmt: skip


def _field(value: Value, delimiters: Delimiters) -> str:
    if isinstance(value, list):
        parts = [_repetition(each, delimiters) for each in value]
        return _join(parts, delimiters.repetition)
    return _repetition(value, delimiters)


def _repetition(value: Value, delimiters: Delimiters) -> str:
    if isinstance(value, tuple):
        return _join([_component(each, delimiters) for each in value], delimiters.component)
    return _primitive(value, delimiters)


def _component(value: Value, delimiters: Delimiters) -> str:
    if isinstance(value, tuple):
        return _join([_primitive(each, delimiters) for each in value], delimiters.subcomponent)
    return _primitive(value, delimiters)


def _primitive(value: Value, delimiters: Delimiters) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return escape(value, delimiters)
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nested too deep for HL7")


def _join(parts: list[str], delimiter: str) -> str:
    while parts and not parts[-1]:
        parts.pop()
    if len(parts) > 1 and not delimiter:
        raise ValueError("the message has no delimiter for that level")
    return delimiter.join(parts)
