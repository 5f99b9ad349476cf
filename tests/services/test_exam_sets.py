"""Exams of one patient booked together, and series of visits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from ris.domain.errors import InvalidValueError, SlotTakenError, StateConflictError
from ris.domain.exam_sets import BookSeries, BookTogether, SequenceProcedures, SetItem
from ris.domain.orders import OrderDetails
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Code, Identifier, PersonName
from ris.models import (
    Appointment,
    Booking,
    DomainEvent,
    Order,
    Resource,
    ScheduledProcedureStep,
    StaffMember,
    StepTemplate,
)
from ris.selectors import schedule
from ris.selectors.sets import beside, proposed_sets
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 3, 2)
PLAIN = Code("CTPLAIN", "TEST", "CT without contrast")
CONTRAST = Code("CTCONTRAST", "TEST", "CT with contrast")


def at(hour: int, minute: int = 0, days: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC) + timedelta(days=days)


@pytest.fixture(autouse=True)
def _monday() -> object:
    with time_machine.travel(datetime(2026, 3, 1, 20, tzinfo=UTC), tick=False):
        make.device("CT1")
        make.device("US1", "US")
        yield


def exam(code: Code, patient: object, modality: str = "CT") -> ScheduledProcedureStep:
    from ris.domain.orders import ProcedureRequest

    order = make.order(
        patient=patient,
        procedures=(ProcedureRequest(code=code, steps=(make.step_request(modality=modality),)),),
    )
    return schedule.find_step(str(make.step_of(order).public_id))


@pytest.fixture
def pair() -> tuple[ScheduledProcedureStep, ScheduledProcedureStep]:
    """A CT with contrast and one without, of one patient; without goes first, 30 minutes apart."""
    plain, contrast = make.definition(PLAIN), make.definition(CONTRAST)
    execute(
        SequenceProcedures(first=plain, then=contrast, gap_minutes=30, gap_at_most_minutes=120),
        actor=people.manager,
    )
    patient = make.patient("SET1")
    return exam(CONTRAST, patient), exam(PLAIN, patient)


def item(step: ScheduledProcedureStep, start_at: datetime, device: str = "CT1") -> SetItem:
    return SetItem(step=str(step.public_id), device=device, start_at=start_at)


def book(*items: SetItem) -> tuple[str, ...]:
    return execute(BookTogether(items=items), actor=people.scheduler)


Pair = tuple[ScheduledProcedureStep, ScheduledProcedureStep]


def test_a_set_is_proposed_in_the_order_and_with_the_gap_of_the_catalog(pair: Pair) -> None:
    (found,) = proposed_sets(pair, MONDAY, 7, count=1)

    assert [slot.start_at for slot in found.slots] == [at(8, 50), at(8)]


def test_a_set_that_fits_on_no_day_is_not_proposed(pair: Pair) -> None:
    for start in (8, 9, 10, 11, 12, 13, 14, 15, 16, 17):
        busy = make.order()
        execute(
            BookAppointment(
                step=str(make.step_of(busy).public_id),
                device="CT1",
                start_at=at(start),
                duration_minutes=45,
            ),
            actor=people.scheduler,
        )

    assert proposed_sets(pair, MONDAY, 1) == []
    (found,) = proposed_sets(pair, MONDAY, 2)
    assert found.start_at == at(8, days=1)


def test_the_other_exams_of_the_patient_are_found(pair: Pair) -> None:
    make.order()

    assert [step.pk for step in beside(pair[0])[0]] == [pair[1].pk]


def test_a_set_is_booked_in_one_go(pair: Pair) -> None:
    contrast, plain = pair

    booked = book(item(contrast, at(9)), item(plain, at(8)))

    starts = [Appointment.objects.get(public_id=key).start_at for key in booked]
    assert starts == [at(9), at(8)]


@pytest.mark.parametrize(
    ("contrast_at", "words"),
    [
        (at(8, 30), "at least"),  # ten minutes after the end of the first
        (at(7), "at least"),
        (at(11), "120 minutes at most"),
    ],
)
def test_the_wrong_order_or_gap_is_refused(pair: Pair, contrast_at: datetime, words: str) -> None:
    contrast, plain = pair

    with pytest.raises(SlotTakenError, match=words):
        book(item(contrast, contrast_at), item(plain, at(8)))

    assert not Booking.objects.exists()


def test_all_or_none(pair: Pair) -> None:
    contrast, plain = pair
    make.booked(at(9))

    with pytest.raises(SlotTakenError) as refused:
        book(item(contrast, at(9)), item(plain, at(8)))

    assert refused.value.details["item"] == 0
    assert Appointment.objects.count() == 1


def test_exams_of_two_patients_are_no_set(pair: Pair) -> None:
    other = schedule.find_step(str(make.step_of(make.order()).public_id))

    with pytest.raises(InvalidValueError):
        book(item(pair[0], at(9)), item(other, at(8)))


def test_a_whole_day_of_a_patient_is_moved_together(pair: Pair) -> None:
    contrast, plain = pair
    book(item(contrast, at(9)), item(plain, at(8)))

    # Each takes the time that the other leaves.
    book(item(contrast, at(10)), item(plain, at(9)))

    live = Booking.objects.filter(live=True, resource__name="CT1").order_by("start_at")
    assert [row.start_at for row in live] == [at(9), at(10)]


def test_the_scan_follows_the_injection_as_its_template_says() -> None:
    bone = Code("NMBONE", "TEST", "Bone scan")
    from ris.domain.catalog import StepTemplateDetails

    make.definition(
        bone,
        modality="NM",
        steps=(
            StepTemplateDetails(modality="NM", description="Injection", duration_minutes=15),
            StepTemplateDetails(modality="NM", description="Scan", duration_minutes=45),
        ),
    )
    StepTemplate.objects.filter(position=StepTemplate.objects.latest("position").position).update(
        gap_minutes=180
    )
    make.device("NM1", "NM")
    from ris.domain.orders import ProcedureRequest

    order = make.order(procedures=(ProcedureRequest(code=bone),))
    steps = list(
        ScheduledProcedureStep.objects.select_related("procedure__order", "procedure__definition")
        .filter(procedure__order=order)
        .order_by("id")
    )

    (found,) = proposed_sets(steps, MONDAY, 7, count=1)

    assert [slot.start_at for slot in found.slots] == [at(8), at(11, 15)]


def test_procedures_that_would_each_go_first_are_refused(pair: Pair) -> None:
    contrast, plain = (str(step.procedure.definition.public_id) for step in pair)  # type: ignore[union-attr]

    with pytest.raises(StateConflictError):
        execute(SequenceProcedures(first=contrast, then=plain), actor=people.manager)


# --- series


def series(step: ScheduledProcedureStep, weeks: int, **more: bool) -> BookSeries:
    starts = tuple(at(9, days=7 * week) for week in range(weeks))
    return BookSeries(step=str(step.public_id), device="CT1", starts=starts, **more)


def test_a_series_has_an_order_for_each_visit_in_one_group() -> None:
    step = make.step_of(make.order())

    booked = execute(series(step, 3), actor=people.scheduler)

    orders = Order.objects.order_by("id")
    assert len(booked.appointments) == 3
    assert {order.group_number for order in orders} == {orders[0].placer_order_number}
    assert len({order.accession_number for order in orders}) == 3
    starts = Appointment.objects.order_by("start_at").values_list("start_at", flat=True)
    assert list(starts) == [at(9), at(9, days=7), at(9, days=14)]


def test_every_visit_of_a_series_knows_what_is_to_be_known_of_the_patient() -> None:
    said = {
        "patient_state": "MRSA",
        "interpreter_language": "ar",
        "comments": "needs a lift",
        "callback_phone": "555 0100",
    }
    details = OrderDetails(
        requester=PersonName.of("Ordonez", "Olga"),
        requester_identifier=Identifier("17", "EHR"),
        **said,
    )
    resource = Resource.objects.create(kind="STAFF", name="Interpreter")
    StaffMember.objects.create(resource=resource, name="Interpreter", skills=["interpreter:ar"])

    execute(series(make.step_of(make.order(details=details)), 2), actor=people.scheduler)

    first, second = Order.objects.order_by("id").values(
        "requester", "requester_identifier", "requester_issuer", *said
    )
    assert second == first
    assert Booking.objects.filter(resource=resource, live=True).count() == 2


def test_a_series_with_a_conflict_is_refused_and_names_it() -> None:
    make.booked(at(9, days=7))
    step = make.step_of(make.order())

    with pytest.raises(SlotTakenError, match=r"2026-03-09 09:00: that time is taken"):
        execute(series(step, 3), actor=people.scheduler)

    assert Order.objects.count() == 2
    assert Appointment.objects.count() == 1


def test_or_those_visits_that_fit_are_booked() -> None:
    make.booked(at(9, days=7))
    step = make.step_of(make.order())

    booked = execute(series(step, 3, all_or_none=False), actor=people.scheduler)

    assert len(booked.appointments) == 2
    told = DomainEvent.objects.filter(name__in=["OrderPlaced", "AppointmentBooked"])
    assert told.count() == 3 + 3, "nothing is said of the visit that could not be"
    assert booked.refused == ((at(9, days=7), "that time is taken"),)
    assert Order.objects.count() == 3
