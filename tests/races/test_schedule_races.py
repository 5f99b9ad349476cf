"""Appointments and reports of other systems beside each other and beside a scanner."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from ris.domain.actors import endpoint_actor
from ris.domain.errors import RisError
from ris.domain.orders import OrderReference
from ris.domain.results import FileResult, ResultLevel, ResultReference
from ris.domain.scheduling import FollowSchedule, ScheduleChange, ScheduledService
from ris.domain.values import Identifier
from ris.models import Appointment, Booking, Order, PerformedProcedureStep, ReportVersion
from ris.services import execute
from tests import make, people
from tests.races.at_once import together

pytestmark = pytest.mark.django_db(transaction=True)

scheduler = endpoint_actor("Scheduler", None, "127.0.0.1")
dictation = endpoint_actor("Dictation", None, "127.0.0.1")


def told(order: Order, change: ScheduleChange, hours: int, number: str = "APT1") -> FollowSchedule:
    return FollowSchedule(
        change=change,
        order=OrderReference(public_id=str(order.public_id)),
        placer=Identifier(number, "SCHED"),
        services=(
            ScheduledService(
                start_at=make.NOON + timedelta(hours=hours), duration_minutes=30, stations=("CT1",)
            ),
        ),
    )


def test_one_exam_is_booked_once_however_often_it_is_told_at_the_same_moment() -> None:
    make.site()
    make.device()
    order = make.order()

    results = together(
        *(
            partial(
                execute, told(order, ScheduleChange.BOOK, hours, f"APT{hours}"), actor=scheduler
            )
            for hours in range(1, 5)
        )
    )

    assert len([one for one in results if not isinstance(one, RisError)]) == 1
    assert Appointment.objects.count() == 1
    assert Booking.objects.filter(live=True).count() == 2  # the device and its room


def test_one_time_is_given_to_one_exam() -> None:
    make.site()
    make.device()
    orders = [make.order() for _ in range(4)]

    results = together(
        *(
            partial(execute, told(order, ScheduleChange.BOOK, 1, f"APT{n}"), actor=scheduler)
            for n, order in enumerate(orders)
        )
    )

    assert len([one for one in results if not isinstance(one, RisError)]) == 1
    assert Appointment.objects.count() == 1


def test_a_cancellation_racing_the_scanner_ends_one_way_or_the_other() -> None:
    make.site()
    make.device()
    order = make.booked()
    begin = make.start(order)

    canceled, started = together(
        lambda: execute(told(order, ScheduleChange.CANCEL, 0), actor=scheduler),
        lambda: execute(begin, actor=people.ct1),
    )

    assert PerformedProcedureStep.objects.count() == 1
    assert not isinstance(started, RisError)
    step = make.step_of(order)
    if isinstance(canceled, RisError):
        assert step.status == "STARTED"
    else:
        assert Appointment.objects.get().status in {"CANCELED", "FULFILLED"}


def test_the_same_report_from_two_connections_is_one_version() -> None:
    make.site()
    make.device()
    order = make.performed()
    command = FileResult(
        references=(ResultReference(order=OrderReference(public_id=str(order.public_id))),),
        level=ResultLevel.FINAL,
        trusted=ResultLevel.FINAL,
        sections={"impression": "Normal."},
    )

    results = together(*(lambda: execute(command, actor=dictation) for _ in range(4)))

    assert not [one for one in results if isinstance(one, RisError)]
    assert ReportVersion.objects.count() == 1
