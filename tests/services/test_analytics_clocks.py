"""Figures of a group of sites: each day is that of the clock where the device stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django.fixtures import Settings

from ris.domain.actors import OPERATOR
from ris.domain.facility import RegisterRoom, RegisterSite
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.scheduling import BookAppointment
from ris.models import DeviceFact, ExamFact, FactDay, Order, Site
from ris.selectors import analytics as figures_of
from ris.selectors.analytics import Wanted
from ris.services import analytics, as_of, execute
from tests import make, people

# Tuesday evening in New York; Berlin is six hours ahead: Wednesday, half past one in the morning.
EVENING = datetime(2026, 1, 21, 0, 30, tzinfo=UTC)
TUESDAY, WEDNESDAY = date(2026, 1, 20), date(2026, 1, 21)
NOW = datetime(2026, 1, 23, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def group(settings: Settings) -> Iterator[time_machine.Traveller]:
    settings.TIME_ZONE = "Europe/Berlin"
    with time_machine.travel(NOW, tick=False) as traveller:
        make.site("Europe/Berlin")
        execute(RegisterSite(name="New York", time_zone="America/New_York"), actor=OPERATOR)
        execute(RegisterRoom(name="CT far", site="New York"), actor=OPERATOR)
        make.device("CT9", room="CT far")
        make.definition()
        yield traveller


def booked(start_at: datetime, station: str = "CT9", **more: Any) -> Order:
    with as_of(start_at - timedelta(hours=5)):
        order = make.order(**more)
        execute(
            BookAppointment(
                step=str(make.step_of(order).public_id),
                device=station,
                start_at=start_at,
                overbook=True,
                reason="agreed with the room",
            ),
            actor=people.scheduler,
        )
    return order


def done(start_at: datetime, minutes: int = 10, station: str = "CT9") -> Order:
    order = booked(start_at, station)
    command = make.start(order, started_at=start_at, station_ae_title=station)
    with as_of(start_at):
        execute(command, actor=people.ct1)
    with as_of(start_at + timedelta(minutes=minutes)):
        execute(
            CompletePerformedStep(
                sop_instance_uid=command.sop_instance_uid,
                details=PerformedDetails(
                    ended_at=start_at + timedelta(minutes=minutes), series=(make.series(),)
                ),
            ),
            actor=people.ct1,
        )
    return order


def counted() -> None:
    analytics.rebuild(TUESDAY - timedelta(days=1), WEDNESDAY + timedelta(days=1))


def of(day: date) -> DeviceFact:
    return DeviceFact.objects.get(day=day, device__ae_title="CT9")


def test_an_exam_counts_for_the_day_and_the_hour_of_its_site() -> None:
    done(EVENING)

    counted()

    (fact,) = ExamFact.objects.all()
    assert (fact.day, fact.site, fact.hours) == (
        TUESDAY,
        Site.objects.get(name="New York"),
        {"19": 1},
    )


def test_a_device_is_booked_and_used_on_the_day_on_which_it_is_open() -> None:
    done(EVENING)

    counted()

    tuesday, wednesday = of(TUESDAY), of(WEDNESDAY)
    assert (tuesday.appointments, tuesday.booked_minutes, tuesday.used_minutes) == (1, 20, 10)
    assert (wednesday.appointments, wednesday.booked_minutes, wednesday.used_minutes) == (0, 0, 0)


def test_what_goes_on_over_midnight_is_divided_between_the_days() -> None:
    done(datetime(2026, 1, 21, 4, 50, tzinfo=UTC), minutes=25)  # ten to midnight in New York

    counted()

    tuesday, wednesday = of(TUESDAY), of(WEDNESDAY)
    assert (tuesday.appointments, tuesday.booked_minutes, tuesday.used_minutes) == (1, 10, 10)
    assert (wednesday.appointments, wednesday.booked_minutes, wednesday.used_minutes) == (0, 10, 15)


def test_the_day_of_a_site_that_is_ahead_is_counted_as_it_begins(
    group: time_machine.Traveller,
) -> None:
    execute(RegisterSite(name="Tokyo", time_zone="Asia/Tokyo"), actor=OPERATOR)
    execute(RegisterRoom(name="CT ahead", site="Tokyo"), actor=OPERATOR)
    make.device("CT8", room="CT ahead")
    friday_morning = datetime(2026, 1, 22, 23, 30, tzinfo=UTC)  # Thursday evening here
    done(friday_morning - timedelta(minutes=30), station="CT8")
    group.move_to(friday_morning)

    while analytics.run_due():
        pass

    assert ExamFact.objects.get().day == date(2026, 1, 23)
    assert FactDay.objects.latest("day").day == date(2026, 1, 23)


def test_what_changes_is_counted_again_on_the_day_of_its_site(
    group: time_machine.Traveller,
) -> None:
    order = done(EVENING)
    while analytics.run_due():
        pass
    group.shift(timedelta(hours=1))

    with as_of(NOW + timedelta(hours=1)):
        make.final_report(order)
    group.shift(timedelta(minutes=10))
    analytics.run_due()

    assert "done-final" in ExamFact.objects.get(day=TUESDAY).legs


def test_the_past_of_a_device_that_was_retired_stays_in_the_figures() -> None:
    done(EVENING)
    counted()
    make.device("CT9", room="CT far", active=False)

    counted()

    fact = of(TUESDAY)
    assert (fact.open_minutes, fact.booked_minutes, fact.used_minutes) == (600, 20, 10)


def test_the_next_free_time_is_told_by_the_clock_of_its_site() -> None:
    found = figures_of.third_next()

    # Friday noon in Berlin; in New York it is early in the morning, and the room opens at eight.
    (line,) = found
    assert (line.at, line.days, str(line.zone)) == (
        datetime(2026, 1, 23, 14, 0, tzinfo=UTC),
        0,
        "America/New_York",
    )


def test_the_next_free_times_are_those_of_the_chosen_site_and_modality() -> None:
    make.device("CT1", room="CT near")
    make.device("MR1", "MR", room="MR near")
    far = str(Site.objects.get(name="New York").public_id)

    of_far = figures_of.third_next(Wanted(first=TUESDAY, last=WEDNESDAY, site=far))
    of_mr = figures_of.third_next(Wanted(first=TUESDAY, last=WEDNESDAY, modality="MR"))

    assert [line.modality for line in of_far] == ["CT"]
    assert [line.modality for line in of_mr] == ["MR"]
