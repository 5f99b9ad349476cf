"""What every command and every event has in common.

A command asks for one change of the core; ``ris.services.execute`` is the only way to have it
carried out. An event says, in the past tense, that a change was made; it is written in the same
transaction and is what the outside is told from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

R = TypeVar("R", covariant=True)


class Command(Generic[R]):
    """A request for one change; ``R`` is what its handler returns.

    Every subclass is a frozen keyword-only dataclass without behavior.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change that was made. The class name is the event's name; the fields are its payload."""

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def version(self) -> int:
        """Raised when the meaning of a field changes, so that stored payloads stay readable."""
        return 1

    def payload(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: to_json(getattr(self, name)) for name in _names(self)}


def _names(instance: Any) -> tuple[str, ...]:
    kind = type(instance)
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(instance))
    return names


_NAMES: dict[type[Any], tuple[str, ...]] = {}


def to_json(value: Any) -> Any:
    """``value`` as plain JSON: enums by value, times and dates in ISO form, tuples as lists."""
    if type(value) is str:
        return value
    if is_dataclass(value):
        return {name: to_json(getattr(value, name)) for name in _names(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return value
