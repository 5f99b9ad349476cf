"""What becomes of a field's value on its way into a column, without asking the field each time.

Most values need nothing done: a text is a text to every driver. Only what is exactly of the type
that a field holds takes the short way; anything else, and any field not named here, is Django's
matter.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from django.utils import timezone

# A row has the same time in several columns, and so have the rows of a command.
_last_time: tuple[Any, str] = (None, "")

Prepare = Callable[[Any, BaseDatabaseWrapper], Any]

_NONE = type(None)
_AS_THEY_ARE: dict[type[Field[Any, Any]], tuple[type, ...]] = {
    CharField: (str,),
    TextField: (str,),
    BooleanField: (bool, _NONE),
    FloatField: (float, _NONE),
    IntegerField: (int, _NONE),
    BigIntegerField: (int, _NONE),
    SmallIntegerField: (int, _NONE),
    PositiveIntegerField: (int, _NONE),
    PositiveSmallIntegerField: (int, _NONE),
    ForeignKey: (int, _NONE),  # our keys are all numbers
}


class ExpressedError(Exception):
    """A value is an expression, which is part of the statement's text."""


class Column(NamedTuple):
    """A column of a new row: what it is called, what it holds, how it is stored."""

    name: str  # of the attribute
    field: Field[Any, Any]
    prepare: Prepare
    types: frozenset[type]  # what is stored as it is
    now: bool  # the time of its insertion
    read: bool  # what the instance holds is what is stored; otherwise the field is asked


def _slow(field: Field[Any, Any]) -> Prepare:
    def prepare(value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "resolve_expression"):
            raise ExpressedError
        return field.get_db_prep_save(value, connection=connection)

    return prepare


@cache
def preparing(field: Field[Any, Any], vendor: str) -> Prepare:
    """How a value of the field is given to the driver of that database."""
    slow = _slow(field)
    kind = type(field)
    types = _plain_types(field, vendor)
    if types:
        return _as_it_is(types, slow)
    if vendor != "sqlite" and int in _AS_THEY_ARE.get(kind, ()) and _is_numbered(field):
        return _typed(field, slow)
    if vendor == "sqlite" and kind is DateTimeField:
        return _sqlite_time(slow)
    if vendor == "sqlite" and kind is UUIDField:
        return lambda value, connection: (
            value.hex if type(value) is uuid.UUID else slow(value, connection)
        )
    if vendor == "sqlite" and kind is JSONField and getattr(field, "encoder", None) is None:
        return lambda value, connection: (
            json.dumps(value) if type(value) in {dict, list} else slow(value, connection)
        )
    return slow


@cache
def _plain_types(field: Field[Any, Any], vendor: str) -> frozenset[type]:
    """The types of what the driver takes as it is; none where something has to be done."""
    kind = type(field)
    types = _AS_THEY_ARE.get(kind, ())
    if kind is BinaryField and vendor in {"sqlite", "postgresql"}:
        types = (bytes, _NONE)
    elif vendor == "postgresql" and kind in {DateTimeField, UUIDField}:
        types = (datetime, uuid.UUID, _NONE)
    elif int in types and (vendor != "sqlite" or not _is_numbered(field)):
        types = ()
    return frozenset(types)


def _is_numbered(field: Field[Any, Any]) -> bool:
    return isinstance(getattr(field, "target_field", field), IntegerField)


def _as_it_is(types: frozenset[type], slow: Prepare) -> Prepare:
    def prepare(value: Any, connection: BaseDatabaseWrapper) -> Any:
        return value if type(value) in types else slow(value, connection)

    return prepare


def _typed(field: Field[Any, Any], slow: Prepare) -> Prepare:
    """With the column's own type: a number alone is sent as the smallest type that holds it."""
    internal = getattr(field, "target_field", field).get_internal_type()
    internal = {"BigAutoField": "BigIntegerField"}.get(internal, internal)

    def prepare(value: Any, connection: BaseDatabaseWrapper) -> Any:
        if type(value) is int:
            return connection.ops.adapt_integerfield_value(value, internal)
        return None if value is None else slow(value, connection)

    return prepare


def _sqlite_time(slow: Prepare) -> Prepare:
    """SQLite keeps times as text, in the zone of the connection: UTC unless it was configured."""

    def prepare(value: Any, connection: BaseDatabaseWrapper) -> Any:
        global _last_time
        if type(value) is datetime and value.tzinfo is UTC and connection.timezone is UTC:
            last = _last_time
            if last[0] is value:
                return last[1]
            text = value.replace(tzinfo=None).isoformat(" ")
            _last_time = value, text
            return text
        return slow(value, connection)

    return prepare


# What is stored and is not NULL → the field's value.
Read = Callable[[Any, BaseDatabaseWrapper], Any]


def reading(field: Field[Any, Any], vendor: str) -> Read | None:
    """How a stored value becomes the field's, where that takes less than asking Django."""
    kind = type(field)
    if kind is JSONField and getattr(field, "decoder", None) is None:
        return _json
    if vendor == "sqlite" and kind is DateTimeField:
        return _sqlite_moment
    if vendor == "sqlite" and kind is UUIDField:
        return lambda value, connection: uuid.UUID(int=int(value, 16))
    return None


def readers(found: Sequence[Any], column: Any, vendor: str) -> list[Read]:
    """The ways from a stored value to that of a column: a quick one, or ``found``, Django's own."""
    target = getattr(column, "target", None)
    quick = reading(target, vendor) if target is not None else None
    return [quick] if quick else [_bound(convert, column) for convert in found]


def _bound(convert: Any, column: Any) -> Read:
    return lambda value, connection: convert(value, column, connection)


def _json(value: Any, connection: BaseDatabaseWrapper) -> Any:
    if value == "{}":
        return {}
    return [] if value == "[]" else json.loads(value)


def _sqlite_moment(value: Any, connection: BaseDatabaseWrapper) -> Any:
    # Python's module has made a time of the text.
    return value if value.tzinfo is not None else value.replace(tzinfo=connection.timezone)


@cache
def columns(model: type[Model], vendor: str) -> tuple[Column, ...]:
    """All columns of a new row but the key that the database gives."""
    meta = model._meta
    return tuple(
        Column(
            field.attname,
            field,
            preparing(field, vendor),
            _plain_types(field, vendor),
            _is_now(field),
            type(field).pre_save is Field.pre_save or type(field) is DateTimeField,
        )
        for field in meta.local_concrete_fields
        if field is not meta.auto_field
    )


def _is_now(field: Field[Any, Any]) -> bool:
    return type(field) is DateTimeField and (field.auto_now or field.auto_now_add)


def stored(
    instance: Model, connection: BaseDatabaseWrapper, wanted: tuple[Column, ...]
) -> list[Any]:
    """The values of a new row. Raises ExpressedError if one is an expression."""
    held = instance.__dict__
    params = []
    now: Any = None
    for name, field, prepare, types, is_now, is_read in wanted:
        if is_now:
            if now is None:
                now = timezone.now()
            value = held[name] = now
        elif is_read and name in held:
            value = held[name]
        else:
            value = field.pre_save(instance, True)
        params.append(value if type(value) in types else prepare(value, connection))
    return params
