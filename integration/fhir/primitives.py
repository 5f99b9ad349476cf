"""The primitive types of FHIR R4 (2.24.0.1): what a value may look like, to the letter.

A check gives the words for what is wrong, or nothing. Values are those of strict JSON: a number
with a fraction is a Decimal.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from integration.fhir import narrative

Check = Callable[[Any], str]

MAX_TEXT = 1024 * 1024
_YEAR = r"([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)"
_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

DATE = re.compile(rf"{_YEAR}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
DATE_TIME = re.compile(rf"{_YEAR}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])(T{_TIME}{_ZONE})?)?)?")
INSTANT = re.compile(rf"{_YEAR}-{_DAY}T{_TIME}{_ZONE}")
_BLANKS = b" \t\r\n"
_BASE64 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/"


def _text(pattern: str, words: str, longest: int = MAX_TEXT) -> Check:
    expression = re.compile(pattern)

    def check(value: Any) -> str:
        if not isinstance(value, str):
            return _not("a text", value)
        if not value:
            return "FHIR has no empty texts"
        if len(value) > longest:
            return f"longer than {longest} characters"
        return "" if expression.fullmatch(value) else words

    return check


def _plain(value: Any) -> str:
    """string and markdown: characters below U+0020 were refused when the body was read."""
    if not isinstance(value, str):
        return _not("a text", value)
    if not value:
        return "FHIR has no empty texts"
    if len(value) > MAX_TEXT:
        return f"longer than {MAX_TEXT} characters"
    return "a text holds U+0000" if "\0" in value else ""


def _dated(expression: re.Pattern[str], words: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return _not("a text", value)
        if not expression.fullmatch(value):
            return words
        if len(value) >= 10 and int(value[8:10]) > 28:
            year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
            if day > monthrange(year, month)[1]:
                return "there is no such day"
        return ""

    return check


def _boolean(value: Any) -> str:
    return "" if value is True or value is False else _not("true or false", value)


def _whole(least: int) -> Check:
    words = {0: "a whole number from 0", 1: "a whole number from 1"}.get(least, "a whole number")

    def check(value: Any) -> str:
        if type(value) is not int:
            return _not(words, value)
        return "" if least <= value < 2**31 else f"{words} of 32 bits is expected"

    return check


def _decimal(value: Any) -> str:
    if type(value) is int or (isinstance(value, Decimal) and value.is_finite()):
        return ""
    return "" if isinstance(value, float) and value - value == 0 else _not("a number", value)


def _base64(value: Any) -> str:
    """Whole groups of four; spaces may stand between (R4's pattern), nothing else."""
    if not isinstance(value, str):
        return _not("a text", value)
    raw = value.encode("ascii", "replace")
    padding = raw.translate(None, _BASE64)
    if padding.strip(b"="):
        raw = raw.translate(None, _BLANKS)
        padding = padding.translate(None, _BLANKS)
    if not raw:
        return "FHIR has no empty texts"
    right = padding in {b"", b"=", b"=="} and raw.endswith(padding)
    return "" if right and len(raw) % 4 == 0 else "not base64"


def _xhtml(value: Any) -> str:
    return narrative.faults(value) if isinstance(value, str) else _not("a text", value)


def _not(expected: str, value: Any) -> str:
    kinds = {bool: "a boolean", str: "a text", list: "a list", dict: "an object"}
    return f"{expected} is expected, not {kinds.get(type(value), 'a number')}"


_URI = _text(r"\S+", "a URI has no spaces")

CHECKS: Mapping[str, Check] = {
    "base64Binary": _base64,
    "boolean": _boolean,
    "canonical": _URI,
    "code": _text(
        r"[^\s]+(\s[^\s]+)*", "a code has no spaces at its ends and none beside each other"
    ),
    "date": _dated(DATE, "a date is YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _dated(
        DATE_TIME, "a dateTime is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone"
    ),
    "decimal": _decimal,
    "id": _text(r"[A-Za-z0-9\-.]{1,64}", "an id has 1 to 64 letters, digits, hyphens and points"),
    "instant": _dated(INSTANT, "an instant is YYYY-MM-DDThh:mm:ss with a zone"),
    "integer": _whole(-(2**31)),
    "markdown": _plain,
    "oid": _text(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+", "an oid is urn:oid:1.2.3"),
    "positiveInt": _whole(1),
    "string": _plain,
    "time": _text(_TIME, "a time is hh:mm:ss"),
    "unsignedInt": _whole(0),
    "uri": _URI,
    "url": _URI,
    "uuid": _text(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "a uuid is urn:uuid: and its digits in lower case",
    ),
    "xhtml": _xhtml,
}
