"""Taking back a cancellation, an arrival, a no-show; splitting an order; asking about one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from ris.domain.actors import OPERATOR
from ris.domain.errors import DeniedError, SlotTakenError, StateConflictError
from ris.domain.order_questions import AnswerInformation, AskForInformation
from ris.domain.orders import (
    CancelOrder,
    CancelStep,
    HoldOrder,
    OrderReference,
    ProcedureRequest,
    ReviseOrder,
)
from ris.domain.safety import (
    AnswerSafetyQuestions,
    DefineSafetyQuestion,
    QuestionDetails,
    SafetyAnswerGiven,
    Told,
    parse_rules,
)
from ris.domain.scheduling import (
    BookAppointment,
    HoldSlot,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
)
from ris.domain.splitting import SplitOrder
from ris.domain.undoing import RestoreOrder, UndoArrival, UndoNoShow
from ris.domain.values import Code, Identifier
from ris.models import (
    Booking,
    DomainEvent,
    Order,
    OrderQuestion,
    ProcedureDefinition,
    Resource,
    SafetyAnswer,
    StaffMember,
)
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

US = Code("USABD", "TEST", "Ultrasound of the abdomen")


@pytest.fixture(autouse=True)
def department() -> None:
    make.device("CT1", "CT")
    make.definition()


@pytest.fixture(autouse=True)
def early() -> object:
    """It is eight o'clock of the day on which the tests book."""
    with time_machine.travel(make.NOON - timedelta(hours=4), tick=True) as traveller:
        yield traveller


