"""Orders with their procedures and steps and nothing else, by statements that are kept.

Django works out a queryset with what is prefetched anew for each request, which takes several times
as long as the database takes to answer. Lists of keys have a few lengths only, so that there are
few statements; the last key fills a list up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from ris.models.prepared import Given, LazyRow, Select
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
    found = {
        row.number("id"): row for n, keys in lists(public_ids) for row in _by_key(n).lazily(**keys)
    }
    return _views(dict(sorted(found.items())))


def of_numbers(primary_keys: Sequence[int]) -> list[OrderView]:
    """The orders with these primary keys."""
    rows = (row for n, keys in lists(primary_keys) for row in _by_number(n).lazily(**keys))
    return _views({row.number("id"): row for row in rows})


def _views(rows: Mapping[int, LazyRow[Order]]) -> list[OrderView]:
    steps: dict[int, list[LazyRow[ScheduledProcedureStep]]] = defaultdict(list)
    procedures: dict[int, list[LazyRow[RequestedProcedure]]] = defaultdict(list)
    for length, keys in lists(list(rows)):
        for step in _steps(length).lazily(**keys):
            steps[step.number("procedure_id")].append(step)
        for procedure in _procedures(length).lazily(**keys):
            procedures[procedure.number("order_id")].append(procedure)
    return [
        known.view(number, _Parts(row, [(each, steps[each.number("id")]) for each in own]))
        for number, row in rows.items()
        for own in (procedures[number],)
    ]


# --- the same rows give the same view


@dataclass(frozen=True, slots=True)
class _Parts:
    """The rows an order is made of: its own, and those of its procedures with their steps."""

    order: LazyRow[Order]
    procedures: Sequence[tuple[LazyRow[RequestedProcedure], list[LazyRow[ScheduledProcedureStep]]]]

    @property
    def rows(self) -> list[Any]:
        found: list[Any] = [self.order.row]
        for procedure, steps in self.procedures:
            found.append(procedure.row)
            found += [step.row for step in steps]
        return found

    def view(self) -> OrderView:
        order = self.order.instance()
        nothing: list[PatientIdentifier] = []
        order.patient._prefetched_objects_cache = {"identifiers": nothing}  # type: ignore[attr-defined]
        shown = tuple(
            orders.procedure_view(procedure.instance(), [step.instance() for step in steps])
            for procedure, steps in self.procedures
        )
        return orders.to_view(order, institution="", procedures=shown)


@dataclass(slots=True)
class KnownOrders:
    """Views made before, with the rows they were made of.

    The same object is given for the same rows, so that what is made of it can be kept by its
    identity. Nothing has to be invalidated: rows are read each time, and a row that differs makes
    another view.
    """

    capacity: int = 1_000
    views: OrderedDict[int, tuple[list[Any], OrderView]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def view(self, number: int, parts: _Parts) -> OrderView:
        rows = parts.rows
        with self.lock:
            found = self.views.get(number)
            if found is not None and found[0] == rows:
                self.views.move_to_end(number)
                return found[1]
        made = parts.view()
        with self.lock:
            self.views[number] = rows, made
            while len(self.views) > self.capacity:
                self.views.popitem(last=False)
        return made


known = KnownOrders()
