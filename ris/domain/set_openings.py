"""Whole sets of exams: the soonest times at which one patient can have them all on one day.

Exams whose order the catalog does not say are tried in every order; there are few exams in a set.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from ris.domain.exam_sets import Apart
from ris.domain.openings import GRID_MINUTES, Need, Opening, Person, Place, allowed
from ris.domain.ranges import Range

MOST_EXAMS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOpening:
    """Times for all exams of a set, in the order of the set (not of the day)."""

    openings: tuple[Opening, ...]

    @property
    def start(self) -> int:
        return min(each.start for each in self.openings)

    @property
    def end(self) -> int:
        return max(each.end for each in self.openings)


class Choice:
    """Where and when one exam of the set could be."""

    def __init__(self, places: Sequence[Place], need: Need, people: Sequence[Person]) -> None:
        self._of: list[tuple[Place, list[Range], list[int]]] = []
        for place in places:
            ranges = allowed(place, need, people)
            self._of.append((place, ranges, [high for _, high in ranges]))

    def soonest(
        self, at_least: int, before: Opening | None, places: dict[int, Place]
    ) -> Opening | None:
        """The earliest opening from a minute on; a device that was just used is cleaned first."""
        best: Opening | None = None
        for place, ranges, highs in self._of:
            low = at_least
            if before is not None and before.place == place.key:
                low = max(low, before.end + places[place.key].after + place.before)
            start = _next(ranges, highs, low)
            if start is not None and (best is None or start < best.start):
                best = Opening(start, place.key, place.minutes)
        return best


def _next(ranges: Sequence[Range], highs: Sequence[int], low: int) -> int | None:
    """The first start on the grid in the ranges that is not before ``low``."""
    index = bisect_left(highs, low)
    while index < len(ranges):
        start = -(-max(ranges[index][0], low) // GRID_MINUTES) * GRID_MINUTES
        if start <= ranges[index][1]:
            return start
        index += 1
    return None


def first_sets(
    exams: Sequence[tuple[Sequence[Place], Need]],
    apart: Sequence[Apart],
    days: Sequence[tuple[int, int]],
    people: Sequence[Person] = (),
    *,
    count: int,
) -> list[SetOpening]:
    """The first times for the whole set: on each day the one that is over soonest."""
    if not 1 <= len(exams) <= MOST_EXAMS:
        return []
    choices = [Choice(places, need, people) for places, need in exams]
    known = [{place.key: place for place in places} for places, _ in exams]
    orders = [each for each in permutations(range(len(exams))) if _keeps(each, apart)]
    found: list[SetOpening] = []
    for low, high in days:
        best: SetOpening | None = None
        for order in orders:
            for candidate in _of_day(order, choices, known, apart, low, high):
                if best is None or (candidate.end, candidate.start) < (best.end, best.start):
                    best = candidate
        if best is not None:
            found.append(best)
            if len(found) == count:
                break
    return found


def _keeps(order: Sequence[int], apart: Sequence[Apart]) -> bool:
    at = {exam: position for position, exam in enumerate(order)}
    return all(at[each.first] < at[each.then] for each in apart)


def _of_day(
    order: Sequence[int],
    choices: Sequence[Choice],
    known: Sequence[dict[int, Place]],
    apart: Sequence[Apart],
    low: int,
    high: int,
) -> Iterator[SetOpening]:
    """The soonest end of the set in this order on this day, if there is one.

    Each exam is as early as the ones before it allow. Where one then comes too late after another,
    that other is moved as much later and all is tried again; so nothing is missed and it ends.
    """
    not_before = dict.fromkeys(order, low)
    while True:
        placed: dict[int, Opening] = {}
        before: Opening | None = None
        for exam in order:
            at_least = max(not_before[exam], before.end if before else low)
            for each in apart:
                if each.then == exam and each.first in placed:
                    at_least = max(at_least, placed[each.first].end + each.least)
            opening = choices[exam].soonest(at_least, before, known[exam])
            if opening is None or opening.end > high:
                return
            placed[exam] = before = opening
        late = next(
            (
                each
                for each in apart
                if each.most is not None
                and placed[each.then].start - placed[each.first].end > each.most
            ),
            None,
        )
        if late is None or late.most is None:
            yield SetOpening(openings=tuple(placed[exam] for exam in sorted(placed)))
            return
        first = placed[late.first]
        not_before[late.first] = max(
            first.start + 1, placed[late.then].start - late.most - first.minutes
        )
