"""What the calendar offers and refuses, against a slow oracle that looks at every minute."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ris.domain.openings import (
    GRID_MINUTES,
    SOFT,
    Against,
    Need,
    Opening,
    Person,
    Place,
    Refusal,
    Reservation,
    Shut,
    Taken,
    Wanted,
    allowed,
    first,
    openings,
    reasons,
    team,
)

DAY = 480  # the oracle walks through every minute of it

minutes = st.integers(0, DAY)


@st.composite
def stretches(draw: st.DrawFn, most: int = 3) -> list[tuple[int, int]]:
    """Sorted stretches apart from each other."""
    edges = sorted(draw(st.sets(minutes, max_size=2 * most)))
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges) - 1, 2)]


@st.composite
def bookings(draw: st.DrawFn) -> list[Taken]:
    found = []
    for owner, (start, end) in enumerate(draw(stretches()), start=1):
        found.append((start, end, draw(st.integers(0, 20)), draw(st.integers(0, 20)), owner))
    return found


closings = stretches(2).map(
    lambda found: [Shut(start, end, Against.CLOSED, "service") for start, end in found]
)

places = st.builds(
    Place,
    key=st.integers(1, 3),
    hours=stretches(),
    shut=closings,
    taken=bookings(),
    minutes=st.integers(1, 90),
    before=st.integers(0, 15),
    after=st.integers(0, 15),
)

people = st.lists(
    st.builds(
        Person,
        key=st.integers(1, 9),
        skills=st.frozensets(st.sampled_from(["nurse", "radiologist"])),
        hours=st.none() | stretches(),
        taken=bookings(),
    ),
    max_size=3,
    unique_by=lambda person: person.key,
)

needs = st.builds(
    Need,
    now=st.integers(0, 100),
    ready=st.integers(0, 200),
    earliest=st.integers(0, 200),
    latest=st.integers(200, DAY),
    wished=st.none() | stretches(),
    patient=stretches(2),
    staff=st.integers(0, 2),
    skills=st.sampled_from([(), ("nurse",), ("nurse", "radiologist")]),
)


# --- the oracle: nothing but minutes in sets ------------------------------------------------------


def minutes_of(found: Sequence[tuple[int, int]]) -> set[int]:
    return {minute for start, end in found for minute in range(start, end)}


def attends(person: Person, exam: set[int]) -> bool:
    # Hours that touch are apart: a person does not attend over the pause between them.
    inside = person.hours is None or any(exam <= set(range(*span)) for span in person.hours)
    busy = minutes_of([(start - b, end + a) for start, end, b, a, _ in person.taken])
    return inside and not busy & exam


def possible(place: Place, need: Need, staff: Sequence[Person], start: int) -> bool:
    exam = set(range(start, start + place.minutes))
    around = set(range(start - place.before, start + place.minutes + place.after))
    if not any(exam <= set(range(*span)) for span in place.hours):
        return False
    if exam & minutes_of([(shut.start, shut.end) for shut in place.shut]):
        return False
    if any(
        around & set(range(low - kept_before, high + kept_after))
        for low, high, kept_before, kept_after, _ in place.taken
    ):
        return False
    if exam & minutes_of(need.patient) or start < max(need.now, need.ready, need.earliest):
        return False
    if start > need.latest or not (need.wished is None or start in minutes_of(need.wished)):
        return False
    here = [person for person in staff if attends(person, exam)]
    return len(here) >= need.staff and all(
        any(skill in person.skills for person in here) for skill in need.skills
    )


@settings(max_examples=150, deadline=None)
@given(places, needs, people)
def test_a_start_is_allowed_exactly_when_every_minute_of_it_is(
    place: Place, need: Need, staff: list[Person]
) -> None:
    found = {start for low, high in allowed(place, need, staff) for start in range(low, high + 1)}

    assert found == {start for start in range(DAY) if possible(place, need, staff, start)}


@settings(max_examples=100, deadline=None)
@given(places, needs, people, st.integers(0, DAY))
def test_what_is_refused_has_a_reason_and_what_is_not_has_none(
    place: Place, need: Need, staff: list[Person], start: int
) -> None:
    assert bool(reasons(place, need, start, staff)) != possible(place, need, staff, start)


@settings(max_examples=100, deadline=None)
@given(places, needs, people, st.integers(0, DAY))
def test_a_team_is_found_exactly_when_those_needed_are_free(
    place: Place, need: Need, staff: list[Person], start: int
) -> None:
    missing = [each for each in reasons(place, need, start, staff) if each.kind is Against.STAFF]

    chosen = team(place, need, staff, start)

    assert (chosen is None) == bool(missing)
    if chosen is not None:
        skills = {skill for person in staff if person.key in chosen for skill in person.skills}
        assert len(chosen) >= need.staff
        assert set(need.skills) <= skills


@settings(max_examples=100, deadline=None)
@given(st.lists(places, max_size=3, unique_by=lambda place: place.key), needs, st.integers(1, 6))
def test_the_first_openings_are_the_earliest_of_all_places(
    found: list[Place], need: Need, count: int
) -> None:
    every = sorted(opening for place in found for opening in openings(place, need))

    assert first(found, need, count=count) == every[:count]


@settings(max_examples=100, deadline=None)
@given(places, needs, st.integers(5, 40))
def test_no_start_is_offered_that_leaves_a_gap_where_another_would_not(
    place: Place, need: Need, shortest: int
) -> None:
    careful = Place(
        key=place.key,
        hours=place.hours,
        shut=place.shut,
        taken=place.taken,
        minutes=place.minutes,
        before=place.before,
        after=place.after,
        shortest=shortest,
    )

    for opening in openings(careful, need):
        assert reasons(careful, need, opening.start) == []
        assert opening.start % GRID_MINUTES == 0


# --- examples ------------------------------------------------------------------------------------


def place(**said: object) -> Place:
    fields: dict[str, object] = {"key": 1, "hours": [(480, 720)], "minutes": 20}
    return Place(**{**fields, **said})  # type: ignore[arg-type]


def starts(at: Place, need: Need | None = None) -> list[int]:
    return [opening.start for opening in openings(at, need or Need(now=0))]


def test_exams_follow_one_another_from_the_opening_on() -> None:
    assert starts(place(hours=[(480, 545)])) == [480, 500, 520]


def test_a_start_is_on_the_grid_when_the_last_exam_ended_odd() -> None:
    assert starts(place(hours=[(480, 540)], taken=[(480, 492, 0, 0, 7)])) == [495, 515]


def test_time_to_clean_is_kept_before_and_after() -> None:
    cleaned = place(hours=[(480, 600)], taken=[(520, 540, 0, 10, 7)], before=5, after=5)

    assert starts(cleaned) == [480, 555, 575]
    (refused,) = reasons(cleaned, Need(now=0), 545)
    assert refused == Refusal(Against.BUFFER, until=555, owner=7)


def test_every_reason_is_said_with_its_end() -> None:
    at = place(
        taken=[(500, 520, 0, 0, 7), (500, 520, 0, 0, 7)],  # the device and its room
        shut=[Shut(510, 600, Against.DOWNTIME, "cooling")],
    )
    need = Need(now=0, ready=505, patient=[(490, 530)], skills=("interpreter:ar",))

    found = reasons(at, need, 500)

    assert [(each.words, each.until) for each in found] == [
        ("the exam needs time for preparation", 505),
        ("the device is down at that time: cooling", 600),
        ("that time is taken", 520),
        ("the patient has another appointment at that time", 530),
        ("nobody is free who is needed: interpreter:ar", None),
    ]


def test_outside_the_hours_it_is_said_when_they_begin_again() -> None:
    assert reasons(place(hours=[(480, 540), (600, 720)]), Need(now=0), 530) == [
        Refusal(Against.OUTSIDE_HOURS, until=600)
    ]


def test_a_start_that_leaves_too_short_a_gap_is_left_out_and_named() -> None:
    tight = place(hours=[(480, 530)], shortest=15)

    assert starts(tight) == [480, 510]
    assert reasons(tight, Need(now=0), 500) == [Refusal(Against.GAP)]
    assert reasons(tight, Need(now=0, with_gaps=True), 500) == []
    assert Against.GAP in SOFT


def test_where_every_start_leaves_a_gap_both_ends_are_offered() -> None:
    assert starts(place(hours=[(480, 510)], shortest=15)) == [480, 490]


@pytest.mark.parametrize(
    ("reserved", "now", "admitted"),
    [
        ({}, 0, False),
        ({"opens_at": 100}, 99, False),
        ({"opens_at": 100}, 100, True),
        ({"procedures": frozenset({"MRHEART"})}, 0, True),
        ({"priorities": frozenset({"STAT"})}, 0, False),
        ({"modalities": frozenset({"mr"}), "groups": frozenset({"Cardiology"})}, 0, True),
        ({"modalities": frozenset({"MR"}), "groups": frozenset({"Oncology"})}, 0, False),
    ],
)
def test_a_reserved_time_is_for_those_it_names_and_for_all_once_released(
    reserved: dict[str, object], now: int, admitted: bool
) -> None:
    block = Reservation(start=480, end=600, label="cardiac", **reserved)  # type: ignore[arg-type]
    wanted = Wanted(
        code="MRHEART", modality="MR", priority="ROUTINE", groups=("cardiology", "Dr. Who")
    )

    assert block.admits(wanted, now) is admitted


def test_whoever_has_two_of_the_skills_is_preferred_to_two_people() -> None:
    staff = [
        Person(key=1, skills=frozenset({"nurse"})),
        Person(key=2, skills=frozenset({"nurse", "interpreter:ar"})),
        Person(key=3, skills=frozenset({"interpreter:ar"})),
    ]

    assert team(place(), Need(now=0, skills=("nurse", "interpreter:ar")), staff, 500) == [2]


def test_six_weeks_of_thirty_rooms_are_searched_in_order() -> None:
    day = 24 * 60
    rooms = [
        place(
            key=key,
            hours=[(n * day + 480, n * day + 1080) for n in range(42)],
            taken=[
                (n * day + 480 + slot * 20, n * day + 500 + slot * 20, 0, 0, slot)
                for n in range(41)
                for slot in range(30)
            ],
        )
        for key in range(30)
    ]

    found = first(rooms, Need(now=0), count=2)

    assert found == [Opening(41 * day + 480, 0, 20), Opening(41 * day + 480, 1, 20)]
