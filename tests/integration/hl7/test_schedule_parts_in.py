"""SIU S18 to S22: a service or a resource of an appointment is added, changed or taken out.

The message carries the whole appointment; AIS-2, AIG-2, AIL-2 and AIP-2 say what became of each
part (table 0206: A, U, D, X for what is unchanged), or AIS-10 does (table 0278).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code
from ris.models import Appointment, DomainEvent, InboundMessage, Order
from ris.services import execute
from tests import make, people
from tests.integration.hl7.test_schedules_in import AT, PID, ordered, resources, sch, siu

pytestmark = pytest.mark.django_db

CHEST = "CTCHEST^CT chest^TEST"
HEAD = "CTHEAD^CT head^TEST"


@pytest.fixture(autouse=True)
def _rooms(accepting: None) -> None:
    make.site()
    make.device("CT1", room="CT room 1")
    make.device("CT2", room="CT room 2")


def part(
    number: int,
    code: str,
    start: str,
    *,
    ais: str = "A",
    rgs: str = "",
    station: str = "CT1",
    aig: str = "A",
    status: str = "",
    more: tuple[str, ...] = (),
) -> tuple[str, ...]:
    return (
        f"RGS|{number}|{rgs}",
        f"AIS|1|{ais}|{code}|{start}|||30|min||{status}",
        *((f"AIG|1|{aig}|{station}^CT|CT",) if station else ()),
        *more,
    )


def two_exams() -> Order:
    return ordered(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(),)),
            ProcedureRequest(
                code=Code("CTCHEST", "TEST", "CT chest"), steps=(make.step_request(),)
            ),
        ),
    )


def steps(order: Order) -> dict[str, tuple[str, datetime | None]]:
    return {
        step.procedure.code_value: (step.status, step.start_at)
        for procedure in order.procedures.all()
        for step in procedure.steps.select_related("procedure")
    }


def both_booked() -> Order:
    order = two_exams()
    told = siu(
        "S12",
        sch(),
        PID,
        *part(1, HEAD, "20290312100000"),
        *part(2, CHEST, "20290312103000"),
    )
    assert told == ["AA"]
    return order


def begin(order: Order) -> None:
    """The scanner begins the first exam."""
    assert make.step_of(order).procedure.code_value == "CTHEAD"
    execute(make.start(order), actor=people.ct1)


LATER = AT + timedelta(minutes=30)


@pytest.mark.parametrize("trigger", ["S18", "S14"])
def test_an_added_service_is_booked_and_the_one_that_stands_is_left_alone(trigger: str) -> None:
    order = two_exams()
    siu("S12", sch(), PID, *part(1, HEAD, "20290312100000"))

    told = siu(trigger, sch(), PID, *part(1, CHEST, "20290312103000", ais="A"))

    assert told == ["AA"]
    assert steps(order) == {"CTHEAD": ("SCHEDULED", AT), "CTCHEST": ("SCHEDULED", LATER)}


def test_an_added_service_in_front_of_the_others_is_the_one_that_is_booked() -> None:
    order = two_exams()
    siu("S12", sch(), PID, *part(1, HEAD, "20290312100000"))

    told = siu(
        "S18",
        sch(),
        PID,
        *part(1, CHEST, "20290312103000", ais="A"),
        *part(2, HEAD, "20290312100000", ais="X"),
    )

    assert told == ["AA"]
    assert steps(order) == {"CTHEAD": ("SCHEDULED", AT), "CTCHEST": ("SCHEDULED", LATER)}


def test_a_changed_resource_moves_the_exam_to_it() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu(
        "S19",
        sch(),
        PID,
        "RGS|1|U",
        f"AIS|1|X|{HEAD}|20290312100000|||30|min",
        "AIG|1|D|CT1^CT|CT",
        "AIG|2|A|CT2^CT|CT",
    )

    assert told == ["AA"]
    step = make.step_of(order)
    assert (step.start_at, step.station_ae_title) == (AT, "CT2")


@pytest.mark.parametrize(
    ("trigger", "voided"), [("S20", False), ("S21", False), ("S22", True), ("S14", False)]
)
@pytest.mark.parametrize("mark", [{"ais": "D"}, {"rgs": "D", "ais": ""}, {"status": "Cancelled"}])
def test_a_service_that_is_taken_out_gives_its_time_back_and_no_other(
    trigger: str, voided: bool, mark: dict[str, str]
) -> None:
    order = both_booked()

    told = siu(
        trigger,
        sch(),
        PID,
        *part(1, HEAD, "20290312100000", ais="X", aig="X"),
        *part(2, CHEST, "20290312103000", **{"ais": "U", **mark}),
    )

    assert told == ["AA"]
    assert steps(order) == {"CTHEAD": ("SCHEDULED", AT), "CTCHEST": ("PENDING", None)}
    gone = Appointment.objects.get(status="CANCELED")
    assert (gone.voided_at is not None) is voided


@pytest.mark.parametrize("trigger", ["S14", "S20"])
def test_a_service_taken_out_twice_takes_no_other_with_it(trigger: str) -> None:
    order = both_booked()
    only = part(2, CHEST, "20290312103000", ais="D")
    assert siu(trigger, sch(), PID, *only) == ["AA"]

    assert siu(trigger, sch(), PID, *only) == ["AA"]

    assert steps(order) == {"CTHEAD": ("SCHEDULED", AT), "CTCHEST": ("PENDING", None)}
    assert DomainEvent.objects.filter(name="AppointmentCanceled").count() == 1


def test_what_is_unchanged_is_not_told_of_as_changed() -> None:
    both_booked()

    siu(
        "S20",
        sch(),
        PID,
        *part(1, HEAD, "20290312100000", ais="", aig=""),
        *part(2, CHEST, "20290312103000", ais="D"),
    )

    assert not DomainEvent.objects.filter(name="AppointmentModified").exists()


def test_the_device_that_an_exam_needs_is_not_taken_out() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu("S20", sch(), PID, "RGS|1|U", f"AIS|1|X|{HEAD}|20290312100000", "AIG|1|D|CT1^CT|CT")

    assert told == ["AE", "207 AIG^1^3"]
    step = make.step_of(order)
    assert (step.status, step.station_ae_title) == ("SCHEDULED", "CT1")
    refused = InboundMessage.objects.get(state="REJECTED")
    assert refused.error == (
        "the exam needs CT1: name another device instead, or take the service out"
    )


def test_the_room_that_an_exam_needs_is_not_taken_out() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources(station="", room="CT room 1"))

    told = siu("S22", sch(), PID, "RGS|1|U", f"AIS|1|X|{HEAD}", "AIL|1|D|CT room 1")

    assert told == ["AE", "207 AIL^1^3"]
    assert make.step_of(order).station_ae_title == "CT1"


def test_a_device_that_the_exam_does_not_use_is_taken_out_without_effect() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu("S20", sch(), PID, "RGS|1|U", f"AIS|1|X|{HEAD}", "AIG|1|D|CT2^CT|CT")

    assert told == ["AA"]
    assert make.step_of(order).station_ae_title == "CT1"


def test_a_person_who_is_taken_out_no_longer_does_the_exam() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources(), "AIP|1|A|0300^Radic^Rita|RAD")
    assert make.step_of(order).performing_physician == "Radic^Rita"

    told = siu("S20", sch(), PID, "RGS|1|U", f"AIS|1|X|{HEAD}", "AIP|1|D|0300^Radic^Rita|RAD")

    assert told == ["AA"]
    assert make.step_of(order).performing_physician == ""
    assert make.step_of(order).status == "SCHEDULED"


@pytest.mark.parametrize("trigger", ["S20", "S21", "S22"])
def test_what_is_taken_out_has_to_be_said(trigger: str) -> None:
    order = both_booked()

    told = siu(trigger, sch(), PID, *part(1, HEAD, "20290312100000", ais=""))

    assert told == ["AE", "101 AIS^1^2"]
    assert steps(order)["CTHEAD"] == ("SCHEDULED", AT)


@pytest.mark.parametrize("trigger", ["S18", "S19", "S20", "S21", "S22"])
def test_the_end_of_the_whole_appointment_is_no_change_of_a_part(trigger: str) -> None:
    order = both_booked()

    told = siu(trigger, sch("Cancelled"), PID, *part(1, HEAD, "20290312100000", ais="D"))

    assert told == ["AE", "102 SCH^1^25"]
    assert steps(order)["CTHEAD"] == ("SCHEDULED", AT)


@pytest.mark.parametrize("trigger", ["S18", "S20"])
def test_another_service_changes_while_one_is_under_way(trigger: str) -> None:
    """SCH-25 tells of the whole: what is asked for the other exam is not lost behind it."""
    order = both_booked()
    begin(order)
    asked = (
        part(2, CHEST, "20290312103000", ais="D")
        if trigger == "S20"
        else part(2, CHEST, "20290312110000", ais="U")
    )

    told = siu(
        trigger, sch("Started"), PID, *part(1, HEAD, "20290312100000", ais="X", aig="X"), *asked
    )

    assert told == ["AA"]
    expected = ("PENDING", None) if trigger == "S20" else ("SCHEDULED", AT + timedelta(hours=1))
    assert steps(order) == {"CTHEAD": ("STARTED", AT), "CTCHEST": expected}


def test_an_exam_that_began_is_not_taken_out_and_no_other_instead() -> None:
    order = both_booked()
    begin(order)

    told = siu("S20", sch(), PID, *part(1, HEAD, "20290312100000", ais="D"))

    assert told == ["AE", "207 AIS^1^3"]
    assert steps(order)["CTCHEST"] == ("SCHEDULED", LATER)


def test_the_event_of_a_query_is_no_event_of_a_schedule() -> None:
    """S25 is that of SQM, which asks for free times."""
    assert siu("S25", sch(), PID) == ["AR", "201 MSH^1^9^1^2"]
    assert InboundMessage.objects.get().error == "this event is not served"
