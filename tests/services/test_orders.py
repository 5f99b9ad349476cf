"""Orders through the door: placed, canceled, held, revised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.actors import Actor
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    IllegalTransitionError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import (
    AddProcedure,
    CancelOrder,
    CancelStep,
    CompleteInformation,
    DiscontinueOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    ProcedureRequest,
    ReleaseOrder,
    RepeatStep,
    ReviseOrder,
    StepRequest,
    VoidOrder,
)
from ris.domain.performing import CompletePerformedStep, DiscontinuePerformedStep, PerformedDetails
from ris.domain.places import Place
from ris.domain.scheduling import RecordNoShow
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.models import AuditEvent, DomainEvent, Order, Patient, ScheduledProcedureStep
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


def events() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("name", flat=True))


def reference(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def test_an_order_without_a_time_waits_to_be_scheduled() -> None:
    order = make.order()

    step = make.step_of(order)
    assert (order.status, step.status, step.procedure.stage) == ("ACTIVE", "PENDING", "REQUESTED")
    assert step.start_at is None
    assert events() == ["PatientRegistered", "OrderPlaced"]
    audit = AuditEvent.objects.get(action="PlaceOrder")
    assert (audit.actor_name, audit.patient_id, audit.order_id) == ("EHR", order.patient_id, None)


def test_an_order_gets_numbers_that_fit_a_scanner() -> None:
    order = make.order()

    step = make.step_of(order)
    assert order.accession_number.startswith("A")
    assert len(order.accession_number) == 11
    assert len(step.step_id) <= 16
    assert step.procedure.study_instance_uid.startswith("2.25.")


def test_an_order_with_a_time_is_scheduled_at_once() -> None:
    make.device()

    order = make.order(start_at=make.NOON)

    step = make.step_of(order)
    assert (step.status, step.start_at, step.station_ae_title) == ("SCHEDULED", make.NOON, "CT1")
    assert step.appointment is not None
    assert (step.appointment.status, step.appointment.overbooked) == ("BOOKED", False)
    assert events()[-2:] == ["OrderPlaced", "AppointmentBooked"]


def test_an_order_takes_the_first_station_that_is_free() -> None:
    make.device("CT1")
    make.device("CT2")
    make.order(start_at=make.NOON)

    second = make.order(start_at=make.NOON)

    assert make.step_of(second).station_ae_title == "CT2"


def test_a_conflict_is_booked_over_and_flagged_because_the_placer_decided() -> None:
    make.device("CT1")
    make.order(start_at=make.NOON)

    second = make.order(start_at=make.NOON + timedelta(minutes=5))

    appointment = make.appointment_of(second)
    assert appointment.overbooked is True
    assert appointment.bookings.filter(exclusive=True).count() == 0


def test_an_endpoint_may_let_a_scheduler_decide() -> None:
    make.device("CT1")
    command = make.place_order(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(start_at=make.NOON),)),
        ),
        wait_for_scheduler=True,
    )

    placed = execute(command, actor=people.ehr)

    step = make.step_of(Order.objects.get(public_id=placed.public_id))
    assert (step.status, step.wished_at) == ("PENDING", make.NOON)


def test_a_code_the_catalog_does_not_know_is_accepted_as_sent() -> None:
    order = make.order(
        procedures=(ProcedureRequest(code=Code("X1", "L", "Something"), steps=(StepRequest(),)),)
    )

    step = make.step_of(order)
    assert (step.modality, step.procedure.code_value, step.description) == ("", "X1", "Something")


def test_a_strict_endpoint_refuses_a_code_the_catalog_does_not_know() -> None:
    with pytest.raises(InvalidValueError) as refused:
        execute(make.place_order(strict_catalog=True), actor=people.ehr)

    assert refused.value.path == Place.CODE
    assert Order.objects.count() == 0
    assert Patient.objects.count() == 0


def test_missing_information_can_be_given_and_the_wish_is_then_followed() -> None:
    make.device("CT1")
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=Code("X1", "L", "Something"), steps=(StepRequest(start_at=make.NOON),)
            ),
        )
    )
    step = make.step_of(order)
    assert step.status == "PENDING"

    execute(CompleteInformation(step=str(step.public_id), modality="ct"), actor=people.scheduler)

    step.refresh_from_db()
    assert (step.status, step.modality, step.start_at) == ("SCHEDULED", "CT", make.NOON)


def test_the_catalog_gives_modality_duration_and_steps() -> None:
    make.definition()

    order = make.order(procedures=(ProcedureRequest(code=Code("CTHEAD", "TEST")),))

    step = make.step_of(order)
    assert (step.modality, step.duration_minutes) == ("CT", 20)
    assert step.procedure.code_meaning == "CT head without contrast"


def test_an_accession_number_that_no_scanner_keeps_whole_is_refused() -> None:
    with pytest.raises(InvalidValueError) as refused:
        make.order(accession=Identifier("12345678901234567"))

    assert refused.value.path == Place.ACCESSION


def test_an_order_needs_a_patient_identifier_with_its_authority() -> None:
    reference = make.patient()
    unqualified = type(reference)(
        identifiers=(Identifier("123"),), demographics=reference.demographics
    )

    with pytest.raises(MissingValueError) as refused:
        make.order(patient=unqualified)

    assert refused.value.path == Place.PATIENT


def test_a_number_of_somebody_with_another_name_and_birth_date_is_refused() -> None:
    make.order(patient=make.patient("77"))

    with pytest.raises(StateConflictError) as refused:
        make.order(
            patient=make.patient(
                "77",
                name=PersonName.of("Novak", "Jan"),
                birth_date=PartialDate("1990-01-01"),
            )
        )

    assert refused.value.path == Place.PATIENT
    assert Order.objects.count() == 1


def test_a_changed_family_name_alone_is_no_other_person() -> None:
    make.order(patient=make.patient("77"))

    make.order(patient=make.patient("77", name=PersonName.of("Bergmann", "Anna")))

    assert Patient.objects.count() == 1
    assert Patient.objects.get().name == "Berg^Anna"  # an order never overwrites a known patient


def test_identifiers_of_two_patients_are_refused() -> None:
    make.order(patient=make.patient("1"))
    make.order(patient=make.patient("2"))
    both = make.patient("1")
    mixed = type(both)(
        identifiers=(*both.identifiers, Identifier("2", "HOSP", "MR")),
        demographics=both.demographics,
    )

    with pytest.raises(DuplicateKeyError):
        make.order(patient=mixed)


def test_cancel_takes_the_step_off_and_gives_the_room_back() -> None:
    make.device()
    order = make.booked()

    execute(CancelOrder(order=reference(order), reason="not needed"), actor=people.ehr)

    order.refresh_from_db()
    step = make.step_of(order)
    assert (order.status, step.status, step.procedure.stage) == ("CANCELED",) * 3
    assert step.appointment is not None
    assert step.appointment.status == "CANCELED"
    assert step.appointment.bookings.filter(live=True).count() == 0
    assert events()[-2:] == ["AppointmentCanceled", "OrderCanceled"]
    payload = DomainEvent.objects.get(name="OrderCanceled").payload
    assert (payload["by_placer"], payload["announced"]) == (True, True)


@pytest.mark.parametrize(
    ("who", "noted"),
    [(people.scheduler, []), (people.ehr, ["CancellationRefused", "FollowUpRaised"])],
)
def test_cancel_is_refused_after_start_and_changes_nothing(who: Actor, noted: list[str]) -> None:
    """Only what a machine wanted is noted: who clicks is told at once."""
    make.device()
    order = make.booked()
    execute(make.start(order), actor=people.ct1)
    before = events()

    with pytest.raises(StateConflictError) as refused:
        execute(CancelOrder(order=reference(order)), actor=who)

    order.refresh_from_db()
    assert refused.value.details == {"started": True}
    assert (order.status, make.step_of(order).status) == ("ACTIVE", "STARTED")
    assert events() == [*before, *noted]


def test_cancel_of_an_unknown_order_is_refused() -> None:
    with pytest.raises(UnknownKeyError):
        execute(
            CancelOrder(order=OrderReference(placer=Identifier("none", "EHR"))), actor=people.ehr
        )


def test_cancel_twice_is_refused_by_the_table() -> None:
    order = make.order()
    execute(CancelOrder(order=reference(order)), actor=people.ehr)

    with pytest.raises(IllegalTransitionError):
        execute(CancelOrder(order=reference(order)), actor=people.ehr)


def test_discontinue_before_any_start_is_a_cancel() -> None:
    order = make.order()

    execute(DiscontinueOrder(order=reference(order)), actor=people.ehr)

    order.refresh_from_db()
    assert order.status == "CANCELED"


def test_discontinue_stops_what_is_left_after_something_was_done() -> None:
    make.device()
    order = make.booked()
    execute(
        AddProcedure(order=reference(order), procedure=ProcedureRequest(code=make.CT_HEAD)),
        actor=people.ehr,
    )
    command = make.start(order)
    execute(command, actor=people.ct1)
    refused = PerformedDetails(discontinuation_reason=Code("110505", "DCM", "Patient refused"))
    execute(
        DiscontinuePerformedStep(sop_instance_uid=command.sop_instance_uid, details=refused),
        actor=people.ct1,
    )

    execute(DiscontinueOrder(order=reference(order), reason="patient left"), actor=people.ehr)

    order.refresh_from_db()
    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    assert order.status == "DISCONTINUED"
    assert [step.status for step in steps] == ["DISCONTINUED", "CANCELED"]


def missed(order: Order) -> None:
    appointment = str(make.appointment_of(order).public_id)
    execute(RecordNoShow(appointment=appointment), actor=people.frontdesk)


@pytest.mark.parametrize(("end", "who", "status"), [
    (CancelOrder, people.ehr, "CANCELED"),
    (DiscontinueOrder, people.ehr, "CANCELED"),
    (VoidOrder, people.manager, "ENTERED_IN_ERROR"),
])  # fmt: skip
def test_what_its_patient_missed_ends_with_its_order(
    end: type[Any], who: Actor, status: str
) -> None:
    make.device()
    order = make.booked()
    missed(order)

    execute(end(order=reference(order), reason="not needed"), actor=who)

    order.refresh_from_db()
    step = make.step_of(order)
    assert (order.status, step.status, step.procedure.stage) == (status, "CANCELED", "CANCELED")
    assert step.appointment is not None
    assert step.appointment.status == "NO_SHOW"  # that is how it was, and it is counted so


def test_what_was_missed_and_canceled_is_open_again_if_it_is_performed_all_the_same() -> None:
    make.device()
    order = make.booked()
    missed(order)
    execute(CancelOrder(order=reference(order)), actor=people.ehr)

    execute(make.start(order), actor=people.ct1)

    order.refresh_from_db()
    assert (order.status, make.step_of(order).status) == ("ACTIVE", "STARTED")


def test_of_an_exam_in_two_parts_the_one_that_was_missed_keeps_no_other_from_its_report() -> None:
    make.device()
    two = tuple(make.step_request(start_at=make.NOON + timedelta(hours=at)) for at in range(2))
    order = make.order(procedures=(ProcedureRequest(code=make.CT_HEAD, steps=two),))
    first, second = ScheduledProcedureStep.objects.order_by("start_at")
    execute(RecordNoShow(appointment=str(second.appointment.public_id)), actor=people.frontdesk)
    command = make.start(order)
    execute(command, actor=people.ct1)
    done = CompletePerformedStep(
        sop_instance_uid=command.sop_instance_uid,
        details=PerformedDetails(ended_at=make.NOON, series=(make.series(),)),
    )
    execute(done, actor=people.ct1)
    assert first.procedure.stage != "PERFORMED"

    execute(DiscontinueOrder(order=reference(order), reason="moved away"), actor=people.ehr)

    assert ScheduledProcedureStep.objects.get(pk=second.pk).status == "CANCELED"
    assert order.procedures.get().stage == "PERFORMED"


def test_discontinue_while_one_step_runs_stops_those_that_wait() -> None:
    make.device()
    order = make.booked()
    execute(
        AddProcedure(order=reference(order), procedure=ProcedureRequest(code=make.CT_HEAD)),
        actor=people.ehr,
    )
    execute(make.start(order), actor=people.ct1)
    stop = DiscontinueOrder(order=reference(order), reason="patient is unwell")

    execute(stop, actor=people.ehr)

    order.refresh_from_db()
    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    assert order.status == "ACTIVE"
    assert [step.status for step in steps] == ["STARTED", "CANCELED"]
    assert DomainEvent.objects.get(name="StepCanceled").payload["reason"] == "patient is unwell"
    with pytest.raises(StateConflictError, match="in progress"):
        execute(stop, actor=people.ehr)


def test_hold_and_release() -> None:
    make.device()
    order = make.booked()

    execute(HoldOrder(order=reference(order), reason="lab values missing"), actor=people.ehr)
    order.refresh_from_db()
    assert order.status == "ON_HOLD"

    execute(ReleaseOrder(order=reference(order)), actor=people.ehr)
    order.refresh_from_db()
    assert order.status == "ACTIVE"
    assert events()[-2:] == ["OrderHeld", "OrderReleased"]


def test_a_revision_changes_only_what_is_said() -> None:
    make.device()
    order = make.booked()
    before = make.step_of(order)

    execute(
        ReviseOrder(order=reference(order), details=OrderDetails(reason="fall from a ladder")),
        actor=people.ehr,
    )

    order.refresh_from_db()
    after = make.step_of(order)
    assert (order.reason, order.priority) == ("fall from a ladder", "ROUTINE")
    assert after.procedure.study_instance_uid == before.procedure.study_instance_uid
    assert after.start_at == before.start_at
    assert after.version == before.version + 1
    assert DomainEvent.objects.get(name="OrderRevised").payload["changed"] == ["reason"]


def test_a_revised_time_moves_the_booking() -> None:
    make.device()
    order = make.order(start_at=make.NOON)
    later = make.NOON + timedelta(hours=2)

    execute(
        ReviseOrder(
            order=reference(order),
            procedures=(
                ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(start_at=later),)),
            ),
        ),
        actor=people.ehr,
    )

    step = make.step_of(order)
    assert step.start_at == later
    assert step.appointment is not None
    assert step.appointment.start_at == later
    assert step.appointment.bookings.filter(live=True, start_at=make.NOON).count() == 0
    assert "AppointmentMoved" in events()


def test_a_revision_of_a_canceled_order_is_refused() -> None:
    order = make.order()
    execute(CancelOrder(order=reference(order)), actor=people.ehr)

    with pytest.raises(StateConflictError):
        execute(
            ReviseOrder(order=reference(order), details=OrderDetails(reason="x")),
            actor=people.ehr,
        )


def test_one_step_can_be_canceled_and_planned_again() -> None:
    make.device()
    order = make.booked()
    step = make.step_of(order)

    execute(CancelStep(step=str(step.public_id), reason="broken"), actor=people.scheduler)
    again = execute(RepeatStep(step=str(step.public_id)), actor=people.scheduler)

    step.refresh_from_db()
    repeated = ScheduledProcedureStep.objects.get(public_id=again)
    assert (step.status, repeated.status, repeated.modality) == ("CANCELED", "PENDING", "CT")
    assert repeated.procedure.stage == "REQUESTED"


def test_entered_in_error_needs_a_manager() -> None:
    order = make.order()

    with pytest.raises(DeniedError):
        execute(VoidOrder(order=reference(order), reason="test"), actor=people.scheduler)
    execute(VoidOrder(order=reference(order), reason="test"), actor=people.manager)

    order.refresh_from_db()
    assert order.status == "ENTERED_IN_ERROR"


def test_an_outsider_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(DeniedError):
        execute(make.place_order(), actor=people.outsider)

    assert Order.objects.count() == 0
    assert events() == []


@pytest.mark.django_db(transaction=True)
def test_a_refusal_is_audited() -> None:
    with pytest.raises(DeniedError):
        execute(make.place_order(), actor=people.outsider)

    audit = AuditEvent.objects.get()
    assert (audit.actor_name, audit.action, audit.outcome) == ("outsider", "PlaceOrder", "denied")
