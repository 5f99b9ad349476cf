"""Identifiers that were read before, and those that are like one of them but for a number.

Modalities repeat the same identifier to the byte. A lookup at the console asks for another number
each time, and all else about it is the same: which keys come back, what is odd about them. Finding
that out takes most of the time of reading. A number of letters and digits, as long as the one
before, means itself and nothing else: it is no wildcard or list, reads the same in every character
set, and moves nothing that stands behind it.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from dataclasses import replace
from datetime import tzinfo
from functools import lru_cache
from threading import Lock
from typing import Final, NamedTuple

from worklist.attributes import Attribute
from worklist.charset import CharacterSet
from worklist.matching import NUMBERS, WorklistRequest, condition, to_request
from worklist.rules import STANDARD, Rules
from worklist.sop_classes import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

# No scanner's query is longer; a thousand of a megabyte each would fill the memory.
REMEMBERED_BYTES: Final = 8 * 1_024
_FORMS: Final = 8  # of one kind: devices have few
_KINDS: Final = 256
# A padding space or zero byte may follow (PS3.5 6.2).
_PLAIN: Final = re.compile(rb"([0-9A-Za-z.\-]+)[ \0]?")

# All that reading depends on but the bytes, and how many these are.
_Kind = tuple[int, str, tzinfo, CharacterSet, int, Rules]


def parsed(
    data: bytes,
    transfer_syntax: str,
    zone: tzinfo,
    default: CharacterSet,
    limit: int,
    rules: Rules = STANDARD,
) -> WorklistRequest:
    """``matching.to_request``, remembered."""
    if len(data) > REMEMBERED_BYTES:
        return to_request(
            data, transfer_syntax, zone=zone, default=default, limit=limit, rules=rules
        )
    return _parsed(data, transfer_syntax, zone, default, limit, rules)


@lru_cache(maxsize=1024)
def _parsed(
    data: bytes,
    transfer_syntax: str,
    zone: tzinfo,
    default: CharacterSet,
    limit: int,
    rules: Rules,
) -> WorklistRequest:
    kind = (len(data), transfer_syntax, zone, default, limit, rules)
    known = _forms.like(data, kind)
    if known is not None:
        return known
    asked = to_request(data, transfer_syntax, zone=zone, default=default, limit=limit, rules=rules)
    _forms.remember(data, kind, asked)
    return asked


class _Form(NamedTuple):
    """An identifier without the number it asks for."""

    before: bytes
    after: bytes
    attribute: Attribute
    asked: WorklistRequest

    def asks(self, data: bytes) -> WorklistRequest | None:
        """What ``data``, which is as long, asks if it differs in the number only."""
        if not (data.startswith(self.before) and data.endswith(self.after)):
            return None
        number = _PLAIN.fullmatch(data, len(self.before), len(data) - len(self.after))
        if number is None or self.asked.query is None:
            return None
        text = number[1].decode("ascii")
        return replace(
            self.asked,
            query=replace(self.asked.query, **condition(self.attribute, text)),
            keys={**self.asked.keys, self.attribute.keyword: text},
        )


class _Forms:
    def __init__(self) -> None:
        self._known: OrderedDict[_Kind, tuple[_Form, ...]] = OrderedDict()
        self._lock = Lock()

    def like(self, data: bytes, kind: _Kind) -> WorklistRequest | None:
        for form in self._known.get(kind, ()):
            asked = form.asks(data)
            if asked is not None:
                return asked
        return None

    def remember(self, data: bytes, kind: _Kind, asked: WorklistRequest) -> None:
        form = None if asked.query is None else _form(data, kind[1], asked)
        if form is None:
            return
        with self._lock:
            self._known[kind] = (form, *self._known.pop(kind, ()))[:_FORMS]
            while len(self._known) > _KINDS:
                self._known.popitem(last=False)


_forms = _Forms()


def _form(data: bytes, transfer_syntax: str, asked: WorklistRequest) -> _Form | None:
    """None if no number is asked for, or its place cannot be told."""
    for attribute in NUMBERS:
        text = asked.keys.get(attribute.keyword)
        if text is None:
            continue
        value = text.encode()
        if len(value) & 1:
            value += b"\0" if attribute.vr == "UI" else b" "
        element = _head(attribute, len(value), transfer_syntax) + value
        if _PLAIN.fullmatch(value) and data.count(element) == 1:
            end = data.index(element) + len(element)
            return _Form(data[: end - len(value)], data[end:], attribute, asked)
    return None


def _head(attribute: Attribute, length: int, transfer_syntax: str) -> bytes:
    """How an element with a short length begins (PS3.5 7.1.2, 7.1.3)."""
    order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    group, number = attribute.tag >> 16, attribute.tag & 0xFFFF
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return struct.pack(f"{order}HHI", group, number, length)
    return struct.pack(f"{order}HH2sH", group, number, attribute.vr.encode(), length)