def of(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def cancel(order: Order) -> None:
    execute(CancelOrder(order=of(order), reason="wrong patient"), actor=people.scheduler)


def events(order: Order, count: int) -> list[str]:
    rows = DomainEvent.objects.filter(order=order).order_by("-id")[:count]
    return [row.name for row in rows][::-1]


# --- cancellations


def test_a_canceled_order_is_booked_again_at_its_time() -> None:
    order = make.booked(make.NOON)
    cancel(order)

    waiting = execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    order.refresh_from_db()
    step = make.step_of(order)
    assert waiting == ()
    assert (order.status, step.status, step.start_at) == ("ACTIVE", "SCHEDULED", make.NOON)
    assert step.station_ae_title == "CT1"
    assert events(order, 2) == ["OrderReopened", "AppointmentBooked"]
    booked = DomainEvent.objects.filter(order=order).latest("id")
    assert booked.payload["first"] is True  # the archive had been told that the step was gone


def test_what_was_booked_over_meanwhile_waits_under_to_schedule() -> None:
    order = make.booked(make.NOON)
    cancel(order)
    make.booked(make.NOON)

    waiting = execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    step = make.step_of(order)
    assert waiting == (str(step.public_id),)
    assert (step.status, step.start_at, step.station_ae_title) == ("PENDING", None, "")
    assert events(order, 1) == ["OrderReopened"]


def nurse() -> Resource:
    """The only one there is, whom each exam needs."""
    ProcedureDefinition.objects.update(staff_required=1)
    resource = Resource.objects.create(kind="STAFF", name="Nurse Ito")
    StaffMember.objects.create(resource=resource, name="Nurse Ito", skills=[])
    return resource


def on_ct2() -> Order:
    """Booked on the other scanner at the same time."""
    make.device("CT2", "CT")
    order = make.order(patient=make.patient("R2"))
    execute(
        BookAppointment(step=str(make.step_of(order).public_id), device="CT2", start_at=make.NOON),
        actor=people.scheduler,
    )
    return order


def test_who_attends_an_exam_attends_it_again() -> None:
    resource = nurse()
    ProcedureDefinition.objects.update(buffer_after_minutes=10)
    order = make.booked(make.NOON)
    cancel(order)

    waiting = execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    (booking,) = Booking.objects.filter(live=True, resource=resource)
    assert waiting == ()
    assert (booking.start_at, booking.after_minutes) == (make.NOON, 10)


def test_an_exam_whose_staff_is_busy_meanwhile_waits_under_to_schedule() -> None:
    nurse()
    order = make.booked(make.NOON)
    cancel(order)
    on_ct2()

    waiting = execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    assert waiting == (str(make.step_of(order).public_id),)


def test_what_was_booked_outside_the_hours_is_there_again() -> None:
    late = make.NOON.replace(hour=22)
    order = make.order()
    execute(
        BookAppointment(
            step=str(make.step_of(order).public_id),
            device="CT1",
            start_at=late,
            overbook=True,
            reason="emergency",
        ),
        actor=people.scheduler,
    )
    cancel(order)

    execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    assert make.step_of(order).start_at == late


def test_a_time_that_was_only_held_is_not_booked() -> None:
    order = make.order()
    step = make.step_of(order)
    execute(
        HoldSlot(step=str(step.public_id), device="CT1", start_at=make.NOON),
        actor=people.scheduler,
    )
    cancel(order)

    execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    step.refresh_from_db()
    assert (step.status, step.appointment) == ("PENDING", None)


def test_an_order_that_was_on_hold_is_on_hold_again() -> None:
    order = make.order()
    execute(HoldOrder(order=of(order), reason="creatinine"), actor=people.scheduler)
    cancel(order)

    execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    order.refresh_from_db()
    assert order.status == "ON_HOLD"
    assert make.step_of(order).status == "PENDING"


def test_a_step_that_was_canceled_before_stays_canceled() -> None:
    order = make.order(procedures=(ProcedureRequest(code=make.CT_HEAD), ProcedureRequest(code=US)))
    first = make.step_of(order)
    execute(CancelStep(step=str(first.public_id), reason="not needed"), actor=people.scheduler)
    cancel(order)

    execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    states = [
        step.status
        for procedure in order.procedures.order_by("id")
        for step in procedure.steps.all()
    ]
    assert states == ["CANCELED", "PENDING"]


def test_who_was_missed_before_the_cancellation_waits_for_a_new_time() -> None:
    order, _ = missed()
    cancel(order)

    waiting = execute(RestoreOrder(order=of(order)), actor=people.scheduler)

    step = make.step_of(order)
    assert waiting == (str(step.public_id),)
    assert (step.status, step.start_at, step.appointment) == ("PENDING", None, None)


@pytest.mark.parametrize("case", ["placer", "late", "active", "version", "role"])
def test_restoring_is_refused(case: str, early: time_machine.Traveller) -> None:
    order = make.order()
    actor = people.ehr if case == "placer" else people.scheduler
    if case != "active":
        execute(CancelOrder(order=of(order), reason="no"), actor=actor)
    if case == "late":
        early.shift(timedelta(hours=25))
    order.refresh_from_db()
    before = (order.status, DomainEvent.objects.count())
    version = 1 if case == "version" else None
    who = people.frontdesk if case == "role" else people.scheduler

    with pytest.raises(DeniedError if case == "role" else StateConflictError):
        execute(RestoreOrder(order=of(order), expected_version=version), actor=who)

    order.refresh_from_db()
    assert (order.status, DomainEvent.objects.count()) == before


# --- arrivals and no-shows


def arrived() -> tuple[Order, str]:
    order = make.booked(make.NOON)
    appointment = make.appointment_of(order)
    execute(
        RecordArrival(appointment=str(appointment.public_id)),
        actor=OPERATOR,
    )
    return order, str(appointment.public_id)


def test_an_arrival_is_taken_back() -> None:
    order, appointment = arrived()

    execute(UndoArrival(appointment=appointment), actor=people.frontdesk)

    step = make.step_of(order)
    assert step.appointment is not None
    assert (step.status, step.appointment.status) == ("SCHEDULED", "BOOKED")
    assert step.appointment.arrived_at is None
    assert events(order, 2) == ["PatientArrived", "ArrivalUndone"]


def test_an_arrival_stands_once_the_patient_is_prepared() -> None:
    order, appointment = arrived()
    execute(PrepareStep(step=str(make.step_of(order).public_id)), actor=people.technologist)

    with pytest.raises(StateConflictError, match="prepared"):
        execute(UndoArrival(appointment=appointment), actor=people.frontdesk)

    assert make.step_of(order).status == "READY"


def missed() -> tuple[Order, str]:
    order = make.booked(make.NOON)
    appointment = make.appointment_of(order)
    execute(RecordNoShow(appointment=str(appointment.public_id)), actor=people.frontdesk)
    return order, str(appointment.public_id)


def test_a_patient_who_comes_after_all_has_the_time_again() -> None:
    order, appointment = missed()

    execute(UndoNoShow(appointment=appointment), actor=people.frontdesk)

    step = make.step_of(order)
    assert step.appointment is not None
    assert (step.status, step.appointment.status) == ("SCHEDULED", "BOOKED")
    assert str(step.appointment.public_id) == appointment
    assert step.appointment.bookings.filter(live=True).count() == 2  # the device and its room
    assert events(order, 2) == ["NoShowUndone", "AppointmentBooked"]


def test_a_no_show_whose_time_was_given_to_somebody_stands() -> None:
    order, appointment = missed()
    make.booked(make.NOON)

    with pytest.raises(SlotTakenError, match="book the exam anew"):
        execute(UndoNoShow(appointment=appointment), actor=people.frontdesk)

    assert make.step_of(order).status == "NO_SHOW"


def test_who_attends_a_missed_exam_attends_it_again() -> None:
    resource = nurse()
    _, appointment = missed()

    execute(UndoNoShow(appointment=appointment), actor=people.frontdesk)

    assert Booking.objects.filter(live=True, resource=resource).count() == 1


def test_a_no_show_whose_staff_is_with_somebody_else_stands() -> None:
    nurse()
    order, appointment = missed()
    on_ct2()

    with pytest.raises(SlotTakenError, match="book the exam anew"):
        execute(UndoNoShow(appointment=appointment), actor=people.frontdesk)

    assert make.step_of(order).status == "NO_SHOW"


# --- splitting


def two_exams(**overrides: object) -> Order:
    make.device("US1", "US")
    make.definition(US, modality="US", duration_minutes=30)
    return make.order(
        procedures=(ProcedureRequest(code=make.CT_HEAD), ProcedureRequest(code=US)), **overrides
    )


def split(order: Order) -> Order:
    """The ultrasound gets an order of its own."""
    procedure = order.procedures.get(code_value="USABD")
    key = execute(
        SplitOrder(order=of(order), procedures=(str(procedure.public_id),)),
        actor=people.scheduler,
    )
    return Order.objects.get(public_id=key)


def test_an_exam_moves_to_an_order_of_its_own_with_its_booking() -> None:
    order = two_exams()
    procedure = order.procedures.get(code_value="USABD")
    step = procedure.steps.get()
    execute(
        BookAppointment(step=str(step.public_id), device="US1", start_at=make.NOON),
        actor=people.scheduler,
    )

    new = split(order)

    procedure.refresh_from_db()
    step.refresh_from_db()
    assert procedure.order == new
    assert [each.code_value for each in order.procedures.all()] == ["CTHEAD"]
    assert new.accession_number != order.accession_number
    assert (new.placer_order_number, new.parent_order_number) == ("", order.placer_order_number)
    assert (new.patient, new.reason, new.priority) == (order.patient, "headache", "ROUTINE")
    assert step.status == "SCHEDULED"
    assert step.appointment is not None
    assert step.appointment.order == new
    assert events(order, 2) == ["OrderSplit", "OrderRevised"]
    assert events(new, 2) == ["OrderPlaced", "OrderRevised"]


def test_what_was_answered_for_the_patient_holds_for_both_orders() -> None:
    order = two_exams()
    for code in ("IMPLANT", "ALLERGY"):
        question = QuestionDetails(
            code=code,
            words=f"{code}?",
            unsafe=parse_rules("is yes"),
            told=Told.ALERT,
            told_words=code.title(),
        )
        execute(DefineSafetyQuestion(question=question), actor=people.manager)
    answer(order, "IMPLANT", "yes")

    new = split(order)
    answer(new, "ALLERGY", "no")

    new.refresh_from_db()
    order.refresh_from_db()
    assert new.safety == order.safety != {}
    said = SafetyAnswer.objects.filter(order=order, superseded_at=None)
    assert [row.question.code for row in said] == ["IMPLANT"]


def answer(order: Order, code: str, value: str) -> None:
    execute(
        AnswerSafetyQuestions(
            step=str(make.step_of(order).public_id),
            answers=(SafetyAnswerGiven(question=code, value=value),),
        ),
        actor=people.technologist,
    )


def test_a_cancellation_of_the_placer_ends_what_was_split_off() -> None:
    order = two_exams()
    new = split(order)

    execute(
        CancelOrder(order=OrderReference(placer=Identifier(order.placer_order_number, "EHR"))),
        actor=people.ehr,
    )

    order.refresh_from_db()
    new.refresh_from_db()
    assert (order.status, new.status) == ("CANCELED", "CANCELED")


def test_the_placer_tells_the_order_again_and_nothing_is_planned_twice() -> None:
    order = two_exams()
    new = split(order)

    execute(
        ReviseOrder(
            order=OrderReference(placer=Identifier(order.placer_order_number, "EHR")),
            procedures=(ProcedureRequest(code=make.CT_HEAD), ProcedureRequest(code=US)),
        ),
        actor=people.ehr,
    )

    assert (order.procedures.count(), new.procedures.count()) == (1, 1)


def test_the_last_exam_of_an_order_stays() -> None:
    order = make.order()
    key = str(order.procedures.get().public_id)

    with pytest.raises(StateConflictError, match="without an exam"):
        execute(SplitOrder(order=of(order), procedures=(key,)), actor=people.scheduler)

    assert Order.objects.count() == 1


def test_an_exam_that_was_started_stays_with_its_accession_number() -> None:
    order = two_exams()
    ct = make.step_of(order)
    execute(
        BookAppointment(step=str(ct.public_id), device="CT1", start_at=make.NOON),
        actor=people.scheduler,
    )
    execute(make.start(order), actor=people.ct1)

    with pytest.raises(StateConflictError, match="was started"):
        execute(
            SplitOrder(order=of(order), procedures=(str(ct.procedure.public_id),)),
            actor=people.scheduler,
        )

    assert Order.objects.count() == 1


# --- questions


def test_a_question_is_asked_and_answered_once() -> None:
    order = make.order()

    key = execute(
        AskForInformation(order=of(order), question="Which side?"), actor=people.scheduler
    )
    execute(
        AnswerInformation(question=key, answer="Left", by="Dr. Ordonez"), actor=people.frontdesk
    )
    with pytest.raises(StateConflictError, match=r"Dr\. Ordonez answered this meanwhile"):
        execute(AnswerInformation(question=key, answer="Right"), actor=people.scheduler)

    question = OrderQuestion.objects.get()
    assert (question.text, question.asked_by) == ("Which side?", "scheduler")
    assert (question.answer, question.answered_by) == ("Left", "Dr. Ordonez")
    assert events(order, 2) == ["InformationAsked", "InformationGiven"]
