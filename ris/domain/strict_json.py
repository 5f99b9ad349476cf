"""Strict reading of JSON from outside (RFC 8259): what is doubtful is refused.

The standard library takes the last of duplicate keys, ``NaN``, lone surrogates and any depth its
stack bears; a database or a second reader then sees something else than was checked.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from ris.domain.errors import InvalidValueError

MAX_DEPTH = 64
MAX_NODES = 10_000

# No characters below U+0020 but tab, line feed and carriage return, and no halves of pairs.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


def read(raw: bytes, *, depth: int = MAX_DEPTH, nodes: int = MAX_NODES) -> Any:
    """The value in ``raw``; decimals keep their digits. Raises InvalidValueError."""
    text = decode(raw)
    try:
        value = json.loads(
            text,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise InvalidValueError(f"nested more than {depth} levels deep") from None
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"not JSON: {error}") from None
    except ValueError:
        raise InvalidValueError("a number has thousands of digits") from None
    check(value, depth, nodes)
    return value


def decode(raw: bytes) -> str:
    """The text of a body: UTF-8, a byte order mark tolerated."""
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"not UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise InvalidValueError("the body is empty")
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidValueError(f"the key {key[:64]!r} stands twice in one object")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidValueError(f"{name} is not JSON")


def check(root: Any, most_depth: int, most_nodes: int) -> None:
    """Depth, number of nodes and characters, without recursion. Raises InvalidValueError."""
    waiting: list[tuple[Any, int]] = [(root, 1)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > most_nodes:
            raise InvalidValueError(f"more than {most_nodes} values")
        if isinstance(value, str):
            if _FORBIDDEN.search(value):
                raise InvalidValueError("a text holds a control character or half a surrogate pair")
            continue
        if not isinstance(value, dict | list):
            continue
        if depth > most_depth:
            raise InvalidValueError(f"nested more than {most_depth} levels deep")
        if isinstance(value, dict):
            waiting.extend((key, depth) for key in value)
            waiting.extend((item, depth + 1) for item in value.values())
        else:
            waiting.extend((item, depth + 1) for item in value)
