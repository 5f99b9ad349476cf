"""Text in the letters that a peer's character set has, where its settings ask for that.

By default what a set lacks is held and shown (``unencodable = 'hold'``). Where a peer wants the
message all the same, a name leaves in those of its writings that the set holds, and other letters
by the fixed table of :mod:`ris.domain.transliteration`. What has no row there is held even so: a
question mark or an invented letter would make two names one.
"""

from __future__ import annotations

from collections.abc import Iterable

from integration.hl7.charset import Charset
from integration.hl7.er7_writer import Raw, SegmentRow, Value
from ris.domain.transliteration import transliterate

# Fields whose repetitions are writings of one and the same name (table 0465).
_WRITINGS = {"PID": 5}


def fit(rows: Iterable[SegmentRow | Raw], charset: Charset) -> list[SegmentRow | Raw]:
    """The rows, with everything replaced that the set lacks and the table has."""
    return [row if isinstance(row, Raw) else _fit_row(row, charset) for row in rows]


def _fit_row(row: SegmentRow, charset: Charset) -> SegmentRow:
    writings = _WRITINGS.get(str(row[0]))
    fields: list[Value] = []
    for number, value in enumerate(row):
        if number == writings and isinstance(value, list):
            fields.append(_fit_writings(value, charset))
        else:
            fields.append(_fit(value, charset))
    return tuple(fields)


def _fit_writings(writings: list[Value], charset: Charset) -> Value:
    held = [each for each in writings if _holds(each, charset)]
    if held:
        return held
    # The phonetic writing can be spelled out, the ideographic one cannot.
    for each in (*writings[:1], *reversed(writings[1:])):
        fitted = _fit(each, charset)
        if _holds(fitted, charset):
            return [fitted]
    return list(writings)


def _holds(value: Value, charset: Charset) -> bool:
    if isinstance(value, tuple | list):
        return all(_holds(each, charset) for each in value)
    return not isinstance(value, str) or charset.can_write(value)


def _fit(value: Value, charset: Charset) -> Value:
    if isinstance(value, list):
        return [_fit(each, charset) for each in value]
    if isinstance(value, tuple):
        return tuple(_fit(each, charset) for each in value)
    if not isinstance(value, str) or charset.can_write(value):
        return value
    plain, complete = transliterate(value, charset.can_write)
    return plain if complete else value
