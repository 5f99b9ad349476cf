"""What an address asks and what a form says, as clean text."""

from __future__ import annotations

from django.http import HttpRequest, QueryDict


def _clean(values: QueryDict, name: str, limit: int) -> str:
    # PostgreSQL knows no NUL in text; nobody means one.
    return values.get(name, "").replace("\0", "").strip()[:limit]


def asked(request: HttpRequest, name: str, limit: int = 100) -> str:
    """A value of the address (``?q=…``); empty if it is not there."""
    return _clean(request.GET, name, limit)


def said(request: HttpRequest, name: str, limit: int = 200) -> str:
    """A value of the form that was sent; empty if it is not there."""
    return _clean(request.POST, name, limit)


def number(request: HttpRequest, name: str) -> int | None:
    """A whole number of the form; None for anything else."""
    text = said(request, name, 18)
    return int(text) if text.isascii() and text.isdigit() else None
