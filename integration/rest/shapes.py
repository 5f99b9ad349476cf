"""Read models → serializers, so that what is answered and what is documented are one thing.

A frozen view of ``ris.selectors`` has typed fields; the serializer of a view is made from them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from ris.domain.values import Code, Identifier, PartialDate, PersonName


class NameField(serializers.Field):  # type: ignore[type-arg]  # DRF's generics say nothing here
    """A person's name in DICOM form (PS3.5 6.2.1.1), every writing of it."""

    def to_representation(self, value: PersonName) -> str:
        return str(value)


class DateField(serializers.Field):  # type: ignore[type-arg]
    """A date to the precision that is known: 1970, 1970-05, 1970-05-03."""

    def to_representation(self, value: PartialDate) -> str:
        return value.text


class WordField(serializers.Field):  # type: ignore[type-arg]
    """A state or another word of a closed list."""

    def to_representation(self, value: Enum) -> str:
        return str(value.value)


class AnyField(serializers.Field):  # type: ignore[type-arg]
    """Details whose form depends on what they are of."""

    def to_representation(self, value: Any) -> Any:
        return value


class _Number(serializers.Serializer[Identifier]):
    value = serializers.CharField()
    issuer = serializers.CharField()


class _Code(serializers.Serializer[Code]):
    value = serializers.CharField()
    scheme = serializers.CharField()
    version = serializers.CharField()
    meaning = serializers.CharField()


_PLAIN: Mapping[Any, type[serializers.Field[Any, Any, Any, Any]]] = {
    bool: serializers.BooleanField,
    int: serializers.IntegerField,
    float: serializers.FloatField,
    str: serializers.CharField,
    datetime: serializers.DateTimeField,
    date: serializers.DateField,
    PersonName: extend_schema_field(str)(NameField),
    PartialDate: extend_schema_field(str)(DateField),
}
_WHOLE: Mapping[Any, tuple[str, type[serializers.Serializer[Any]]]] = {
    Identifier: ("Identifier", _Number),
    Code: ("Code", _Code),
}


@cache
def shape(view: type) -> type[Any]:
    """The serializer class of a view. What the tables call a row is nobody's business outside.

    Times are sent with their offset, so the zone of pages is not.
    """
    hints = typing.get_type_hints(view)
    made = {
        each.name: _field(hints[each.name])
        for each in fields(view)
        if each.name not in {"pk", "zone"}
    }
    return type(inline_serializer(view.__name__.removesuffix("View"), made))


def shown(view: type, value: Any) -> Any:
    """``value`` as plain JSON values, by the serializer of ``view``."""
    return shape(view)(value).data


def _field(hint: Any, *, optional: bool = False) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = [each for each in arguments if each is not type(None)]
        return _field(inner, optional=True)
    settings: dict[str, Any] = {"read_only": True}
    if optional:
        settings["allow_null"] = True
    if origin in {tuple, list, Sequence}:
        inner = arguments[0]
        whole = _WHOLE.get(inner)
        if whole is not None:
            return whole[1](many=True, **settings)
        if is_dataclass(inner) and inner not in _PLAIN:
            return shape(typing.cast(type, inner))(many=True, **settings)
        return serializers.ListField(child=_field(inner), **settings)
    if origin in {dict, Mapping}:
        return extend_schema_field(dict[str, Any])(AnyField)(**settings)
    if hint in _WHOLE:
        return _WHOLE[hint][1](**settings)
    if hint in _PLAIN:
        return _PLAIN[hint](**settings)
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = [str(each.value) for each in hint]
        return extend_schema_field({"type": "string", "enum": words})(_word())(**settings)
    return shape(hint)(**settings)


def _word() -> type[WordField]:
    # A class for each list of words: the description is kept on the class.
    return type("WordField", (WordField,), {})
