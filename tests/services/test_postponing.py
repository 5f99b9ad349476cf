"""A room runs late: what its exams would be later by, who cannot, and all of them moved or none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.catalog import DefineProcedure
from ris.domain.errors import SlotTakenError
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.relocating import RelocateAppointments
from ris.domain.scheduling import AddClosure, BookAppointment, RecordArrival
from ris.domain.values import Code
from ris.models import Appointment, Booking, Device, DomainEvent
from ris.selectors import board as boards
from ris.selectors.postponing import Postponed, postponed
from ris.selectors.relocation import Proposal, relocations
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

LONG = timedelta(minutes=30)  # of an exam that no catalog knows
MINUTE = timedelta(minutes=1)
NINE = make.NOON.replace(hour=9) + timedelta(days=1)


@pytest.fixture(autouse=True)
def devices() -> Iterator[None]:
    with time_machine.travel(make.NOON, tick=False):
        make.device("CT1")
        make.device("MR1", "MR")
        yield


def booked(patient: str, start_at: datetime, station: str = "CT1", **order: object) -> Appointment:
    placed = make.order(patient=make.patient(patient), **order)
    step = make.step_of(placed)
    execute(
        BookAppointment(step=str(step.public_id), device=station, start_at=start_at),
        actor=people.scheduler,
    )
    return Appointment.objects.get(order=placed)


def exam(code: Code, modality: str = "CT") -> dict[str, object]:
    request = ProcedureRequest(code=code, steps=(make.step_request(modality=modality),))
    return {"procedures": (request,)}


def later(begin: Appointment, minutes: int = 30, *, needed_only: bool = True) -> Postponed:
    return postponed(begin, boards.devices(), minutes, needed_only=needed_only, now=make.NOON)


def times(found: tuple[Proposal, ...]) -> list[tuple[datetime, datetime | None]]:
    return [(each.line.start_at, each.start_at) for each in found]


def moved(found: Postponed) -> RelocateAppointments:
    return RelocateAppointments(
        relocations=relocations(reversed(found.moves)),
        reason="transport is late",
    )


def starts() -> list[datetime]:
    return list(Appointment.objects.order_by("pk").values_list("start_at", flat=True))


def test_exams_without_a_gap_all_move_and_those_before_stay() -> None:
    booked("R0", NINE - LONG)
    first = booked("R1", NINE)
    booked("R2", NINE + LONG)

    found = later(first)

    assert times(found.moves) == [(NINE, NINE + LONG), (NINE + LONG, NINE + 2 * LONG)]
    assert (found.cannot, found.unmoved, found.stay) == ([], (), ())
    assert execute(moved(found), actor=people.scheduler) == 2
    assert starts() == [NINE - LONG, NINE + LONG, NINE + 2 * LONG]
    assert DomainEvent.objects.filter(name="AppointmentMoved").count() == 2


def test_gap_takes_up_the_delay() -> None:
    first = booked("R1", NINE)
    booked("R2", NINE + LONG + 20 * MINUTE)
    third = booked("R3", NINE + 3 * LONG)

    found = later(first)

    assert times(found.moves) == [
        (NINE, NINE + LONG),
        (NINE + 50 * MINUTE, NINE + 60 * MINUTE),
    ]
    assert [each.line.public_id for each in found.unmoved] == [str(third.public_id)]


def test_all_move_as_far_if_gaps_are_to_stay() -> None:
    first = booked("R1", NINE)
    booked("R2", NINE + 4 * LONG)

    found = later(first, 45, needed_only=False)

    assert times(found.moves) == [
        (NINE, NINE + 45 * MINUTE),
        (NINE + 4 * LONG, NINE + 4 * LONG + 45 * MINUTE),
    ]


def test_patient_with_two_exams_in_a_row_moves_with_both() -> None:
    first = booked("R1", NINE)
    booked("R1", NINE + LONG)

    found = later(first)

    assert found.cannot == []
    execute(moved(found), actor=people.scheduler)
    assert starts() == [NINE + LONG, NINE + 2 * LONG]


def test_patients_other_appointment_stands_against_it() -> None:
    first = booked("R1", NINE)
    booked("R1", NINE + LONG, "MR1", **exam(Code("MRHEAD", "TEST"), "MR"))

    (cannot,) = later(first).cannot

    assert cannot.against == ("the patient has another appointment at that time",)


def test_closed_time_stands_against_it_and_nothing_moves() -> None:
    first, second = booked("R1", NINE), booked("R2", NINE + LONG)
    room = str(Device.objects.get(ae_title="CT1").resource.public_id)
    execute(
        AddClosure(
            resource=room, start_at=NINE + 2 * LONG, end_at=NINE + 4 * LONG, reason="Service"
        ),
        actor=people.scheduler,
    )

    found = later(first)

    assert [(each.line.public_id, each.against) for each in found.cannot] == [
        (str(second.public_id), ("the room is closed at that time: Service",))
    ]
    with pytest.raises(SlotTakenError, match=r"nothing was moved: .* closed") as refused:
        execute(moved(found), actor=people.scheduler)
    assert refused.value.path == "start_at"
    assert starts() == [NINE, NINE + LONG]
    assert not DomainEvent.objects.filter(name="AppointmentMoved").exists()
    assert Booking.objects.filter(live=True, start_at=first.start_at).exists()


def test_who_is_here_stays_and_is_not_run_into() -> None:
    first, second = booked("R1", NINE), booked("R2", NINE + LONG)
    execute(
        RecordArrival(appointment=str(second.public_id), unchecked_reason="known here"),
        actor=people.frontdesk,
    )

    found = later(first)

    assert [each.line.public_id for each in found.stay] == [str(second.public_id)]
    assert [each.against for each in found.moves] == [("that time is taken by BERG, Anna",)]


def test_who_has_prepared_is_not_asked_to_prepare_again() -> None:
    code = Code("CTCOLON", "TEST", "CT colon")
    fields = {"modality": "CT", "duration_minutes": 30, "lead_hours": 24}
    execute(DefineProcedure(code=code, **fields), actor=OPERATOR)
    with time_machine.travel(make.NOON - timedelta(days=2), tick=False):
        first = booked("R1", NINE, **exam(code))
    with time_machine.travel(NINE - timedelta(hours=1), tick=False):
        found = later(first)

        assert found.cannot == []
        assert execute(moved(found), actor=people.scheduler) == 1
    assert starts() == [NINE + LONG]


def test_exam_that_follows_another_keeps_the_time_between() -> None:
    scan = Code("MRHEAD", "TEST", "MR head")
    first_key = make.definition(duration_minutes=30)
    then_key = execute(
        DefineProcedure(code=scan, modality="MR", duration_minutes=30), actor=OPERATOR
    )
    execute(SequenceProcedures(first=first_key, then=then_key, gap_minutes=60), actor=OPERATOR)
    first = booked("R1", NINE, **exam(make.CT_HEAD))
    booked("R1", NINE + 3 * LONG, "MR1", **exam(scan, "MR"))

    (cannot,) = later(first).cannot

    assert cannot.against == ("what follows it would come too soon: MR head",)


def test_delay_that_takes_no_exam_is_none_without_a_room() -> None:
    first = booked("R1", NINE)
    Device.objects.filter(ae_title="CT1").update(active=False)

    assert later(first) == Postponed()


def test_number_of_queries_of_a_delay_does_not_grow() -> None:
    first = booked("R0", NINE)
    booked("R1", NINE + LONG)
    few = count(first)
    for number in range(2, 8):
        booked(f"R{number}", NINE + number * LONG)

    assert len(later(first).moves) == 8
    assert count(first) == few


def count(first: Appointment) -> int:
    with CaptureQueriesContext(connection) as queries:
        later(first)
    return len(queries)
