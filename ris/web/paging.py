"""A page of a long list, without counting the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from ris.web.asking import asked

M = TypeVar("M", bound=Model)

SIZE = 50
LAST = 10_000  # beyond this an offset only costs


@dataclass(frozen=True, slots=True)
class Slice(Generic[M]):
    rows: Sequence[M]
    number: int
    has_next: bool
    size: int = SIZE

    @property
    def first(self) -> int:
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return (self.number - 1) * self.size + len(self.rows)

    @property
    def previous(self) -> int:
        return self.number - 1


def slice_of(
    rows: QuerySet[M, Any], request: HttpRequest, size: int = SIZE, name: str = "page"
) -> Slice[M]:
    """The page that ``?page=`` asks for; a number that is none is the first page.

    Of two lists on one page each is turned by a ``name`` of its own.
    """
    text = asked(request, name)
    number = min(max(int(text), 1), LAST) if text.isascii() and text.isdigit() else 1
    start = (number - 1) * size
    found = list(rows[start : start + size + 1])
    return Slice(found[:size], number, len(found) > size, size)
