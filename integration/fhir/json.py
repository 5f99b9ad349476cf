"""Strict reading of JSON bodies (RFC 8259, FHIR R4 2.6.2): what is doubtful is refused.

The standard library takes the last of duplicate keys, ``NaN``, lone surrogates and any depth its
stack bears; a database or a second reader then sees something else than was checked.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from integration.fhir.outcome import HttpError

MAX_DEPTH = 64
MAX_NODES = 10_000

# FHIR R4 string: no characters below U+0020 but tab, line feed and carriage return.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


def read(raw: bytes) -> Any:
    """The value in ``raw``; decimals keep their digits. Raises HttpError (400)."""
    text = decode(raw)
    try:
        value = json.loads(
            text,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise _malformed(f"nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:
        # JSONDecodeError, and integers of thousands of digits.
        raise _malformed(f"not JSON: {error}") from None
    _check(value)
    return value


def read_object(raw: bytes) -> dict[str, Any]:
    """Like :func:`read`, for a body that must be an object."""
    value = read(raw)
    if not isinstance(value, dict):
        raise _malformed("the body must be a JSON object")
    return value


def read_stored(raw: bytes) -> Any:
    """What :func:`write` wrote; no limits, because it is our own."""
    return json.loads(raw)


def decode(raw: bytes) -> str:
    """The text of a body: UTF-8, a byte order mark tolerated."""
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise _malformed("the body is empty")
    return text


def write(value: Any, *, pretty: bool = False) -> bytes:
    """JSON as it is sent: UTF-8, no spaces unless asked for."""
    text = json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
        default=_number,
    )
    return text.encode()


def _number(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _malformed(f"the key {key[:64]!r} stands twice in one object")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not JSON")


def _check(root: Any) -> None:
    """Depth, number of nodes and characters, without recursion."""
    waiting: list[tuple[Any, int]] = [(root, 1)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            raise _malformed(f"more than {MAX_NODES} values")
        if isinstance(value, str):
            if _FORBIDDEN.search(value):
                raise _malformed("a text holds a control character or half a surrogate pair")
            continue
        if not isinstance(value, dict | list):
            continue
        if depth > MAX_DEPTH:
            raise _malformed(f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict):
            waiting.extend((key, depth) for key in value)
            waiting.extend((item, depth + 1) for item in value.values())
        else:
            waiting.extend((item, depth + 1) for item in value)


def _malformed(message: str) -> HttpError:
    return HttpError(400, "structure", message)
