"""JSON bodies (FHIR R4 2.6.2): read strictly, written compactly."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from integration.fhir.outcome import HttpError
from ris.domain import strict_json
from ris.domain.errors import InvalidValueError

MAX_DEPTH = strict_json.MAX_DEPTH
MAX_NODES = strict_json.MAX_NODES


def read(raw: bytes, *, nodes: int = MAX_NODES) -> Any:
    """The value in ``raw``; decimals keep their digits. Raises HttpError (400)."""
    try:
        return strict_json.read(raw, depth=MAX_DEPTH, nodes=nodes)
    except InvalidValueError as error:
        raise _malformed(error.message) from None


def require_limits(value: Any, *, nodes: int = MAX_NODES) -> None:
    """The limits of :func:`read`, for a value of another format. Raises HttpError (400)."""
    try:
        strict_json.check(value, MAX_DEPTH, nodes)
    except InvalidValueError as error:
        raise _malformed(error.message) from None


def read_object(raw: bytes) -> dict[str, Any]:
    """Like :func:`read`, for a body that must be an object."""
    value = read(raw)
    if not isinstance(value, dict):
        raise _malformed("the body must be a JSON object")
    return value


def read_stored(raw: bytes) -> Any:
    """What :func:`write` wrote; no limits, because it is our own. Decimals keep their digits."""
    return json.loads(raw, parse_float=Decimal)


def decode(raw: bytes) -> str:
    """The text of a body: UTF-8, a byte order mark tolerated."""
    try:
        return strict_json.decode(raw)
    except InvalidValueError as error:
        raise _malformed(error.message) from None


def write(value: Any, *, pretty: bool = False) -> bytes:
    """JSON as it is sent: UTF-8, no spaces unless asked for; decimals with the digits they have.

    The encoder of the standard library knows no decimals: where one stands it writes a text that
    nothing else can be (U+0000 is no character of JSON from outside nor of our tables), and the
    quotes are taken off afterwards.
    """
    decimals = False

    def number(other: object) -> str:
        nonlocal decimals
        if not isinstance(other, Decimal):
            raise TypeError(f"{type(other).__name__} has no JSON form")
        decimals = True
        return f"\0{digits(other)}"

    text = json.dumps(
        value,
        ensure_ascii=False,
        allow_nan=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
        default=number,
    )
    if decimals:
        text = _NUMBER.sub(r"\1", text)
    return text.encode()


_NUMBER = re.compile(r'"\\u0000([-+.\dE]+)"')


def digits(value: Decimal) -> str:
    """A decimal with every digit it has (FHIR R4 2.24.0.1: precision is not to be changed)."""
    if not value.is_finite():
        raise ValueError("only finite numbers have a JSON form")
    _, _, exponent = value.as_tuple()
    plain = isinstance(exponent, int) and -40 < exponent <= 0
    return format(value, "f") if plain else str(value)


def _malformed(message: str) -> HttpError:
    return HttpError(400, "structure", message)
