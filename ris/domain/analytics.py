"""Figures for managers: the legs of an exam, and medians over counted minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Leg(StrEnum):
    """A stretch of an exam's way; its value names both ends."""

    TO_SCHEDULED = "ordered-scheduled"
    TO_ARRIVED = "scheduled-arrived"
    WAIT = "arrived-begun"
    EXAM = "begun-done"
    TO_PRELIMINARY = "done-preliminary"
    TO_FINAL = "done-final"
    TO_VERIFIED = "unverified-final"
    WHOLE = "ordered-final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestones:
    """When an exam came to where."""

    ordered: datetime | None = None
    scheduled: datetime | None = None
    arrived: datetime | None = None
    begun: datetime | None = None
    done: datetime | None = None
    preliminary: datetime | None = None  # the first report, whatever it was signed as
    unverified: datetime | None = None  # the first that was signed as preliminary
    final: datetime | None = None


def legs(way: Milestones) -> dict[Leg, int]:
    """The minutes of each leg whose ends are known; what ran backward counts as none."""
    found = {}
    for leg in Leg:
        start, end = (getattr(way, name) for name in leg.value.split("-"))
        if start is not None and end is not None:
            found[leg] = max(0, round((end - start).total_seconds() / 60))
    return found


Tally = Mapping[str, int]  # minutes, written as a word for JSON, and how many took that long


def merged(tallies: Iterable[Tally]) -> Counter[int]:
    """One tally of many, by number."""
    found: Counter[int] = Counter()
    for tally in tallies:
        for minutes, count in tally.items():
            found[int(minutes)] += count
    return found


def quantile(tally: Mapping[int, int], share: float) -> int | None:
    """The least value that ``share`` of all do not exceed (nearest rank); None of nothing."""
    total = sum(tally.values())
    if not total:
        return None
    rank = max(1, -int(-total * share // 1))
    seen = 0
    for value in sorted(tally):
        seen += tally[value]
        if seen >= rank:
            return value
    return max(tally)


# The minutes that a leg should take at most, by median; for a site to compare with.
TARGETS: Mapping[str, Mapping[Leg, int]] = {
    "STAT": {Leg.WAIT: 15, Leg.TO_PRELIMINARY: 60, Leg.TO_FINAL: 240, Leg.WHOLE: 360},
    "ROUTINE": {Leg.WAIT: 30, Leg.TO_PRELIMINARY: 1440, Leg.TO_FINAL: 2880},
}
