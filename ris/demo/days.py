"""Which stories make up the days around now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from ris.demo.cast import Case, Person
from ris.demo.player import CLOSES, Story, down_to_grid
from ris.demo.stories import (
    DAY,
    HOUR,
    MINUTE,
    End,
    Exam,
    World,
    asked_story,
    canceled_by_scheduler_story,
    canceled_story,
    discontinued_story,
    exam_story,
    held_story,
    no_show_story,
)

# The EHR does not take this patient's results.
LOCKED = "H100116"

# What was done on each of the days before today, latest day first.
_PAST: tuple[tuple[str, ...], ...] = (
    ("CTCAP", "MRLSPINE", "USABD", "DXCHEST2", "MGSCREEN"),
    ("CTABDPELC", "USTHYROID", "DXHIP", "NMTHYROID"),
    ("CTCHEST", "MRBRAIN", "DXCHEST2"),
    ("CTAHEADNECK", "MRPROSTATE", "NMBONE"),
    ("MRSHOULDER", "MGTOMO2"),
    ("CTCORONARY", "NMMPS"),
    ("DXWHOLESPINE",),
)

# What is still to come today and what is booked for the days after, day by day.
_REST_OF_TODAY = (
    "CTCHEST", "MRSHOULDER", "USABD", "DXCHEST2", "MGSCREEN", "CTSINUS", "MRBRAIN", "USTHYROID",
    "DXKNEE", "CTLUNGSCREEN",
)  # fmt: skip
_AHEAD: tuple[tuple[str, ...], ...] = (
    ("CTCAP", "MRLSPINE", "USBREAST", "MGTOMO2", "NMBONECT"),
    ("CTCORONARY", "MRPROSTATE", "USHIPINF"),
    ("MRBRAINC", "MGCLINIC"),
    ("MRBREAST",),
    ("CTCAP",),
    ("MRMRCP",),
    ("NMMPS",),
)

# What waits for a scheduler, and for how many hours.
_WAITING = (
    ("CTPULMANG", 0.4), ("USLEGVEIN", 1.2), ("CTABDPELC", 2.0), ("MRBRAINC", 5.0), ("USABD", 7.5),
    ("MRKNEE", 20.0), ("CTCHEST", 27.0), ("MGDIAG", 30.0), ("NMTHYROID", 49.0), ("MGTOMO2", 75.0),
)  # fmt: skip


def stories(world: World, now: datetime) -> Iterator[Story]:
    """Every story, past ones first, so that times are given away in the order of their days."""
    yield from _done_before_today(world, now)
    yield from _around_now(world, now)
    yield from _rest_of_today(world, now)
    yield from _days_ahead(world, now)
    yield from _waiting(world, now)


def _exam(world: World, code: str, person: Person | None = None) -> tuple[Case, Person]:
    case = world.cast.case(code)
    return case, person or world.cast.somebody(case)


def _plan(
    world: World, case: Case, earliest: datetime, *, in_hours: bool = True
) -> tuple[datetime, ...]:
    """A start for each step; a later step of a tracer study waits three hours."""
    starts: list[datetime] = []
    at = earliest
    for number, step in enumerate(case.steps):
        take = world.diary.take_in_hours if in_hours else world.diary.take
        start = take(f"{step.modality}1", at, step.minutes)
        starts.append(start)
        pause = 3 * HOUR if number == 0 and step.modality == "NM" else 5 * MINUTE
        at = start + step.minutes * MINUTE + pause
    return tuple(starts)


# --- the past


def _done_before_today(world: World, now: datetime) -> Iterator[Story]:
    dice = world.cast.dice
    today = now.astimezone(world.diary.zone).date()
    for ago, codes in enumerate(_PAST, start=1):
        opening = world.diary.opening(today - ago * DAY)
        for number, code in enumerate(codes):
            case, person = _exam(world, code)
            starts = _plan(world, case, opening + (30 + 95 * number) * MINUTE)
            urgent = case.priority != "ROUTINE"
            ordered_at = starts[0] - (40 * MINUTE if urgent else (20 + dice.randrange(60)) * HOUR)
            end = End.FINAL
            if ago == 1:
                # Yesterday's last ones are not read yet, or not signed by the specialist.
                end = {3: End.PRELIMINARY, 4: End.PERFORMED}.get(number, end)
            elif (ago, number) in {(3, 0), (5, 1)}:
                end = End.ADDENDUM
            elif (ago, number) == (2, 1):
                end = End.PRELIMINARY
            yield exam_story(
                world,
                Exam(
                    case=case,
                    person=person,
                    ordered_at=ordered_at,
                    starts=starts,
                    end=end,
                    timed=urgent or number % 2 == 0,
                    manual=case.modality == "US" and ago % 2 == 0,
                    seen=ago == 1,
                ),
            )
    yield from _given_up(world, now)


def _given_up(world: World, now: datetime) -> Iterator[Story]:
    """Canceled, missed, stopped: what a department also keeps."""
    today = now.astimezone(world.diary.zone).date()

    def exam(code: str, ago: int, hour: int, **overrides: object) -> Exam:
        case, person = _exam(world, code)
        opening = world.diary.opening(today - ago * DAY)
        starts = _plan(world, case, opening + hour * HOUR)
        details = {"case": case, "person": person, "ordered_at": starts[0] - 2 * DAY}
        return Exam(**{**details, "starts": starts, **overrides})  # type: ignore[arg-type]

    first = exam("MRKNEE", 2, 9)
    yield canceled_story(world, first, first.starts[0] - 20 * HOUR, "Exam was done elsewhere")
    second = exam("CTSINUS", 4, 9)
    yield canceled_story(world, second, second.starts[0] - 3 * HOUR, "Patient has a fever")
    third = exam("USABD", 5, 9, walk_in=True)
    yield canceled_by_scheduler_story(
        world, third, third.starts[0] - HOUR, "Ordered twice, see the other order"
    )
    yield no_show_story(world, exam("MRSHOULDER", 1, 10, timed=False))
    yield no_show_story(world, exam("DXKNEE", 3, 8))
    yield discontinued_story(world, exam("MRBRAIN", 2, 10, timed=False))
    yield discontinued_story(world, exam("NMRENAL", 6, 8, timed=False))


# --- now


def _around_now(world: World, now: datetime) -> Iterator[Story]:
    """One exam in each state that a shift sees, whatever the time of day is."""
    anchor = down_to_grid(now)
    world.refuses.add(LOCKED)

    def exam(code: str, minutes: int, end: End, *, number: str = "", **overrides: object) -> Exam:
        case, person = _exam(world, code, world.cast.person(number) if number else None)
        starts = _plan(world, case, anchor + minutes * MINUTE, in_hours=False)
        urgent = case.priority != "ROUTINE" or "walk_in" in overrides
        details = {
            "case": case,
            "person": person,
            "ordered_at": starts[0] - (45 * MINUTE if urgent else 26 * HOUR),
            "latest": now,
        }
        return Exam(**{**details, "starts": starts, "end": end, **overrides})  # type: ignore[arg-type]

    for each in (
        # Done today: reported, being written, and not read yet.
        exam("CTHEAD", -118, End.FINAL, number=LOCKED),
        exam("USLEGVEIN", -125, End.FINAL, walk_in=True),
        # Greek letters, which one receiver cannot take.
        exam("DXWRIST", -118, End.PRELIMINARY, number="H100133"),
        exam("MRCSPINE", -215, End.DRAFT, timed=False),
        exam("CTURO", -150, End.DRAFT),
        exam("CTPULMANG", -95, End.PRELIMINARY),
        exam("MRLSPINE", -140, End.PERFORMED, timed=False),
        exam("USTHYROID", -110, End.PERFORMED, manual=True),
        exam("DXCHEST2", -70, End.PERFORMED, walk_in=True),
        exam("DXHIP", -45, End.PERFORMED),
        exam("MGSCREEN", -60, End.PERFORMED),
        # Being done.
        exam("CTCAP", -15, End.STARTED, timed=False),
        exam("MRBRAINC", -20, End.STARTED),
        exam("DXANKLE", -5, End.STARTED, manual=True),
        # Here.
        exam("USABD", 0, End.READY),
        exam("CTLUNGSCREEN", 10, End.ARRIVED),
        exam("MRPROSTATE", 10, End.ARRIVED, timed=False),
        exam("DXHAND", 5, End.READY, walk_in=True),
        exam("MGDIAG", 5, End.ARRIVED),
    ):
        yield exam_story(world, each)
    # Injected, and back for the images: one step done, the other one to come.
    case, person = _exam(world, "NMBONE")
    starts = _plan(world, case, anchor - 125 * MINUTE, in_hours=False)
    yield exam_story(
        world,
        Exam(
            case=case, person=person, ordered_at=starts[0] - 2 * DAY, starts=starts,
            end=End.SCHEDULED if starts[-1] > now else End.PERFORMED,
        ),
    )  # fmt: skip
    yield no_show_story(world, exam("USCAROTID", -80, End.SCHEDULED, timed=False))
    # Late: booked, not here.
    yield exam_story(world, exam("DXKNEE", -25, End.SCHEDULED))


def _rest_of_today(world: World, now: datetime) -> Iterator[Story]:
    """Booked for later today, and tomorrow once the day is over."""
    zone = world.diary.zone
    anchor = down_to_grid(now)
    day = anchor.astimezone(zone).date()
    evening = datetime.combine(day, CLOSES, zone)
    night = datetime.combine(day, time(23, 0), zone)
    end = min(max(evening, anchor + 3 * HOUR), night)
    span = max(end - anchor - 30 * MINUTE, timedelta(0))
    for number, code in enumerate(_REST_OF_TODAY):
        case, person = _exam(world, code)
        wish = anchor + 20 * MINUTE + span * number / len(_REST_OF_TODAY)
        starts = _plan(world, case, wish, in_hours=span == timedelta(0))
        yield exam_story(
            world,
            Exam(
                case=case,
                person=person,
                ordered_at=now - (8 + 3 * number) * HOUR,
                starts=starts,
                end=End.SCHEDULED,
                timed=number % 3 != 1,
            ),
        )


# --- what is to come


def _days_ahead(world: World, now: datetime) -> Iterator[Story]:
    today = now.astimezone(world.diary.zone).date()
    for ahead, codes in enumerate(_AHEAD, start=1):
        opening = world.diary.opening(today + ahead * DAY)
        for number, code in enumerate(codes):
            person = world.cast.person("H100157") if code == "USHIPINF" else None
            case, person = _exam(world, code, person)
            yield exam_story(
                world,
                Exam(
                    case=case,
                    person=person,
                    ordered_at=now - (5 + 17 * number + 2 * ahead) * HOUR,
                    starts=_plan(world, case, opening + (45 + 70 * number) * MINUTE),
                    end=End.SCHEDULED,
                    timed=number % 2 == 1,
                ),
            )


def _waiting(world: World, now: datetime) -> Iterator[Story]:
    for number, (code, hours) in enumerate(_WAITING):
        case, person = _exam(world, code)
        if number == 0:
            # Nobody knows the name yet.
            person = world.cast.person("H100156")
        exam = Exam(
            case=case,
            person=person,
            ordered_at=now - hours * HOUR,
            end=End.WAITING,
            walk_in=number % 5 == 4,
        )
        if code == "MRKNEE":
            yield asked_story(world, exam, now - 2 * HOUR, "After school, please")
        else:
            yield exam_story(world, exam)
    for code, reason in (
        ("MRMRCP", "Waits for the implant pass"),
        ("CTKNEE", "Operation is postponed"),
    ):
        case, person = _exam(world, code)
        exam = Exam(case=case, person=person, ordered_at=now - 3 * DAY, end=End.WAITING)
        yield held_story(world, exam, now - 2 * DAY, reason)
