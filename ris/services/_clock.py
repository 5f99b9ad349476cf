"""What time it is for the writers: the machine's clock, unless history is being told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_told: ContextVar[datetime | None] = ContextVar("ris_now", default=None)


def now() -> datetime:
    return _told.get() or timezone.now()


def is_told() -> bool:
    return _told.get() is not None


@contextmanager
def as_of(moment: datetime) -> Iterator[None]:
    """Let commands executed inside happen at ``moment``.

    For data that tells a past: the demo site, and orders taken over from another system. Nothing
    that serves people or peers uses it.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a zone")
    token = _told.set(moment)
    try:
        yield
    finally:
        _told.reset(token)
