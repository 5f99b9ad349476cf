"""SIU S27: the schedule of a day told again, one appointment a message (HL7 v2.6 10.4.16)."""

from __future__ import annotations

import pytest

from ris.models import Appointment, DomainEvent
from tests import make
from tests.integration.hl7.test_schedules_in import AT, PID, ordered, resources, sch, siu

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rooms(accepting: None) -> None:
    make.site()
    make.device("CT1", room="CT room 1")


def test_what_was_not_known_is_booked() -> None:
    order = ordered()

    assert siu("S27", sch(), PID, *resources(), version="2.6") == ["AA"]

    assert (make.step_of(order).status, make.appointment_of(order).start_at) == ("SCHEDULED", AT)


def test_what_is_booked_is_no_news() -> None:
    ordered()
    siu("S12", sch(), PID, *resources())
    before = DomainEvent.objects.count()

    assert siu("S27", sch(), PID, *resources()) == ["AA"]

    assert (Appointment.objects.count(), DomainEvent.objects.count()) == (1, before)


def test_what_is_told_at_another_time_moves_nothing() -> None:
    """A list of yesterday is not newer than what was agreed since: an S13 moves."""
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu("S27", sch(start="20290312120000"), PID, *resources("20290312120000"))

    assert told == ["AE", "205 SCH^1^1"]
    assert make.appointment_of(order).start_at == AT


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Cancelled", "CANCELED"), ("Noshow", "NO_SHOW"), ("Started", "BOOKED")],
)
def test_how_an_appointment_stands_is_said_by_its_status(status: str, expected: str) -> None:
    ordered()
    siu("S12", sch(), PID, *resources())

    assert siu("S27", sch(status), PID, *resources()) == ["AA"]

    assert Appointment.objects.get().status == expected


def test_what_only_waits_is_not_booked() -> None:
    order = ordered()

    assert siu("S27", sch("Waitlist"), PID, *resources()) == ["AA"]

    assert make.step_of(order).status == "PENDING"


def test_what_is_canceled_is_no_news_either() -> None:
    ordered()
    siu("S12", sch(), PID, *resources())
    siu("S15", sch("Cancelled"), PID)

    assert siu("S27", sch("Cancelled"), PID, *resources()) == ["AA"]

    assert Appointment.objects.get().status == "CANCELED"
