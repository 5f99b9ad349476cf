"""Days and times as people type them, also on the days when the clock is changed."""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo

from django.utils import timezone
from django.utils.translation import gettext as _

from ris.domain.errors import InvalidValueError
from ris.domain.local_time import comes_twice, instant, is_skipped


def moment(day: date, clock: time, zone: tzinfo | None = None, *, last: bool = False) -> datetime:
    """What is meant by a time on the wall; of one that comes twice the first, or the ``last``.

    Raises InvalidValueError for a time that the clock jumps over: nobody is told to come at another
    than was said.
    """
    zone = zone or timezone.get_default_timezone()
    if is_skipped(day, clock, zone):
        words = _("the clock is put forward that night: it is never %(time)s")
        raise InvalidValueError(words % {"time": f"{clock:%H:%M}"}, path="at")
    return instant(day, clock, zone, last=last).astimezone(zone)


def twice(at: datetime, zone: tzinfo | None = None) -> str:
    """Which one is meant, in words, of a time that comes twice; nothing for any other."""
    zone = zone or timezone.get_default_timezone()
    if not comes_twice(at, zone):
        return ""
    wall = at.astimezone(zone)
    words = (
        _("It is %(time)s twice that night; this is the second.")
        if wall.fold
        else _("It is %(time)s twice that night; this is the first.")
    )
    return words % {"time": f"{wall:%H:%M}"}
