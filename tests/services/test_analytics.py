"""Daily facts say what a naive count of everything says, however they came about."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.analytics import rebuild
from ris.domain.analytics import Leg, Milestones, legs, merged, quantile
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import FinalizeReport, SignPreliminary
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    HoldSlot,
    RecordArrival,
    RecordNoShow,
)
from ris.models import (
    Appointment,
    DeviceFact,
    DomainEvent,
    ExamFact,
    FactDay,
    Order,
    PerformedProcedureStep,
    RequestedProcedure,
)
from ris.selectors import analytics as figures_of
from ris.selectors.analytics import Wanted
from ris.services import analytics, as_of, execute
from tests import ground, make, people

NOW = datetime(2026, 3, 20, 18, 0, tzinfo=UTC)
FIRST, LAST = date(2026, 3, 16), date(2026, 3, 20)  # Monday to Friday
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def week() -> None:
    """Exams of five days: some were read, some canceled, some did not come."""
    make.site("UTC")
    make.device("CT1")
    make.device("CT2")
    make.definition()
    chance = random.Random(7)
    for offset in range(5):
        for number in range(4):
            start = datetime(2026, 3, 16 + offset, 9 + number, 0, tzinfo=UTC)
            exam(start, chance, number)


def exam(start: datetime, chance: random.Random, number: int) -> None:
    ordered = start - timedelta(days=2, minutes=chance.randint(0, 600))
    with as_of(ordered):
        order = make.order()
    Order.objects.filter(pk=order.pk).update(ordered_at=ordered)
    with as_of(ordered + timedelta(minutes=chance.randint(1, 300))):
        execute(
            BookAppointment(
                step=str(make.step_of(order).public_id),
                device=f"CT{number % 2 + 1}",
                start_at=start,
            ),
            actor=people.scheduler,
        )
    appointment = str(Appointment.objects.latest("id").public_id)
    if number == 3:
        with as_of(start + timedelta(minutes=30)):
            execute(RecordNoShow(appointment=appointment), actor=people.frontdesk)
        return
    if number == 2 and start.day % 2:
        with as_of(start - timedelta(hours=3)):
            execute(CancelAppointment(appointment=appointment), actor=people.scheduler)
        return
    with as_of(start - timedelta(minutes=chance.randint(0, 40))):
        execute(
            RecordArrival(appointment=appointment, unchecked_reason="known here"),
            actor=people.frontdesk,
        )
    begun = start + timedelta(minutes=chance.randint(0, 20))
    ended = begun + timedelta(minutes=chance.randint(5, 25))
    command = make.start(order, started_at=begun)
    with as_of(begun):
        execute(command, actor=people.ct1)
    with as_of(ended):
        execute(
            CompletePerformedStep(
                sop_instance_uid=command.sop_instance_uid,
                details=PerformedDetails(ended_at=ended, series=(make.series(),)),
            ),
            actor=people.ct1,
        )
    if number == 0:
        with as_of(ended + timedelta(minutes=chance.randint(10, 900))):
            report = make.opened_report(Order.objects.get(pk=order.pk))
            execute(
                FinalizeReport(report=str(report.public_id), sections={"findings": "none"}),
                actor=people.radiologist,
            )


@pytest.fixture
def story(clock: time_machine.Traveller) -> None:
    ground.begin("analytics: a week", week)


def naive() -> dict[Leg, list[int]]:
    """Every leg of every exam, exam by exam and without an index in mind."""
    found: dict[Leg, list[int]] = defaultdict(list)
    for procedure in RequestedProcedure.objects.filter(performed_at__isnull=False):
        order = procedure.order
        performed = list(PerformedProcedureStep.objects.filter(order=order))
        signed = [
            version.signed_at
            for report in procedure.reports.all()
            for version in report.versions.all()
        ]
        booked = DomainEvent.objects.filter(order=order, name="AppointmentBooked").first()
        arrived = Appointment.objects.filter(order=order).first()
        way = Milestones(
            ordered=order.ordered_at,
            scheduled=booked.at if booked else None,
            arrived=arrived.arrived_at if arrived else None,
            begun=min(each.started_at for each in performed),
            done=procedure.performed_at,
            preliminary=min(signed, default=None),
            unverified=None,  # all were signed as final at once
            final=min(signed, default=None),
        )
        for leg, minutes in legs(way).items():
            found[leg].append(minutes)
    return found


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[max(0, -int(-len(values) * share // 1) - 1)]


def counted() -> None:
    analytics.rebuild(FIRST, LAST)


def wanted(**said: str) -> Wanted:
    return Wanted(first=FIRST, last=LAST, **said)


def test_every_leg_equals_a_naive_recount(story: None) -> None:
    counted()

    found = {line.leg: line for line in figures_of.figures(wanted()).overall}

    expected = naive()
    assert set(found) == set(expected) == set(Leg) - {Leg.TO_VERIFIED}  # no resident reads here
    for leg, values in expected.items():
        line = found[leg]
        assert (line.count, line.median, line.p90) == (
            len(values),
            nearest_rank(values, 0.5),
            nearest_rank(values, 0.9),
        ), leg


def test_devices_are_counted_as_they_were_used(story: None) -> None:
    counted()

    rooms = {room.name: room for room in figures_of.figures(wanted()).rooms}

    minutes = defaultdict(int)
    for each in PerformedProcedureStep.objects.all():
        assert each.ended_at is not None
        minutes[each.station_ae_title] += round(
            (each.ended_at - each.started_at).total_seconds() / 60
        )
    assert rooms["CT1"].open_minutes == 5 * 600, "8 to 18 where nobody set hours"
    assert {name: room.used_minutes for name, room in rooms.items()} == {
        "CT1": minutes["CT1"],
        "CT2": minutes["CT2"],
    }
    assert (rooms["CT1"].appointments, rooms["CT1"].canceled, rooms["CT1"].no_shows) == (8, 2, 0)
    assert (rooms["CT2"].appointments, rooms["CT2"].canceled, rooms["CT2"].no_shows) == (10, 0, 5)


def test_rates_are_of_those_who_had_an_appointment(story: None) -> None:
    counted()

    line = figures_of.figures(wanted()).misses[0]

    assert (line.group, line.appointments, line.no_shows, line.canceled) == ("CT", 18, 5, 2)
    assert round(line.no_show_rate, 1) == 27.8
    assert line.cancel_rate == 10.0


def test_a_hold_that_was_let_go_is_no_cancellation(story: None) -> None:
    order = make.order()
    hold = execute(
        HoldSlot(
            step=str(make.step_of(order).public_id),
            device="CT1",
            start_at=NOW + timedelta(days=3) - timedelta(hours=6),
        ),
        actor=people.scheduler,
    )
    execute(CancelAppointment(appointment=hold), actor=people.scheduler)

    analytics.rebuild(date(2026, 3, 23), date(2026, 3, 23))

    assert sum(DeviceFact.objects.values_list("canceled", flat=True)) == 0


def test_counting_twice_changes_nothing(story: None) -> None:
    counted()
    before = facts()

    counted()
    rebuild(["--from", FIRST.isoformat(), "--until", LAST.isoformat()])

    assert facts() == before


def facts() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    return (
        list(ExamFact.objects.order_by("day", "modality", "priority").values(
            "day", "site_id", "modality", "priority", "exams", "legs", "hours")),
        list(DeviceFact.objects.order_by("day", "device_id").values(
            "day", "device_id", "open_minutes", "booked_minutes", "used_minutes",
            "appointments", "no_shows", "canceled")),
    )  # fmt: skip


def test_what_changes_later_is_counted_again(story: None, clock: time_machine.Traveller) -> None:
    while analytics.run_due():
        pass
    before = figures_of.figures(wanted())
    unread = RequestedProcedure.objects.filter(stage="PERFORMED").order_by("id")[0]

    clock.shift(timedelta(hours=1))
    with as_of(timezone.now()):
        report = make.opened_report(unread.order)
        execute(
            FinalizeReport(report=str(report.public_id), sections={"findings": "none"}),
            actor=people.radiologist,
        )
    clock.shift(timedelta(minutes=10))
    analytics.run_due()

    finals = [
        {line.leg: line.count for line in found.overall}[Leg.TO_FINAL]
        for found in (before, figures_of.figures(wanted()))
    ]
    assert finals == [5, 6]


def test_the_timer_counts_the_last_months_bit_by_bit_and_then_rests(
    story: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics, "AT_ONCE", 2)

    first, *others = [analytics.run_due() for _ in range(4)]

    assert first == 2
    assert others[-1] == 0
    assert set(FactDay.objects.values_list("day", flat=True)) == {
        FIRST + timedelta(days=offset) for offset in range(5)
    }


def test_what_changed_is_counted_although_another_day_was_counted_anew(
    story: None, clock: time_machine.Traveller
) -> None:
    counted()
    clock.shift(timedelta(minutes=10))
    appointment = Appointment.objects.filter(start_at__date=date(2026, 3, 19)).latest("id")
    Appointment.objects.filter(pk=appointment.pk).update(updated_at=timezone.now())
    clock.shift(timedelta(minutes=10))
    analytics.rebuild(FIRST, FIRST)

    analytics.run_due()

    day = FactDay.objects.get(day=date(2026, 3, 19))
    assert day.counted_at == timezone.now()


def test_before_the_first_exam_nothing_is_counted() -> None:
    assert analytics.run_due() == 0
    assert not FactDay.objects.exists()


def test_a_page_asks_as_much_for_a_year_as_for_a_day(story: None) -> None:
    counted()

    def asked(first: date) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            figures_of.figures(Wanted(first=first, last=LAST))
        return len(queries)

    assert asked(LAST) == asked(LAST - timedelta(days=364)) == 3


def test_groups_and_filters_divide_the_whole(story: None) -> None:
    counted()

    by_priority = figures_of.figures(wanted(by="priority"))
    nothing = figures_of.figures(wanted(modality="MR"))

    assert {line.group for line in by_priority.legs} == {"ROUTINE"}
    assert (nothing.exams, nothing.legs, nothing.rooms) == (0, (), ())
    assert sum(count for _, count in by_priority.days) == by_priority.exams == 13
    assert sum(count for _, count in by_priority.hours) == 13


def test_the_third_next_free_time_leaves_out_what_is_taken(story: None) -> None:
    found = figures_of.third_next()

    assert [line.modality for line in found] == ["CT"]
    # It is Friday evening: on Monday two devices are free at eight.
    assert found[0].at == datetime(2026, 3, 21, 8, 30, tzinfo=UTC)
    assert found[0].days == 1


def test_the_backlog_is_told_by_age(story: None) -> None:
    found = figures_of.backlog()

    assert found.total == RequestedProcedure.objects.filter(stage="PERFORMED").count() == 8
    assert (found.under_day, found.under_three, found.under_week, found.older) == (2, 3, 3, 0)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 0.5, 5), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2), (list(range(1, 11)), 0.9, 9),
     ([1, 1, 1, 50], 0.9, 50), ([], 0.5, None)],
)  # fmt: skip
def test_quantiles_are_of_nearest_rank(
    values: list[int], share: float, expected: int | None
) -> None:
    tally: dict[str, int] = {}
    for value in values:
        tally[str(value)] = tally.get(str(value), 0) + 1

    assert quantile(merged([tally]), share) == expected


def test_a_residents_report_is_timed_until_it_is_verified() -> None:
    order = make.performed() if make.device() else None
    assert order is not None
    report = make.opened_report(order)
    for minutes, command, actor in (
        (10, SignPreliminary, people.resident),
        (55, FinalizeReport, people.radiologist),
    ):
        with as_of(NOW + timedelta(minutes=minutes)):
            execute(command(report=str(report.public_id), sections=dict(make.TEXT)), actor=actor)

    day = timezone.localdate(RequestedProcedure.objects.get().performed_at)
    analytics.rebuild(day, day)

    assert ExamFact.objects.get().legs["unverified-final"] == {"45": 1}
