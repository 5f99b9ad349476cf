"""Plays stories against the clock: what should have happened by now has happened, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import count

from ris.services import as_of

# A story yields the moment of its next act; what follows the ``yield`` is done at that moment.
# A story whose next moment has not come is left where it is: that is the state people find.
Story = Iterator[datetime]

OPENS, CLOSES = time(7), time(19)
GRID = timedelta(minutes=5)


@dataclass(slots=True)
class Player:
    """Many stories at once, act by act, none later than ``now``."""

    now: datetime
    after_act: Callable[[datetime], None] = lambda moment: None
    _waiting: list[tuple[datetime, int, Story]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def add(self, story: Story) -> None:
        moment = next(story, None)
        if moment is not None:
            heapq.heappush(self._waiting, (moment, next(self._numbers), story))

    def play(self) -> int:
        """Play every act that is due; returns how many there were."""
        acts = 0
        while self._waiting and self._waiting[0][0] <= self.now:
            moment, number, story = heapq.heappop(self._waiting)
            with as_of(moment):
                following = next(story, None)
                self.after_act(moment)
            acts += 1
            if following is not None:
                heapq.heappush(self._waiting, (max(following, moment), number, story))
        return acts


class Diary:
    """Which times are given away, so that nothing is booked twice by accident."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._taken: dict[str, list[tuple[datetime, datetime]]] = {}

    def opening(self, day: date) -> datetime:
        return datetime.combine(day, OPENS, self.zone)

    def take(self, device: str, earliest: datetime, minutes: int) -> datetime:
        """The first free time of the device from ``earliest`` on, without regard to hours."""
        at = up_to_grid(earliest)
        length = timedelta(minutes=minutes)
        taken = self._taken.setdefault(device, [])
        while clash := next(
            (end for start, end in taken if start < at + length and at < end), None
        ):
            at = up_to_grid(clash)
        taken.append((at, at + length))
        return at

    def take_in_hours(self, device: str, earliest: datetime, minutes: int) -> datetime:
        """The same within opening hours, on a later day if that one is full."""
        at = earliest
        while True:
            local = at.astimezone(self.zone)
            if local.time() < OPENS:
                at = datetime.combine(local.date(), OPENS, self.zone)
            start = self.take(device, at, minutes)
            end = (start + timedelta(minutes=minutes)).astimezone(self.zone)
            if end.date() == local.date() and end.time() <= CLOSES:
                return start
            self._taken[device].pop()
            at = self.opening(local.date() + timedelta(days=1))


def up_to_grid(at: datetime) -> datetime:
    """The same or the next moment at which appointments begin."""
    start = at.replace(minute=0, second=0, microsecond=0)
    return start + -(-(at - start) // GRID) * GRID


def down_to_grid(at: datetime) -> datetime:
    start = at.replace(minute=0, second=0, microsecond=0)
    return start + (at - start) // GRID * GRID
