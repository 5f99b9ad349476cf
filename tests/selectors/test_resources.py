"""The timetable of resources: site-local hours on change days, holidays, closures, kept time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.facility import RegisterSite
from ris.domain.resources import (
    BeginDowntime,
    ChangeResource,
    KeptFor,
    RegisterStaff,
    ReleaseBlock,
    ReserveBlock,
    SetHoliday,
)
from ris.domain.scheduling import AddClosure, ClosureKind, SetResourceHours
from ris.models import Device, RequestedProcedure, Resource, Room, ScheduledProcedureStep, Site
from ris.selectors import facility, facts, patient_links, safety
from ris.selectors.resource_lists import Now, resource_lines
from ris.selectors.resources import Timetable, at_site, down_devices, site_of, zone_at
from ris.services import execute
from tests import make

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
SPRING = date(2026, 3, 29)  # a Sunday; Berlin, 2:00 is 3:00
AUTUMN = date(2026, 10, 25)  # a Sunday; Berlin, 3:00 is 2:00 again
SPRING_THERE = date(2026, 3, 8)  # a Sunday; New York, 2:00 is 3:00
SUNDAY = 6


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def device(ae_title: str = "CT1", zone: str = "UTC") -> Resource:
    make.site(zone)
    make.device(ae_title)
    return Device.objects.get(ae_title=ae_title).resource


def hours(resource: Resource, *rows: tuple[int, time, time]) -> None:
    execute(SetResourceHours(resource=str(resource.public_id), hours=rows), actor=OPERATOR)


@pytest.mark.parametrize(
    ("zone", "day", "opens", "closes"),
    [
        ("Europe/Berlin", SPRING - timedelta(days=7), (7, 0), (17, 0)),
        ("Europe/Berlin", SPRING, (6, 0), (16, 0)),
        ("Europe/Berlin", AUTUMN, (7, 0), (17, 0)),
        ("America/New_York", SPRING_THERE - timedelta(days=7), (13, 0), (23, 0)),
        ("America/New_York", SPRING_THERE, (12, 0), (22, 0)),
    ],
)
def test_hours_are_those_of_the_wall_of_the_site(
    zone: str, day: date, opens: tuple[int, int], closes: tuple[int, int]
) -> None:
    ct = device(zone=zone)
    hours(ct, (SUNDAY, time(8), time(18)))

    table = Timetable([ct.pk], day, 1)

    assert table.hours(ct.pk, day) == [(utc(day, *opens), utc(day, *closes))]


def test_open_all_night_is_an_hour_shorter_and_longer_on_change_days() -> None:
    ct = device(zone="Europe/Berlin")
    hours(ct, (SUNDAY, time(0), time(0)))

    for day, length in ((SPRING, 23), (AUTUMN, 25)):
        ((start, end),) = Timetable([ct.pk], day, 1).hours(ct.pk, day)
        assert end - start == timedelta(hours=length)


def test_an_hour_that_does_not_exist_is_open_for_nobody() -> None:
    ct = device(zone="America/New_York")
    hours(ct, (SUNDAY, time(2), time(2, 45)), (SUNDAY, time(4), time(5)))

    found = Timetable([ct.pk], SPRING_THERE, 1).hours(ct.pk, SPRING_THERE)

    assert found == [(utc(SPRING_THERE, 8), utc(SPRING_THERE, 9))]


def test_an_hour_that_comes_twice_is_open_both_times() -> None:
    ct = device(zone="Europe/Berlin")
    hours(ct, (SUNDAY, time(2), time(3)))

    found = Timetable([ct.pk], AUTUMN, 1).hours(ct.pk, AUTUMN)

    assert found == [(utc(AUTUMN, 0), utc(AUTUMN, 2))]


def test_a_device_is_open_when_its_room_is_too() -> None:
    ct = device()
    room = Device.objects.get().room
    assert room is not None
    both = [ct.pk, room.resource_id]
    table = Timetable(both, MONDAY, 1)
    assert table.hours_together(both, MONDAY) == [(utc(MONDAY, 8), utc(MONDAY, 18))]  # as usual

    hours(room.resource, (0, time(7), time(12)), (0, time(13), time(17)))
    hours(ct, (0, time(9), time(20)))

    table = Timetable(both, MONDAY, 1)
    assert table.hours_together(both, MONDAY) == [
        (utc(MONDAY, 9), utc(MONDAY, 12)),
        (utc(MONDAY, 13), utc(MONDAY, 17)),
    ]


def test_the_holiday_of_a_site_closes_what_is_not_open_on_holidays() -> None:
    ct = device()
    make.device("MR1", "MR")
    mr = Resource.objects.get(name="MR1")
    execute(ChangeResource(resource=str(mr.public_id), open_on_holidays=True), actor=OPERATOR)
    execute(SetHoliday(date=MONDAY, name="Everywhere"), actor=OPERATOR)
    execute(SetHoliday(date=MONDAY, name="Here", site="Test site"), actor=OPERATOR)

    table = Timetable([ct.pk, mr.pk], MONDAY, 2)

    assert table.holiday(ct.pk, MONDAY) == "Here"
    assert table.holiday(mr.pk, MONDAY) == ""
    assert table.holiday(ct.pk, MONDAY + timedelta(days=1)) == ""


def test_kept_time_is_released_by_itself_by_hand_or_never() -> None:
    ct = device(zone="Europe/Berlin")
    block = execute(
        ReserveBlock(
            resource=str(ct.public_id),
            label="Emergencies",
            weekday=0,
            opens=time(12),
            closes=time(13),
            valid_until=date(2026, 3, 16),
            kept_for=KeptFor(priorities=("STAT",)),
            release_hours_before=4,
        ),
        actor=OPERATOR,
    )
    execute(ReleaseBlock(block=block, day=date(2026, 3, 9)), actor=OPERATOR)

    first, second, third = Timetable([ct.pk], MONDAY, 28).kept(ct.pk)

    assert (first.start_at, first.end_at) == (utc(MONDAY, 11), utc(MONDAY, 12))
    assert first.release_at == utc(MONDAY, 7)
    assert not first.is_free_for_all(utc(MONDAY, 6, 59))
    assert first.is_free_for_all(utc(MONDAY, 7))
    assert second.is_free_for_all(utc(MONDAY, 0))  # by hand
    assert third.start_at == utc(date(2026, 3, 16), 11)


def test_closures_say_why_and_until_when() -> None:
    ct = device()
    key = str(ct.public_id)
    execute(
        AddClosure(resource=key, start_at=utc(MONDAY, 8), end_at=utc(MONDAY, 9), reason="Paint"),
        actor=OPERATOR,
    )
    execute(BeginDowntime(resource=key, reason="Tube", start_at=utc(MONDAY, 10)), actor=OPERATOR)

    paint, tube = Timetable([ct.pk], MONDAY, 1).closures(ct.pk)

    assert (paint.kind, paint.end_at, paint.reason) == (
        ClosureKind.CLOSURE,
        utc(MONDAY, 9),
        "Paint",
    )
    assert (tube.kind, tube.end_at) == (ClosureKind.DOWNTIME, None)
    assert tube.holds(utc(date(2031, 1, 1), 0))
    assert Timetable([ct.pk], date(2031, 1, 1), 1).closures(ct.pk) == [tube]


def test_a_device_is_down_with_its_room() -> None:
    device()
    make.device("MR1", "MR")
    room = Device.objects.get(ae_title="MR1").room
    assert room is not None
    execute(
        BeginDowntime(
            resource=str(room.resource.public_id),
            reason="Water",
            start_at=utc(MONDAY, 8),
            end_at=utc(MONDAY, 12),
        ),
        actor=OPERATOR,
    )

    with CaptureQueriesContext(connection) as asked:
        found = down_devices(utc(MONDAY, 9))

    assert len(asked) == 1
    assert list(found) == ["MR1"]
    assert (found["MR1"].resource_name, found["MR1"].until) == ("Room MR1", utc(MONDAY, 12))
    assert down_devices(utc(MONDAY, 12)) == {}


def test_any_number_of_resources_and_days_takes_five_queries() -> None:
    device()
    for number in range(10):
        make.device(f"US{number}", "US")
        hours(Resource.objects.get(name=f"US{number}"), (0, time(8), time(9)))
    keys = list(Resource.objects.values_list("pk", flat=True))

    with CaptureQueriesContext(connection) as asked:
        table = Timetable(keys, MONDAY, 28)
        for key in keys:
            for day in table.days:
                table.hours(key, day)
                table.holiday(key, day)
            table.kept(key)
            table.closures(key)

    assert len(asked) == 5


def test_what_is_said_of_a_moment() -> None:
    ct = device(zone="Europe/Berlin")
    hours(ct, (0, time(8), time(12)), (1, time(10), time(12)))
    execute(
        AddClosure(
            resource=str(ct.public_id), start_at=utc(MONDAY, 9), end_at=utc(MONDAY, 10), reason="QA"
        ),
        actor=OPERATOR,
    )
    execute(RegisterStaff(name="Ann Lee"), actor=OPERATOR)

    def said(hour: int, minute: int = 0) -> tuple[Now, datetime | None]:
        state = resource_lines(utc(MONDAY, hour, minute))[1].state
        return state.now, state.until

    tuesday = MONDAY + timedelta(days=1)
    assert said(6, 30) == (Now.SHUT, utc(MONDAY, 7))
    assert said(7) == (Now.OPEN, utc(MONDAY, 9))  # then it is closed
    assert said(9, 30) == (Now.CLOSED, utc(MONDAY, 10))
    assert said(10) == (Now.OPEN, utc(MONDAY, 11))
    assert said(11) == (Now.SHUT, utc(tuesday, 9))
    person = resource_lines(utc(MONDAY, 3))[2]
    assert (person.name, person.state.now, person.state.until) == ("Ann Lee", Now.HERE, None)


def test_a_device_in_no_room_stands_at_its_own_site_for_its_list_and_its_steps() -> None:
    """A mobile one: its worklist view, its safety questions and its clock are of one site."""
    ct = device(zone="Europe/Berlin")
    order = make.booked()
    Device.objects.update(room=None)
    Resource.objects.filter(pk=ct.pk).update(site=Site.objects.get())

    row = Device.objects.get()
    known = facility.device_by_ae("CT1")
    step = ScheduledProcedureStep.objects.get(procedure__order=order)

    assert site_of(row) == Site.objects.get()
    assert str(zone_at(row)) == "Europe/Berlin"
    assert known is not None
    assert known.site == "Test site"
    assert safety.subject_of(step, MONDAY).site == "Test site"


def test_a_device_in_a_room_is_where_its_room_is_whatever_its_own_row_says() -> None:
    """Whoever asks: the page of its patient, the figures of a day, the lists of a site."""
    ct = device(zone="Europe/Berlin")
    execute(RegisterSite(name="Far away"), actor=OPERATOR)
    order = make.performed()
    Room.objects.update(site=None)
    Resource.objects.filter(pk=ct.pk).update(site=Site.objects.order_by("id")[0])
    RequestedProcedure.objects.update(performed_at=make.NOON)

    assert site_of(Device.objects.get()) is None
    assert patient_links.site_of(make.appointment_of(order)) is None
    assert [key[0] for key in facts.exams(make.NOON.date())] == [None]
    assert not Device.objects.filter(at_site(isnull=False)).exists()
