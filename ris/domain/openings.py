"""Where and when an exam could be done, and what stands against any other time.

Pure and quick: times are whole minutes since 1970 in UTC, so a day with a clock change has the
minutes that it has. A caller turns the calendar into :class:`Place` and :class:`Person`, what is
wanted into :class:`Need`, and asks for the first openings (:func:`first`) or for the reasons
against one start (:func:`reasons`). Both follow from the same obstacles, so what is offered has no
reason against it, and what has none is offered (docs/adr/0012, and the property tests).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ris.domain.ranges import Range, at_least, meet, without

GRID_MINUTES = 5

Stretch = tuple[int, int]  # half open: from the first minute to the one after the last
Taken = tuple[int, int, int, int, int]  # start, end, minutes kept free before and after, owner


class Against(StrEnum):
    """What can stand against a start."""

    OTHER_MODALITY = "other-modality"
    NOT_ALLOWED = "not-allowed"
    PAST = "past"
    LEAD_TIME = "lead-time"
    NOT_WISHED = "not-wished"
    OUTSIDE_HOURS = "outside-hours"
    CLOSED = "closed"
    DOWNTIME = "downtime"
    HOLIDAY = "holiday"
    RESERVED = "reserved"
    TAKEN = "taken"
    BUFFER = "buffer"
    PATIENT = "patient"
    STAFF = "staff"
    GAP = "gap"
    LINKED = "linked"  # asked of what is booked already (ris/selectors/linked.py)


WORDS: dict[Against, str] = {
    Against.OTHER_MODALITY: "the device is of another modality: {about}",
    Against.NOT_ALLOWED: "this exam is not done on this device",
    Against.PAST: "that time is past",
    Against.LEAD_TIME: "the exam needs time for preparation",
    Against.NOT_WISHED: "it is outside the time that was asked for",
    Against.OUTSIDE_HOURS: "the room is not open at that time",
    Against.CLOSED: "the room is closed at that time: {about}",
    Against.DOWNTIME: "the device is down at that time: {about}",
    Against.HOLIDAY: "it is a holiday: {about}",
    Against.RESERVED: "that time is reserved for others: {about}",
    Against.TAKEN: "that time is taken",
    Against.BUFFER: "the time around the next exam is kept free",
    Against.PATIENT: "the patient has another appointment at that time",
    Against.STAFF: "nobody is free who is needed: {about}",
    Against.GAP: "it would leave a gap that is too short for any exam",
    Against.LINKED: "the time between would not be as the catalog wants it: {about}",
}

# What a person may decide otherwise without booking over: it only keeps a time from being offered.
SOFT = frozenset({Against.GAP, Against.NOT_WISHED, Against.PAST})
# What nobody can book over.
HARD = frozenset({Against.OTHER_MODALITY})


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason against a start; ``until`` is when it ends, in minutes, if that is known."""

    kind: Against
    about: str = ""
    until: int | None = None
    owner: int = 0  # of the appointment in the way

    @property
    def words(self) -> str:
        text = WORDS[self.kind]
        return text.format(about=self.about) if self.about else text.partition(": {")[0]


