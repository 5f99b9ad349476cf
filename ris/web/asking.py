"""What an address asks and what a form says, as clean text."""

from __future__ import annotations

import sys
from datetime import date, datetime
from typing import TypeVar

from django.http import HttpRequest, QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from ris.domain.errors import InvalidValueError

D = TypeVar("D", bound=date)


def _clean(values: QueryDict, name: str, limit: int) -> str:
    # PostgreSQL knows no NUL in text; nobody means one.
    return values.get(name, "").replace("\0", "").strip()[:limit]


def asked(request: HttpRequest, name: str, limit: int = 100) -> str:
    """A value of the address (``?q=…``); empty if it is not there."""
    return _clean(request.GET, name, limit)


def said(request: HttpRequest, name: str, limit: int = 200) -> str:
    """A value of the form that was sent; empty if it is not there."""
    return _clean(request.POST, name, limit)


def whole(request: HttpRequest, name: str) -> str:
    """A text of the form however long it is: whoever takes it refuses what is too long."""
    return said(request, name, sys.maxsize)


def carried(request: HttpRequest, name: str) -> int:
    """The number of the state a form was made from; -1, which no state has, if it carries none."""
    found = number(request, name)
    return -1 if found is None else found


def number(request: HttpRequest, name: str) -> int | None:
    """A whole number of the form; None for anything else."""
    text = said(request, name, 18)
    return int(text) if text.isascii() and text.isdigit() else None


def day(request: HttpRequest, name: str) -> date | None:
    """A day of the form; None if there is none, InvalidValueError for anything else."""
    text = said(request, name, 10)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValueError("a day is written as 2026-03-02", path=name) from None


def as_day(text: str) -> date | None:
    """The day of ``2026-03-02``; None for anything else."""
    try:
        return _within_reach(parse_date(text))
    except ValueError:
        return None


def as_moment(text: str) -> datetime | None:
    """The time of ``2026-03-02T10:30``, with a zone or without; None for anything else."""
    try:
        return _within_reach(parse_datetime(text))
    except ValueError:
        return None


def _within_reach(found: D | None) -> D | None:
    """The ends of the calendar have no day beside them to count to."""
    return found if found is not None and 1900 <= found.year <= 2200 else None
