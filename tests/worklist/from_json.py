"""Read models from JSON, by their type hints: the entries of the golden cases."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def build(kind: type[T], data: Mapping[str, Any], base: T) -> T:
    """``base`` with the values of ``data``; nested read models are changed field by field."""
    hints = get_type_hints(kind)
    unknown = set(data) - set(hints)
    assert not unknown, f"{kind.__name__} has no {', '.join(sorted(unknown))}"
    changes = {
        name: _value(hints[name], value, getattr(base, name)) for name, value in data.items()
    }
    return dataclasses.replace(base, **changes)  # type: ignore[type-var]


def _value(hint: Any, value: Any, base: Any) -> Any:
    if get_origin(hint) in {Union, types.UnionType}:
        if value is None:
            return None
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return tuple(_value(inner, one, None) for one in value)
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            if isinstance(value, str):  # a name or a date as its own type reads it
                return hint.parse(value)  # type: ignore[attr-defined]
            return build(hint, value, base) if base is not None else _new(hint, value)
        if issubclass(hint, Enum):
            return hint(value)
        if issubclass(hint, datetime):
            return datetime.fromisoformat(value)
    return value


def _new(kind: Any, data: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, None) for name, value in data.items()})
