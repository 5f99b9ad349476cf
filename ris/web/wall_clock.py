"""Days and times as people type them, also on the days when the clock is changed.

Times of an exam are those of the clock at its site: a page about one exam is shown by that clock
(``timezone.override``), a line of a list names its own (``|when:line.zone``), and a form reads them
by the device that is chosen. Where no zone is named, that of the page is meant.

In the night when it is put forward an hour never is: nobody is told to come at another time than
was said, so it is refused. In the night when it is put back an hour comes twice: whoever types a
time of it is asked which of the two is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from datetime import timezone as fixed
from enum import StrEnum

from django.utils import timezone
from django.utils.translation import gettext as _

from ris.domain.errors import InvalidValueError
from ris.domain.local_time import comes_twice, hour_of, instant, is_skipped, offset_of


class Turn(StrEnum):
    """Which one of a time that comes twice."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Offered:
    """One of the two, to be chosen."""

    turn: Turn
    at: datetime
    words: str


class ComesTwiceError(InvalidValueError):
    """It was not said which one is meant of a time that comes twice."""

    def __init__(self, offered: Sequence[Offered]) -> None:
        words = _("it is %(time)s twice that night: say which is meant")
        super().__init__(words % {"time": f"{offered[0].at:%H:%M}"}, path="at")
        self.offered = tuple(offered)


def turn_of(clock: time) -> Turn:
    """Which one a time is that was read from an instant (PEP 495)."""
    return Turn.SECOND if clock.fold else Turn.FIRST


def turns(day: date, clock: time, zone: tzinfo | None = None) -> tuple[Offered, ...]:
    """The two to choose from; nothing for a time that is once, or never."""
    zone = zone or timezone.get_current_timezone()
    ats = [_shown(instant(day, clock, zone, last=last), zone) for last in (False, True)]
    if ats[0] == ats[1]:
        return ()
    first, second = ({"time": f"{clock:%H:%M}", "offset": offset_of(at, zone)} for at in ats)
    return (
        Offered(Turn.FIRST, ats[0], _("%(time)s, the first (%(offset)s)") % first),
        Offered(Turn.SECOND, ats[1], _("%(time)s, the second (%(offset)s)") % second),
    )


def _shown(at: datetime, zone: tzinfo) -> datetime:
    """What the wall shows then, with the offset of then: it can be compared and added to."""
    return at.astimezone(fixed(at.astimezone(zone).utcoffset() or timedelta()))


def moment(day: date, clock: time, zone: tzinfo | None = None, *, turn: str = "") -> datetime:
    """What is meant by a time on the wall; ``turn`` says which one of a time that comes twice.

    Raises InvalidValueError for a time that the clock jumps over, and ComesTwiceError for one that
    comes twice where nobody said which.
    """
    zone = zone or timezone.get_current_timezone()
    if is_skipped(day, clock, zone):
        words = _("the clock is put forward that night: it is never %(time)s")
        raise InvalidValueError(words % {"time": f"{clock:%H:%M}"}, path="at")
    offered = turns(day, clock, zone)
    if not offered:
        return _shown(instant(day, clock, zone), zone)
    meant = next((each.at for each in offered if each.turn == turn), None)
    if meant is None:
        raise ComesTwiceError(offered)
    return meant


def hour(at: datetime, zone: tzinfo | None = None) -> str:
    """What the wall shows, told apart where it comes twice: ``14:30``, ``02:30 UTC+2``."""
    return hour_of(at, zone or timezone.get_current_timezone())


def twice(at: datetime, zone: tzinfo | None = None) -> str:
    """Which one is meant, in words, of a time that comes twice; nothing for any other."""
    zone = zone or timezone.get_current_timezone()
    if not comes_twice(at, zone):
        return ""
    wall = at.astimezone(zone)
    words = (
        _("It is %(time)s twice that night; this is the second.")
        if wall.fold
        else _("It is %(time)s twice that night; this is the first.")
    )
    return words % {"time": f"{wall:%H:%M}"}
