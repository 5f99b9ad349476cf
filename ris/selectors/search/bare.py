"""Orders with their procedures and steps and nothing else, by statements that are kept.

Django works out a queryset with what is prefetched anew for each request, which takes several times
as long as the database takes to answer. Lists of keys have a few lengths only, so that there are
few statements; the last key fills a list up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BigIntegerField, Field, Model, Q, QuerySet, UUIDField

from ris.models import (
    Order,
    PatientIdentifier,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.selectors import orders
from ris.selectors.views import OrderView

M = TypeVar("M", bound=Model)

_LENGTHS = (1, 4, 20, 100, 500)


def given(count: int, field: type[Field[Any, Any]]) -> list[Any]:
    """A list of so many values in a queryset."""
    return [Given(f"key{index}", field()) for index in range(count)]


def lists(values: Sequence[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The values in lists of the lengths that have a statement: (length, what to give it)."""
    for start in range(0, len(values), _LENGTHS[-1]):
        some = values[start : start + _LENGTHS[-1]]
        length = next(each for each in _LENGTHS if each >= len(some))
        filled = [*some, *[some[-1]] * (length - len(some))]
        yield length, {f"key{index}": value for index, value in enumerate(filled)}


def _rows() -> QuerySet[Order]:
    return Order.objects.select_related("patient__merged_into", "visit", "source").order_by("id")


@cache
def _by_key(length: int) -> Select[Order]:
    keys = given(length, UUIDField)
    return Select(
        lambda: _rows().filter(
            Q(public_id__in=keys)
            | Q(pk__in=RequestedProcedure.objects.filter(public_id__in=keys).values("order_id"))
        )
    )


@cache
def _by_number(length: int) -> Select[Order]:
    return Select(lambda: _rows().filter(pk__in=given(length, BigIntegerField)))


@cache
def _procedures(length: int) -> Select[RequestedProcedure]:
    return Select(
        lambda: (
            RequestedProcedure.objects.select_related("definition")
            .filter(order__pk__in=given(length, BigIntegerField))
            .order_by("id")
        )
    )


@cache
def _steps(length: int) -> Select[ScheduledProcedureStep]:
    return Select(
        lambda: (
            ScheduledProcedureStep.objects.select_related("appointment__device__room")
            .filter(procedure__order__pk__in=given(length, BigIntegerField))
            .order_by("id")
        )
    )


def of_keys(public_ids: Sequence[UUID]) -> list[OrderView]:
    """The orders with these public ids, and those of procedures with them."""
    found = {row.pk: row for n, keys in lists(public_ids) for row in _by_key(n).all(**keys)}
    return _views([found[key] for key in sorted(found)])


def of_numbers(primary_keys: Sequence[int]) -> list[OrderView]:
    """The orders with these primary keys."""
    return _views([row for n, keys in lists(primary_keys) for row in _by_number(n).all(**keys)])


def _views(rows: Sequence[Order]) -> list[OrderView]:
    numbers = [row.pk for row in rows]
    steps: dict[int, list[ScheduledProcedureStep]] = defaultdict(list)
    procedures: dict[int, list[RequestedProcedure]] = defaultdict(list)
    for length, keys in lists(numbers):
        for step in _steps(length).all(**keys):
            steps[step.procedure_id].append(step)
        for procedure in _procedures(length).all(**keys):
            procedures[procedure.order_id].append(procedure)
    views = []
    for row in rows:
        nothing: list[PatientIdentifier] = []
        row.patient._prefetched_objects_cache = {"identifiers": nothing}  # type: ignore[attr-defined]
        shown = tuple(
            orders.procedure_view(procedure, steps[procedure.pk])
            for procedure in procedures[row.pk]
        )
        views.append(orders.to_view(row, institution="", procedures=shown))
    return views
