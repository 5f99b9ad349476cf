"""Answers as the documentation knows them: one object, or a page of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request

from integration.rest.base import PROBLEM, Problem
from integration.rest.shapes import shape

F = TypeVar("F", bound=Callable[..., Any])

REFUSALS = {(status, PROBLEM): Problem for status in (400, 401, 403, 404, 406, 503)}
CONFLICTS = {**REFUSALS, **{(status, PROBLEM): Problem for status in (409, 415)}}


class Reason(serializers.Serializer[Any]):
    """Why somebody did something, for the audit and for whoever is told."""

    reason = serializers.CharField(max_length=200)


def reason_in(request: Request) -> str:
    """The reason that the body gives; raises ValidationError."""
    said = Reason(data=request.data)
    said.is_valid(raise_exception=True)
    return str(said.validated_data["reason"])


class Done(serializers.Serializer[Any]):
    """What was made or changed, by its id."""

    id = serializers.CharField()


def parameter(name: str, words: str, *, words_of: Sequence[str] = ()) -> OpenApiParameter:
    return OpenApiParameter(name, str, description=words, enum=list(words_of) or None)


PAGING = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of a page before."),
    OpenApiParameter("limit", int, description="How many in a page, up to 200."),
]


def page_of(item: type[Any]) -> type[Any]:
    """The serializer of a page of ``item``."""
    name = item.__name__.removesuffix("Serializer")
    fields = {
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": item(many=True),
    }
    return type(inline_serializer(f"{name}Page", fields))


def lists(
    name: str,
    view: type,
    words: str,
    *asked: OpenApiParameter,
    paged: bool = True,
) -> Callable[[F], F]:
    """Documents a GET that answers a list of ``view``."""
    item = shape(view)
    return extend_schema(
        operation_id=name,
        summary=words,
        parameters=[*asked, *(PAGING if paged else [])],
        responses={200: page_of(item) if paged else item(many=True), **REFUSALS},
    )


def gives(name: str, view: type, words: str) -> Callable[[F], F]:
    """Documents a GET that answers one ``view``."""
    return extend_schema(
        operation_id=name,
        summary=words,
        responses={200: shape(view), **REFUSALS},
    )


def does(name: str, words: str, body: Any = None, *, status: int = 200) -> Callable[[F], F]:
    """Documents a POST that gives a command."""
    return extend_schema(
        operation_id=name,
        summary=words,
        request=body,
        responses={status: Done, **CONFLICTS},
    )
