"""SIU in: what the hospital's scheduler did is done on our calendar, and nothing more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.exchange import MessageState
from ris.domain.orders import HoldOrder, OrderDetails, OrderReference, ProcedureRequest
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Code, Identifier
from ris.models import Appointment, Device, DomainEvent, InboundMessage, Order
from ris.services import execute
from tests import make, people
from tests.integration.hl7.intake import answered
from tests.integration.hl7.messages import text

pytestmark = pytest.mark.django_db

PID = "PID|1||4711^^^HOSP^MR||Berg^Anna||19700503|F"
# 10:00 in Vienna on a winter's day.
AT = datetime(2029, 3, 12, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rooms(accepting: None) -> None:
    make.site()
    make.device("CT1", room="CT room 1")
    make.device("CT2", room="CT room 2")


def sch(
    status: str = "Booked",
    *,
    numbers: str = "APT1^HIS|",
    placer: str = "PL1^HIS",
    filler: str = "",
    reason: str = "",
    start: str = "20290312100000",
) -> str:
    timing = f"^^M30^{start}" if start else ""
    return (
        f"SCH|{numbers}||||{reason}|^headache||||{timing}||||||||||||||{status}|{placer}|{filler}"
    )


def resources(
    start: str = "20290312100000",
    *,
    code: str = "CTHEAD^CT head^TEST",
    minutes: str = "30|min",
    station: str = "CT1",
    room: str = "",
    number: int = 1,
) -> tuple[str, ...]:
    said = [f"RGS|{number}|A", f"AIS|1|A|{code}|{start}|||{minutes}"]
    if station:
        said.append(f"AIG|1|A|{station}^CT one|CT")
    if room:
        said.append(f"AIL|1|A|{room}")
    return tuple(said)


_keys = iter(range(1, 10_000))


def siu(trigger: str, *segments: str, version: str = "2.5.1") -> list[str]:
    """MSA-1, and code and place of each fault of the answer."""
    message = text(
        *segments, message_type=f"SIU^{trigger}^SIU_S12", key=f"S{next(_keys)}", version=version
    )
    return answered(message)


def ordered(number: str = "PL1", **fields: object) -> Order:
    return make.order(
        placer=Identifier(number, "HIS"),
        patient=fields.pop("patient", None) or make.patient("4711"),
        **fields,
    )


def test_a_booking_puts_the_step_where_the_scheduler_says() -> None:
    order = ordered()

    assert siu("S12", sch(), PID, *resources()) == ["AA"]

    step = make.step_of(order)
    assert (step.status, step.start_at, step.station_ae_title) == ("SCHEDULED", AT, "CT1")
    assert step.duration_minutes == 30
    assert list(make.appointment_of(order).numbers.values_list("kind", "value", "issuer")) == [
        ("placer", "APT1", "HIS")
    ]


def test_the_same_booking_once_more_changes_nothing() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    assert siu("S12", sch(), PID, *resources()) == ["AA"]

    assert Appointment.objects.count() == 1
    assert make.appointment_of(order).version == Appointment.objects.get().version


def test_a_number_that_is_booked_cannot_be_booked_at_another_time() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu("S12", sch(start="20290312120000"), PID, *resources("20290312120000"))

    assert told == ["AE", "205 SCH^1^1"]
    assert make.appointment_of(order).start_at == AT


def test_an_ae_title_is_the_device_that_has_it_whatever_others_are_called() -> None:
    Device.objects.filter(ae_title="CT2").update(station_name="CT1")
    make.booked(AT)
    ordered()

    assert siu("S12", sch(), PID, *resources()) == ["AE", "207 AIS^1^4"]


def test_a_move_is_found_by_the_number_alone() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    told = siu(
        "S13", sch(placer=""), PID, *resources("20290312140000", station="", room="CT room 2")
    )

    assert told == ["AA"]
    step = make.step_of(order)
    assert (step.start_at, step.station_ae_title) == (AT + timedelta(hours=4), "CT2")
    assert Appointment.objects.count() == 1


def test_a_change_of_the_duration_is_no_move() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    assert siu("S14", sch(), PID, *resources(minutes="45|min")) == ["AA"]

    assert make.step_of(order).duration_minutes == 45
    names = DomainEvent.objects.filter(subject_type="Appointment").values_list("name", flat=True)
    assert list(names) == ["AppointmentBooked", "AppointmentModified"]


def test_what_is_taken_is_refused_with_its_place_and_waits_for_a_person() -> None:
    make.booked(AT)
    order = ordered()

    told = siu("S12", sch(), PID, *resources())

    assert told == ["AE", "207 AIS^1^4"]
    assert make.step_of(order).status == "PENDING"
    message = InboundMessage.objects.get(message_type="SIU^S12")
    assert (message.state, message.error_path) == (MessageState.REJECTED.value, "AIS-4")


def test_what_the_scheduler_booked_over_is_booked_over_and_flagged() -> None:
    make.booked(AT)
    order = ordered()

    assert siu("S12", sch("Overbook"), PID, *resources()) == ["AA"]

    assert make.appointment_of(order).overbooked is True


def test_what_was_booked_over_needs_no_device_by_name() -> None:
    make.booked(AT)
    make.booked(AT, station="CT2")
    order = ordered()

    taken = siu("S12", sch(), PID, *resources(station=""))
    over = siu("S12", sch("Overbook"), PID, *resources(station=""))

    assert (taken, over) == (["AE", "207 AIS^1^4"], ["AA"])
    assert make.appointment_of(order).overbooked is True
    assert make.step_of(order).station_ae_title == "CT1"


@pytest.mark.parametrize(
    ("trigger", "status", "step", "appointment"),
    [
        ("S15", "Cancelled", "PENDING", "CANCELED"),
        ("S16", "Dc", "PENDING", "CANCELED"),
        ("S17", "Deleted", "PENDING", "CANCELED"),
        ("S26", "Noshow", "NO_SHOW", "NO_SHOW"),
        ("S14", "Cancelled", "PENDING", "CANCELED"),
        ("S14", "Noshow", "NO_SHOW", "NO_SHOW"),
        ("S14", "Arrived", "ARRIVED", "ARRIVED"),
        ("S14", "Complete", "SCHEDULED", "BOOKED"),
    ],
)
def test_what_else_becomes_of_an_appointment(
    trigger: str, status: str, step: str, appointment: str
) -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    assert siu(trigger, sch(status, reason="^machine down"), PID, *resources()) == ["AA"]

    assert make.step_of(order).status == step
    (stored,) = Appointment.objects.all()
    assert stored.status == appointment
    assert (stored.voided_at is not None) is (trigger == "S17")


def test_a_cancellation_gives_the_time_back_with_its_reason() -> None:
    ordered()
    siu("S12", sch(), PID, *resources())

    siu("S15", sch("Cancelled", reason="^machine down"), PID)

    (event,) = DomainEvent.objects.filter(name="AppointmentCanceled")
    assert (event.payload["reason"], event.payload["followed"]) == ("machine down", True)
    assert not Appointment.objects.get().bookings.filter(live=True).exists()


def test_a_cancellation_twice_is_one() -> None:
    ordered()
    siu("S12", sch(), PID, *resources())
    siu("S15", sch("Cancelled"), PID)

    assert siu("S15", sch("Cancelled"), PID) == ["AA"]
    assert DomainEvent.objects.filter(name="AppointmentCanceled").count() == 1


def test_after_a_cancellation_the_number_can_be_booked_again() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())
    siu("S15", sch("Cancelled"), PID)

    assert siu("S12", sch(), PID, *resources("20290312150000")) == ["AA"]
    assert make.step_of(order).start_at == AT + timedelta(hours=5)


def test_an_order_nobody_placed_is_an_unknown_key_until_it_comes() -> None:
    told = siu("S12", sch(), PID, *resources())

    assert told == ["AE", "204 SCH^1^26"]
    message = InboundMessage.objects.get(message_type="SIU^S12")
    assert message.state == MessageState.REJECTED.value


def test_an_appointment_without_an_order_is_refused() -> None:
    assert siu("S12", sch(placer=""), PID, *resources()) == ["AE", "101 SCH^1^26"]


def test_an_unknown_appointment_is_not_moved() -> None:
    assert siu("S15", sch("Cancelled", placer=""), PID) == ["AE", "204 SCH^1^1"]


def test_another_patients_appointment_is_refused() -> None:
    order = ordered()
    make.order(patient=make.patient("4712"))

    told = siu("S12", sch(), "PID|1||4712^^^HOSP^MR||Berg^Anna||19700503|F", *resources())

    assert told == ["AE", "207 PID^1^3"]
    assert make.step_of(order).status == "PENDING"


def test_numbers_of_two_orders_are_refused() -> None:
    ordered()
    other = ordered("PL2")

    told = siu("S12", sch(filler=f"{other.filler_order_number}^RIS"), PID, *resources())

    assert told == ["AE", "205 SCH^1^27"]


def test_a_device_we_do_not_have_is_refused() -> None:
    ordered()

    told = siu("S12", sch(), PID, *resources(station="MR77"))

    assert told == ["AE", "204 AIG^1^3"]


def test_a_device_of_another_kind_is_refused() -> None:
    make.device("MR1", "MR")
    ordered()

    assert siu("S12", sch(), PID, *resources(station="MR1")) == ["AE", "102 AIG^1^3"]


def test_without_a_resource_the_first_free_device_is_taken() -> None:
    make.booked(AT)
    order = ordered()

    assert siu("S12", sch(), PID, *resources(station="")) == ["AA"]
    assert make.step_of(order).station_ae_title == "CT2"


def test_the_time_may_stand_in_sch_alone() -> None:
    order = ordered()

    assert siu("S12", sch(), PID) == ["AA"]
    assert make.step_of(order).start_at == AT


def test_the_time_may_stand_in_tq1() -> None:
    order = ordered()

    told = siu("S12", sch(start=""), "TQ1|1||||||20290312110000+0200|20290312114000+0200", PID)

    assert told == ["AA"]
    step = make.step_of(order)
    assert (step.start_at, step.duration_minutes) == (AT, 40)


def test_a_day_is_no_time() -> None:
    ordered()

    assert siu("S12", sch(start=""), PID, *resources("20290312")) == ["AE", "102 AIS^1^4"]


def test_all_faults_are_told_at_once() -> None:
    ordered()

    told = siu("S12", sch("Perhaps", start=""), PID, *resources("tomorrow"))

    assert told == ["AE", "103 SCH^1^25", "102 AIS^1^4"]


def test_the_scheduler_is_followed_over_a_wish_of_the_order() -> None:
    order = ordered(start_at=AT + timedelta(hours=1))
    assert make.step_of(order).status == "SCHEDULED"

    assert siu("S12", sch(), PID, *resources()) == ["AA"]
    assert make.step_of(order).start_at == AT


def test_a_time_agreed_here_is_not_overwritten_by_a_booking() -> None:
    order = ordered()
    execute(
        BookAppointment(
            step=str(make.step_of(order).public_id), device="CT1", start_at=AT + timedelta(hours=1)
        ),
        actor=people.scheduler,
    )

    assert siu("S12", sch(), PID, *resources()) == ["AE", "207 AIS^1^4"]
    assert make.step_of(order).start_at == AT + timedelta(hours=1)


def test_our_own_number_of_the_appointment_names_it() -> None:
    order = make.booked(AT, patient=make.patient("4711"))
    ours = make.appointment_of(order).public_id

    told = siu(
        "S13",
        sch(numbers=f"|{ours}^RIS", placer=""),
        PID,
        *resources("20290312130000"),
    )

    assert told == ["AA"]
    assert make.step_of(order).start_at == AT + timedelta(hours=3)


def test_who_is_there_already_is_moved_to_another_room_of_that_day() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())
    siu("S14", sch("Arrived"), PID)

    assert siu("S13", sch(), PID, *resources("20290312150000", station="CT2")) == ["AA"]

    step = make.step_of(order)
    assert (step.status, step.start_at) == ("ARRIVED", AT + timedelta(hours=5))
    assert (step.station_ae_title, make.appointment_of(order).status) == ("CT2", "ARRIVED")


def test_who_is_there_already_is_not_moved_to_another_day() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())
    siu("S14", sch("Arrived"), PID)

    told = siu("S13", sch(), PID, *resources("20290313150000"))

    assert told == ["AE", "207 AIS^1^4"]
    assert make.step_of(order).start_at == AT


def test_each_service_goes_to_its_procedure() -> None:
    chest = Code("CTCHEST", "TEST", "CT chest")
    order = ordered(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(),)),
            ProcedureRequest(code=chest, steps=(make.step_request(),)),
        ),
        details=OrderDetails(reason="fall"),
    )

    told = siu(
        "S12",
        sch(),
        PID,
        *resources("20290312103000", code="CTCHEST^CT chest^TEST"),
        *resources("20290312100000", number=2),
    )

    assert told == ["AA"]
    steps = {
        step.procedure.code_value: step.start_at
        for procedure in order.procedures.all()
        for step in procedure.steps.select_related("procedure")
    }
    assert steps == {"CTHEAD": AT, "CTCHEST": AT + timedelta(minutes=30)}


def test_which_of_two_procedures_is_meant_is_not_guessed() -> None:
    chest = Code("CTCHEST", "TEST", "CT chest")
    ordered(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(),)),
            ProcedureRequest(code=chest, steps=(make.step_request(),)),
        ),
    )

    told = siu("S12", sch(), PID, *resources(code="CTKNEE^CT knee^TEST"))

    assert told == ["AE", "204 AIS^1^3"]


def test_the_steps_of_one_procedure_follow_one_another() -> None:
    order = ordered(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(make.step_request(duration_minutes=20), make.step_request()),
            ),
        ),
    )

    assert siu("S12", sch(), PID, *resources()) == ["AA"]

    starts = [step.start_at for step in order.procedures.get().steps.order_by("id")]
    assert starts == [AT, AT + timedelta(minutes=20)]
    assert siu("S15", sch("Cancelled"), PID) == ["AA"]
    states = {step.status for step in order.procedures.get().steps.all()}
    assert states == {"PENDING"}


def test_before_2_4_the_order_is_named_by_sch_1() -> None:
    order = ordered()

    told = siu(
        "S12", "SCH|PL1^HIS||||||^headache||||^^M30^20290312100000", PID, *resources(),
        version="2.3.1",
    )  # fmt: skip

    assert told == ["AA"]
    assert make.step_of(order).start_at == AT


def test_the_performing_physician_is_on_the_step() -> None:
    order = ordered()

    siu("S12", sch(), PID, *resources(), "AIP|1|A|0300^Radic^Rita|RAD")

    assert make.step_of(order).performing_physician == "Radic^Rita"


def test_an_order_on_hold_is_not_booked() -> None:
    order = ordered()
    execute(HoldOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)

    assert siu("S12", sch(), PID, *resources()) == ["AE", "207 SCH^1^26"]


def test_what_is_not_confirmed_books_nothing_until_it_is() -> None:
    order = ordered()

    assert siu("S12", sch("Pending"), PID, *resources()) == ["AA"]
    assert make.step_of(order).status == "PENDING"

    assert siu("S14", sch(), PID, *resources()) == ["AA"]
    assert make.step_of(order).start_at == AT


def test_a_booked_time_does_not_become_unconfirmed_in_silence() -> None:
    order = ordered()
    siu("S12", sch(), PID, *resources())

    assert siu("S14", sch("Waitlist"), PID, *resources()) == ["AE", "102 SCH^1^25"]
    assert make.step_of(order).status == "SCHEDULED"
