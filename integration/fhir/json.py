"""JSON bodies (FHIR R4 2.6.2): read strictly, written compactly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from integration.fhir.outcome import HttpError
from ris.domain import strict_json
from ris.domain.errors import InvalidValueError

MAX_DEPTH = strict_json.MAX_DEPTH
MAX_NODES = strict_json.MAX_NODES


def read(raw: bytes) -> Any:
    """The value in ``raw``; decimals keep their digits. Raises HttpError (400)."""
    try:
        return strict_json.read(raw, depth=MAX_DEPTH, nodes=MAX_NODES)
    except InvalidValueError as error:
        raise _malformed(error.message) from None


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
        return strict_json.decode(raw)
    except InvalidValueError as error:
        raise _malformed(error.message) from None


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


def _malformed(message: str) -> HttpError:
    return HttpError(400, "structure", message)