@dataclass(frozen=True, slots=True)
class Shut:
    """A stretch in which a place is not to be had."""

    start: int
    end: int
    kind: Against
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a reserved time asks about an exam."""

    code: str = ""
    modality: str = ""
    priority: str = ""
    groups: tuple[str, ...] = ()  # who asks: department, requester


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A time kept for some; from ``opens_at`` on it is for everybody."""

    start: int
    end: int
    label: str
    procedures: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    priorities: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    opens_at: int | None = None

    def admits(self, wanted: Wanted, now: int) -> bool:
        """Whether the exam may use it: every kind of exam it names must fit, and it names one."""
        if self.opens_at is not None and now >= self.opens_at:
            return True
        asked = (
            (self.procedures, (wanted.code,)),
            (self.modalities, (wanted.modality,)),
            (self.priorities, (wanted.priority,)),
            (self.groups, wanted.groups),
        )
        named = [(allowed, values) for allowed, values in asked if allowed]
        return bool(named) and all(
            {each.casefold() for each in allowed} & {each.casefold() for each in values}
            for allowed, values in named
        )

    @property
    def shut(self) -> Shut:
        return Shut(self.start, self.end, Against.RESERVED, self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A device with the room it stands in, over the days that are looked at.

    ``minutes``, ``before`` and ``after`` are of the wanted exam on this device; ``shortest`` is the
    shortest gap that may be left (as a rule that of an exam), 0 where gaps do not matter.
    """

    key: int
    hours: Sequence[Stretch]  # sorted, apart from each other
    shut: Sequence[Shut] = ()
    taken: Sequence[Taken] = ()  # sorted
    minutes: int
    before: int = 0
    after: int = 0
    shortest: int = 0
    site: int | None = None
    refusal: Refusal | None = None  # whatever the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can be booked with an exam; without hours of his own he is always there."""

    key: int
    name: str = ""
    skills: frozenset[str] = frozenset()
    hours: Sequence[Stretch] | None = None
    shut: Sequence[Shut] = ()
    taken: Sequence[Taken] = ()
    site: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is wanted of a time, whatever the device."""

    now: int
    ready: int = 0  # not before: preparation
    earliest: int = 0
    latest: int = 1 << 40  # the last start
    wished: Sequence[Stretch] | None = None  # parts of the days that were asked for
    patient: Sequence[Stretch] = ()  # the patient's other appointments
    staff: int = 0  # how many at least
    skills: tuple[str, ...] = ()  # each of which somebody must have
    with_gaps: bool = False  # also what leaves a gap too short for any exam

    @property
    def needs_staff(self) -> bool:
        return self.staff > 0 or bool(self.skills)


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """A time that could be booked."""

    start: int
    place: int
    minutes: int = field(compare=False)

    @property
    def end(self) -> int:
        return self.start + self.minutes


# --- which starts are allowed -------------------------------------------------------------------


def allowed(place: Place, need: Need, people: Sequence[Person] = ()) -> list[Range]:
    """The starts nothing stands against but perhaps the gap they leave; sorted ranges."""
    if place.refusal is not None:
        return []
    minutes = place.minutes
    low = max(need.earliest, need.now, need.ready)
    ranges = [
        (max(opens, low), min(closes - minutes, need.latest))
        for opens, closes in place.hours
        if closes - minutes >= low and opens <= need.latest
    ]
    if need.wished is not None:
        ranges = meet(ranges, [(start, end - 1) for start, end in need.wished])
    forbidden = [
        (start - kept_before - place.after - minutes + 1, end + kept_after + place.before - 1)
        for start, end, kept_before, kept_after, _ in place.taken
    ]
    forbidden += [(each.start - minutes + 1, each.end - 1) for each in place.shut]
    forbidden += [(start - minutes + 1, end - 1) for start, end in need.patient]
    ranges = without([each for each in ranges if each[0] <= each[1]], forbidden)
    if need.needs_staff and ranges:
        ranges = meet(ranges, _staffed(need, people, place, ranges))
    return ranges


def _staffed(
    need: Need, people: Sequence[Person], place: Place, ranges: Sequence[Range]
) -> list[Range]:
    """The starts at which enough people are free and every skill is among them."""
    low, high = ranges[0][0], ranges[-1][1]
    free = {
        person.key: _presence(person, place.minutes, low, high)
        for person in people
        if _serves(person, place)
    }
    found: list[Range] = [(low, high)]
    if need.staff > 0:
        found = meet(found, at_least(need.staff, list(free.values())))
    for skill in need.skills:
        having = [
            free[person.key] for person in people if person.key in free and skill in person.skills
        ]
        found = meet(found, at_least(1, having))
    return found


def _serves(person: Person, place: Place) -> bool:
    return person.site is None or place.site is None or person.site == place.site


def _presence(person: Person, minutes: int, low: int, high: int) -> list[Range]:
    """The starts in [low, high] at which a person could attend for so long."""
    hours = [(low, high)]
    if person.hours is not None:
        hours = [
            (max(opens, low), min(closes - minutes, high))
            for opens, closes in person.hours
            if closes - minutes >= low and opens <= high and closes - opens >= minutes
        ]
    forbidden = [
        (start - kept_before - minutes + 1, end + kept_after - 1)
        for start, end, kept_before, kept_after, _ in person.taken
    ]
    forbidden += [(each.start - minutes + 1, each.end - 1) for each in person.shut]
    return without(hours, forbidden)


def team(place: Place, need: Need, people: Sequence[Person], start: int) -> list[int] | None:
    """Who would attend: as few as it takes; None if those needed are not free.

    Whoever covers most of the skills still open comes first, then whoever has least to offer
    otherwise, so that the rare skill stays free for whom needs it.
    """
    free = [
        person
        for person in people
        if _serves(person, place) and _presence(person, place.minutes, start, start)
    ]
    chosen: list[Person] = []
    missing = set(need.skills)
    while missing:
        best = max(
            free,
            key=lambda person: (len(missing & person.skills), -len(person.skills), -person.key),
            default=None,
        )
        if best is None or not missing & best.skills:
            return None
        chosen.append(best)
        free.remove(best)
        missing -= best.skills
    free.sort(key=lambda person: (len(person.skills), person.key))
    short = need.staff - len(chosen)
    if short > len(free):
        return None
    chosen += free[: max(short, 0)]
    return sorted(person.key for person in chosen)


# --- gaps ----------------------------------------------------------------------------------------


def is_open(place: Place, low: int, high: int) -> bool:
    """Whether a place is open at all within [low, high), whoever has taken it."""
    hours = [(max(a, low), min(b, high) - 1) for a, b in place.hours if a < high and b > low]
    return bool(without(hours, [(each.start, each.end - 1) for each in place.shut]))


class Free:
    """The stretches in which a place stands free, whoever asks: what gaps are measured in."""

    def __init__(self, place: Place, now: int) -> None:
        cuts = [
            (start - kept_before, end + kept_after - 1)
            for start, end, kept_before, kept_after, _ in place.taken
        ]
        cuts += [(each.start, each.end - 1) for each in place.shut]
        hours = [(max(opens, now), closes - 1) for opens, closes in place.hours if closes > now]
        self._stretches = [(low, high + 1) for low, high in without(hours, cuts)]
        self._begins = [low for low, _ in self._stretches]

    def around(self, at: int) -> Stretch | None:
        """The stretch that holds this minute."""
        index = bisect_right(self._begins, at) - 1
        if index < 0 or at >= self._stretches[index][1]:
            return None
        return self._stretches[index]


def leaves_gap(place: Place, free: Free, start: int) -> bool:
    """Whether a start would leave time that is too short for any exam of the device.

    What is less than the grid is rounding. Where no start can do better, those at either end of
    the stretch are as good as it gets.
    """
    if not place.shortest:
        return False
    stretch = free.around(start)
    if stretch is None:
        return False
    before = start - place.before - stretch[0]
    after = stretch[1] - (start + place.minutes + place.after)
    spare = max(before, 0) + max(after, 0)
    if spare < place.shortest:
        return min(before, after) >= GRID_MINUTES
    return any(GRID_MINUTES <= each < place.shortest for each in (before, after))


# --- offering ------------------------------------------------------------------------------------


def starts(place: Place, need: Need, ranges: Sequence[Range]) -> Iterator[int]:
    """Start times on the grid, one exam after the other so that no time is wasted.

    Where gaps matter, the start that ends with the stretch is offered too.
    """
    stride = -(-place.minutes // GRID_MINUTES) * GRID_MINUTES
    careful = place.shortest > 0 and not need.with_gaps
    free = Free(place, need.now) if careful else None
    for low, high in ranges:
        at = -(-low // GRID_MINUTES) * GRID_MINUTES
        if free is None:
            yield from range(at, high + 1, stride)
            continue
        found = list(range(at, high + 1, stride))
        last = high // GRID_MINUTES * GRID_MINUTES
        if found and last != found[-1]:
            found.append(last)
        for start in found:
            if not leaves_gap(place, free, start):
                yield start


def openings(place: Place, need: Need, people: Sequence[Person] = ()) -> Iterator[Opening]:
    """All that one place offers, in order of time."""
    for start in starts(place, need, allowed(place, need, people)):
        yield Opening(start, place.key, place.minutes)


def first(
    places: Iterable[Place], need: Need, people: Sequence[Person] = (), *, count: int
) -> list[Opening]:
    """The first openings over all places, in order of time."""
    found = heapq.merge(*(openings(place, need, people) for place in places))
    return [opening for opening, _ in zip(found, range(count), strict=False)]


# --- refusing ------------------------------------------------------------------------------------


def reasons(place: Place, need: Need, start: int, people: Sequence[Person] = ()) -> list[Refusal]:
    """Everything against a start, what cannot be helped first; empty if it could be booked."""
    end = start + place.minutes
    found: list[Refusal] = [place.refusal] if place.refusal is not None else []
    if start < need.now:
        found.append(Refusal(Against.PAST))
    elif start < need.ready:
        found.append(Refusal(Against.LEAD_TIME, until=need.ready))
    found += _outside_wish(need, start)
    if not any(opens <= start and end <= closes for opens, closes in place.hours):
        index = bisect_left([opens for opens, _ in place.hours], start + 1)
        later = place.hours[index][0] if index < len(place.hours) else None
        found.append(Refusal(Against.OUTSIDE_HOURS, until=later))
    # What closes both the device and its room is one reason.
    found += dict.fromkeys(
        Refusal(each.kind, each.about, each.end)
        for each in place.shut
        if each.start < end and start < each.end
    )
    found += _in_the_way(place, start, end)
    found += [
        Refusal(Against.PATIENT, until=other_end)
        for other_start, other_end in need.patient
        if other_start < end and start < other_end
    ]
    found += _missing_staff(place, need, people, start)
    if not found and leaves_gap(place, Free(place, need.now), start) and not need.with_gaps:
        found.append(Refusal(Against.GAP))
    return found


def _outside_wish(need: Need, start: int) -> list[Refusal]:
    if start < need.earliest and start >= need.now:
        return [Refusal(Against.NOT_WISHED, until=need.earliest)]
    if start > need.latest:
        return [Refusal(Against.NOT_WISHED)]
    if need.wished is not None and not any(low <= start < high for low, high in need.wished):
        later = next((low for low, _ in need.wished if low > start), None)
        return [Refusal(Against.NOT_WISHED, until=later)]
    return []


def _in_the_way(place: Place, start: int, end: int) -> list[Refusal]:
    """Bookings that overlap, and those too near; one booking of device and room is one reason."""
    found: dict[int, Refusal] = {}
    for other_start, other_end, kept_before, kept_after, owner in place.taken:
        if other_start < end and start < other_end:
            found[owner] = Refusal(Against.TAKEN, until=other_end, owner=owner)
        elif (
            other_start - kept_before < end + place.after
            and start - place.before < other_end + kept_after
        ):
            clear = other_end + kept_after + place.before
            found.setdefault(owner, Refusal(Against.BUFFER, until=clear, owner=owner))
    return list(found.values())


def _missing_staff(place: Place, need: Need, people: Sequence[Person], start: int) -> list[Refusal]:
    if not need.needs_staff:
        return []
    near = [person for person in people if _serves(person, place)]
    horizon = start + 14 * 24 * 60
    found = []
    for skill in need.skills:
        having = [person for person in near if skill in person.skills]
        presence = at_least(1, [_presence(each, place.minutes, start, horizon) for each in having])
        if not presence or presence[0][0] > start:
            until = presence[0][0] if presence else None
            found.append(Refusal(Against.STAFF, skill, until))
    if need.staff > 0:
        presence = at_least(
            need.staff, [_presence(each, place.minutes, start, horizon) for each in near]
        )
        if not presence or presence[0][0] > start:
            until = presence[0][0] if presence else None
            found.append(Refusal(Against.STAFF, f"{need.staff} of the staff", until))
    return found
