"""A dataset in another transfer syntax, value by value and without looking into any (PS3.5 7).

Text stays in the bytes and the character set it came in, so nothing can be lost on the way.
"""

from __future__ import annotations

from struct import pack

from ris.domain.errors import UnsupportedError
from worklist.elements import LONG_VRS, Element, Elements, read, vr_of
from worklist.sop_classes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

# Bytes of one number, for the VRs whose byte order follows the transfer syntax (PS3.5 7.3).
_WORDS = {
    "US": 2, "SS": 2, "OW": 2, "AT": 2,
    "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
_SHORT_LIMIT = 0xFFFF


def recode(data: bytes, before: str, after: str) -> bytes:
    """``data`` of transfer syntax ``before`` in ``after``; raises InvalidValueError if unreadable.

    Big Endian is read and not written: it is retired.
    """
    if before == after:
        return data
    if after not in {EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN}:
        raise UnsupportedError("this transfer syntax is not written")
    return _write(
        read(data, before),
        explicit=after == EXPLICIT_VR_LITTLE_ENDIAN,
        swap=before == EXPLICIT_VR_BIG_ENDIAN,
    )


def _write(elements: Elements, *, explicit: bool, swap: bool) -> bytes:
    parts: list[bytes] = []
    for tag, element in sorted(elements.items()):
        if tag & 0xFFFF == 0:
            continue  # a group length would be that of the other syntax
        head = pack("<HH", tag >> 16, tag & 0xFFFF)
        if element.items is not None:
            vr, value = "SQ", _items(element, explicit=explicit, swap=swap)
        else:
            vr = element.vr
            value = _swapped(element, tag) if swap else element.value
        parts.append(head + _length(vr, len(value), explicit=explicit) + value)
    return b"".join(parts)


def _items(element: Element, *, explicit: bool, swap: bool) -> bytes:
    parts: list[bytes] = []
    for item in element.items or ():
        body = _write(item, explicit=explicit, swap=swap)
        parts += (pack("<HHI", 0xFFFE, 0xE000, len(body)), body)
    return b"".join(parts)


def _length(vr: str, length: int, *, explicit: bool) -> bytes:
    if not explicit:
        return pack("<I", length)
    code = vr.encode("ascii")
    if code not in LONG_VRS and length > _SHORT_LIMIT:
        code = b"UN"  # longer than this VR can say (PS3.5 6.2.2 note)
    if code in LONG_VRS:
        return code + pack("<HI", 0, length)
    return code + pack("<H", length)


def _swapped(element: Element, tag: int) -> bytes:
    size = _WORDS.get(element.vr if element.vr != "UN" else vr_of(tag), 1)
    if size == 1:
        return element.value
    return b"".join(
        element.value[start : start + size][::-1] for start in range(0, len(element.value), size)
    )
