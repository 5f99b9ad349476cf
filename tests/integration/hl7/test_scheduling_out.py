"""SIU for bookings, moves, cancellations and no-shows (HL7 v2.5.1 10.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from integration.hl7.from_domain.scheduling import APPOINTMENTS, siu
from ris.domain.protocol import StoredEvent
from ris.domain.values import Identifier
from ris.selectors.appointments import AppointmentNumbers
from ris.selectors.views import OrderView
from tests.integration.hl7 import views
from tests.integration.hl7.oracles import field, segments, written


def told(event: StoredEvent, order: OrderView | None = None, **settings: Any) -> str:
    profile = views.profile(**settings)
    return written(siu(event, order or views.order(), profile), profile)


@pytest.mark.parametrize(
    ("name", "trigger", "status", "action"),
    [
        ("AppointmentBooked", "S12", "Booked", "A"),
        ("AppointmentMoved", "S13", "Booked", "U"),
        ("AppointmentModified", "S14", "Booked", "U"),
        ("AppointmentCanceled", "S15", "Cancelled", "D"),
        ("NoShowRecorded", "S26", "Noshow", "U"),
    ],
)
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5.1"])
def test_each_event_has_its_trigger(
    name: str, trigger: str, status: str, action: str, version: str
) -> None:
    text = told(views.booked(name), version=version)

    named = f"SIU^{trigger}" if version == "2.3.1" else f"SIU^{trigger}^SIU_S12"
    assert field(text, "MSH-9") == named
    assert field(text, "SCH-25") == f"{status}^^HL70278"
    assert field(text, "RGS-2") == action
    assert [line[:3] for line in text.split("\r") if line] == [
        "MSH", "SCH", "PID", "PV1", "RGS", "AIS", "AIG", "AIL", "AIP",
    ]  # fmt: skip


def test_all_appointment_events_are_told() -> None:
    assert set(APPOINTMENTS) == {
        "AppointmentBooked", "AppointmentMoved", "AppointmentModified", "AppointmentCanceled",
        "NoShowRecorded",
    }  # fmt: skip


def test_what_is_booked_when_and_where() -> None:
    text = told(views.booked())

    assert field(text, "SCH-1") == "PL1^EHR"
    assert field(text, "SCH-2") == "appointment-1^RIS"
    assert field(text, "SCH-7") == "^headache"
    assert field(text, "SCH-11") == "^^M20^20260303100000+0100^20260303102000+0100"
    assert field(text, "SCH-26") == "PL1^EHR"
    assert field(text, "SCH-27") == "F000000001^RIS"
    assert field(text, "AIS-3") == "CTHEAD^CT head^L"
    assert field(text, "AIS-4") == "20260303100000+0100"
    assert field(text, "AIG-3") == "CT1"
    assert field(text, "AIL-3") == "Room 1"
    assert field(text, "AIP-3") == "^Radic^Rita"


def test_order_numbers_have_no_field_before_2_4() -> None:
    (sch,) = segments(told(views.booked(), version="2.3.1"), "SCH")

    assert len(sch.split("|")) - 1 == 25


def test_time_and_station_are_those_of_the_event() -> None:
    since = views.step(start_at=datetime(2026, 4, 1, 7, 0, tzinfo=UTC), station_ae_title="CT2")
    order = views.order(procedures=(views.procedure(steps=(since,)),))

    text = told(views.booked("AppointmentMoved"), order)

    assert field(text, "AIS-4") == "20260303100000+0100"
    assert field(text, "AIG-3") == "CT1"
    assert segments(text, "AIL") == []  # the room of CT1 is not known from here any more


def test_the_reason_of_a_cancellation_goes_before_that_of_the_exam() -> None:
    text = told(views.booked("AppointmentCanceled", reason="machine down"))

    assert field(text, "SCH-7") == "^machine down"


def test_an_order_without_placer_number_has_appointments_too() -> None:
    text = told(views.booked(), views.order(placer=Identifier("")))

    assert field(text, "SCH-1") == ""
    assert field(text, "SCH-2") == "appointment-1^RIS"


def test_a_step_of_another_order_is_not_told() -> None:
    order = views.order()
    elsewhere = replace(order, procedures=())

    assert siu(views.booked(), elsewhere, views.profile()) is None


def test_the_number_of_the_scheduler_goes_before_that_of_the_order() -> None:
    profile = views.profile()
    numbers = AppointmentNumbers(placer=Identifier("APT1", "HIS"))

    text = written(siu(views.booked(), views.order(), profile, numbers), profile)

    assert field(text, "SCH-1") == "APT1^HIS"
    assert field(text, "SCH-26") == "PL1^EHR"


def test_a_group_of_orders_is_named() -> None:
    assert field(told(views.booked(), views.order(group_number="G7")), "SCH-4") == "G7"
