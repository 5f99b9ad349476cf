"""What people mend of an exam: done, told to each order, and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.corrections import (
    MovePerformedStep,
    OrderPerformedStep,
    RevisePerformedStep,
    UndoCorrection,
)
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import new_uid
from ris.domain.orders import CancelOrder, OrderReference, VoidOrder
from ris.domain.patients import MergePatients, RegisterPatient
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    PerformedStatus,
    RelinkPerformedStep,
    ScheduledReference,
)
from ris.domain.values import Code, Identifier
from ris.models import DomainEvent, Order, Patient, PerformedProcedureStep, RequestedProcedure
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, end

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("department")]

END = make.NOON + timedelta(minutes=9)


def exam(order: Order | None = None, **overrides: object) -> PerformedProcedureStep:
    """A finished exam; without ``order`` one that names nothing."""
    own = order or make.booked(make.NOON + timedelta(hours=5), patient=make.patient("OTHER"))
    if order is None:
        overrides["references"] = (ScheduledReference(study_instance_uid=new_uid()),)
    performed = begin(own, **overrides)
    end(performed, ended_at=END)
    return performed


def undo(performed: PerformedProcedureStep) -> None:
    last = performed.corrections.filter(undone_at=None).latest("id")
    execute(
        UndoCorrection(correction=str(last.public_id), reason="it was right before"),
        actor=people.technologist,
    )
    performed.refresh_from_db()


def told(order: Order) -> list[tuple[str, int, int]]:
    """(event, steps won, steps lost) of the order's last event of that kind."""
    rows = DomainEvent.objects.filter(order=order, name="PerformedStepRelinked").order_by("id")
    return [
        (row.name, len(row.payload["steps"]), len(row.payload["previous_steps"])) for row in rows
    ]


# --- tied and untied


def test_both_orders_hear_that_an_exam_went_from_one_to_the_other() -> None:
    wrong = make.booked()
    right = make.booked(start_at=make.NOON + timedelta(hours=1))
    performed = exam(wrong)

    make.relink(performed, right)

    assert (make.step_of(wrong).status, make.step_of(right).status) == ("SCHEDULED", "COMPLETED")
    assert told(wrong) == [("PerformedStepRelinked", 0, 1)]
    assert told(right) == [("PerformedStepRelinked", 1, 0)]


def test_what_was_tied_wrongly_is_as_before_when_undone() -> None:
    wrong = make.booked()
    right = make.booked(start_at=make.NOON + timedelta(hours=1))
    performed = exam(wrong)
    make.relink(performed, right)

    undo(performed)

    assert (make.step_of(wrong).status, make.step_of(right).status) == ("COMPLETED", "SCHEDULED")
    assert (performed.match, performed.order_id) == ("MATCHED", wrong.pk)
    correction = performed.corrections.get()
    assert (correction.kind, correction.undone_by) == ("LINKED", "technologist")


def test_an_exam_tied_to_nothing_is_an_exception_again() -> None:
    order = make.booked()
    performed = exam(order)

    make.relink(performed)

    assert (performed.match, performed.order, performed.resolved_at) == ("UNMATCHED", None, None)
    assert make.step_of(order).status == "SCHEDULED"


def test_only_the_last_correction_can_be_undone_and_only_once() -> None:
    first, second = make.booked(), make.booked(start_at=make.NOON + timedelta(hours=1))
    performed = exam()
    make.relink(performed, first)
    make.relink(performed, second)
    older, newer = performed.corrections.order_by("id")

    with pytest.raises(StateConflictError, match="something else was corrected since"):
        execute(
            UndoCorrection(correction=str(older.public_id), reason="x"), actor=people.technologist
        )
    undo(performed)
    with pytest.raises(StateConflictError, match="taken back already"):
        execute(
            UndoCorrection(correction=str(newer.public_id), reason="x"), actor=people.technologist
        )

    assert performed.order_id == first.pk


def test_an_exam_with_a_signed_report_is_not_taken_from_it() -> None:
    order = make.performed()
    make.final_report(order)
    performed = order.performed.get()

    with pytest.raises(StateConflictError, match="withdraw it first"):
        make.relink(performed)

    assert make.step_of(order).status == "COMPLETED"
    assert not performed.corrections.exists()


def test_steps_of_different_patients_are_not_one_exam() -> None:
    performed = exam()

    with pytest.raises(StateConflictError, match="different patients"):
        make.relink(performed, make.booked(), make.booked(make.NOON + timedelta(hours=1)))


def test_an_order_entered_in_error_gets_no_exam() -> None:
    void = make.booked()
    execute(
        VoidOrder(order=OrderReference(public_id=str(void.public_id)), reason="twice"),
        actor=people.manager,
    )
    performed = exam()

    with pytest.raises(StateConflictError, match="entered in error"):
        make.relink(performed, void)

    assert make.step_of(void).status == "CANCELED"


def test_an_exam_may_be_tied_to_what_was_canceled_which_opens_it() -> None:
    canceled = make.booked()
    execute(CancelOrder(order=OrderReference(public_id=str(canceled.public_id))), actor=people.ehr)
    performed = exam()

    make.relink(performed, canceled)

    canceled.refresh_from_db()
    assert (canceled.status, make.step_of(canceled).status) == ("ACTIVE", "COMPLETED")
    undo(performed)
    canceled.refresh_from_db()
    assert (canceled.status, make.step_of(canceled).status) == ("CANCELED", "CANCELED")


def test_an_order_is_made_of_an_exam_that_goes_on() -> None:
    command = make.start(
        make.booked(make.NOON + timedelta(hours=5)),
        references=(ScheduledReference(study_instance_uid=new_uid()),),
    )
    execute(command, actor=people.ct1)
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)

    placed = execute(
        OrderPerformedStep(performed=str(performed.public_id), reason="walked in"),
        actor=people.technologist,
    )
    order = Order.objects.get(public_id=placed.public_id)
    during = make.step_of(order).status
    execute(CompletePerformedStep(sop_instance_uid=command.sop_instance_uid), actor=people.ct1)

    assert (during, make.step_of(order).status) == ("STARTED", "COMPLETED")


def test_the_wrong_entry_can_turn_out_to_have_been_right() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    reason = Code("110514", "DCM", "Incorrect worklist entry selected")
    details = PerformedDetails(discontinuation_reason=reason, series=(make.series(),))
    execute(
        DiscontinuePerformedStep(sop_instance_uid=command.sop_instance_uid, details=details),
        actor=people.ct1,
    )
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)
    apart = performed.match, performed.order, performed.steps.count(), make.step_of(order).status

    undo(performed)

    assert apart == ("QUARANTINED", None, 0, "SCHEDULED")
    assert (performed.match, performed.order_id) == ("MATCHED", order.pk)
    assert make.step_of(order).status == "DISCONTINUED"


# --- the right patient


def test_an_exam_given_to_another_patient_leaves_the_first_ones_step() -> None:
    order = make.booked()
    performed = exam(order)
    right = execute(
        RegisterPatient(
            identifiers=(Identifier("RIGHT", "HOSP", "MR"),), demographics=make.demographics()
        ),
        actor=people.frontdesk,
    )

    execute(
        MovePerformedStep(performed=str(performed.public_id), patient=right, reason="wristband"),
        actor=people.technologist,
    )

    performed.refresh_from_db()
    assert str(performed.patient.public_id) == right
    assert (performed.match, make.step_of(order).status) == ("UNSCHEDULED", "SCHEDULED")
    undo(performed)
    assert (performed.patient_id, performed.match) == (order.patient_id, "MATCHED")
    assert make.step_of(order).status == "COMPLETED"


def test_an_unknown_patient_gets_a_provisional_record_that_a_merge_resolves() -> None:
    performed = exam(
        patient_identifier=Identifier("TEMP77", "ER"),
        patient_name="Unknown^Male",
        patient_birth_date="19800101",
        patient_sex="M",
    )
    assert performed.patient is None

    execute(
        MovePerformedStep(performed=str(performed.public_id), reason="unconscious"),
        actor=people.technologist,
    )
    provisional = PerformedProcedureStep.objects.get(pk=performed.pk).patient
    survivor = make.order().patient
    execute(
        MergePatients(
            survivor=replace(make.patient(survivor.identifiers.get().value)),
            subsumed=replace(make.patient(), identifiers=(Identifier("TEMP77", "ER", "MR"),)),
        ),
        actor=people.ehr,
    )

    assert provisional is not None
    assert (provisional.name, provisional.birth_date, provisional.sex) == (
        "Unknown^Male",
        "1980-01-01",
        "M",
    )
    performed.refresh_from_db()
    assert performed.patient_id == survivor.pk


def test_a_move_to_the_same_patient_is_none() -> None:
    order = make.booked()
    performed = exam(order)

    with pytest.raises(StateConflictError):
        execute(
            MovePerformedStep(
                performed=str(performed.public_id),
                patient=str(order.patient.public_id),
                reason="x",
            ),
            actor=people.technologist,
        )


# --- an order made of it


def test_an_order_made_of_an_exam_has_what_the_exam_had() -> None:
    performed = exam()
    details = PerformedDetails(description="CT head, trauma")
    PerformedProcedureStep.objects.filter(pk=performed.pk).update(description=details.description)

    placed = execute(
        OrderPerformedStep(performed=str(performed.public_id), reason="came by ambulance"),
        actor=people.technologist,
    )

    order = Order.objects.get(public_id=placed.public_id)
    step = make.step_of(order)
    performed.refresh_from_db()
    assert placed.study_instance_uids == (performed.study_instance_uid,)
    assert (order.patient_id, order.ordered_at) == (performed.patient_id, performed.started_at)
    assert (step.status, step.modality, step.station_ae_title) == ("COMPLETED", "CT", "CT1")
    assert (step.start_at, step.procedure.stage) == (performed.started_at, "PERFORMED")
    assert step.procedure.description == "CT head, trauma"
    assert (performed.match, performed.order_id) == ("MATCHED", order.pk)
    names = list(
        DomainEvent.objects.filter(order=order).order_by("id").values_list("name", flat=True)
    )
    assert names == ["OrderPlaced", "PerformedStepOrdered", "PerformedStepRelinked"]


def test_the_order_made_of_an_exam_goes_when_undone() -> None:
    performed = exam()
    placed = execute(
        OrderPerformedStep(performed=str(performed.public_id), reason="no order"),
        actor=people.technologist,
    )
    performed.refresh_from_db()

    undo(performed)

    order = Order.objects.get(public_id=placed.public_id)
    assert order.status == "ENTERED_IN_ERROR"
    assert make.step_of(order).status == "CANCELED"
    assert (performed.match, performed.order) == ("UNSCHEDULED", None)
    assert performed.patient is not None


def test_without_a_patient_there_is_no_order() -> None:
    performed = exam(patient_identifier=None)

    with pytest.raises(MissingValueError, match="whose exam"):
        execute(
            OrderPerformedStep(performed=str(performed.public_id), reason="x"),
            actor=people.technologist,
        )

    assert not Order.objects.filter(status="ACTIVE").exclude(performed=None).exists()


def test_an_order_is_made_once_for_a_study() -> None:
    ordered = make.booked()
    performed = exam()
    study = RequestedProcedure.objects.get(order=ordered).study_instance_uid
    PerformedProcedureStep.objects.filter(pk=performed.pk).update(study_instance_uid=study)
    before = Order.objects.count()

    with pytest.raises(DuplicateKeyError):
        execute(
            OrderPerformedStep(performed=str(performed.public_id), reason="x"),
            actor=people.technologist,
        )

    assert Order.objects.count() == before


# --- how it ended


def test_how_an_exam_ended_is_set_right_and_the_devices_word_stays() -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)
    reason = Code("110505", "DCM", "Patient refused to continue procedure")
    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(discontinuation_reason=reason, ended_at=END),
        ),
        actor=people.ct1,
    )
    performed = PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)

    execute(
        RevisePerformedStep(
            performed=str(performed.public_id),
            status=PerformedStatus.COMPLETED,
            ended_at=END + timedelta(minutes=5),
            reason="the key beside it was pressed",
        ),
        actor=people.technologist,
    )

    performed.refresh_from_db()
    step = make.step_of(order)
    assert (performed.status, performed.effective_status) == ("DISCONTINUED", "COMPLETED")
    assert performed.ended_at == END
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")
    assert step.procedure.performed_at == END + timedelta(minutes=5)
    undo(performed)
    assert (performed.effective_status, make.step_of(order).status) == ("DISCONTINUED",) * 2


@pytest.mark.parametrize("minutes", [-30])
def test_an_exam_does_not_end_before_it_began(minutes: int) -> None:
    performed = exam(make.booked())

    with pytest.raises(Exception, match="ends after it began"):
        execute(
            RevisePerformedStep(
                performed=str(performed.public_id),
                ended_at=performed.started_at + timedelta(minutes=minutes),
                reason="clock",
            ),
            actor=people.technologist,
        )


# --- who may


def commands(performed: PerformedProcedureStep) -> list[object]:
    key = str(performed.public_id)
    return [
        RelinkPerformedStep(performed=key, steps=(), reason="x"),
        MovePerformedStep(performed=key, reason="x"),
        OrderPerformedStep(performed=key, reason="x"),
        RevisePerformedStep(performed=key, status=PerformedStatus.COMPLETED, reason="x"),
        UndoCorrection(correction=key, reason="x"),
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("actor", [people.ct1, people.frontdesk, people.outsider, people.ehr])
def test_nobody_else_mends(number: int, actor: object) -> None:
    performed = exam()

    with pytest.raises(DeniedError):
        execute(commands(performed)[number], actor=actor)

    assert not performed.corrections.exists()


@pytest.mark.parametrize("number", range(5))
def test_a_correction_needs_a_reason_and_something_to_correct(number: int) -> None:
    performed = exam()
    command = commands(performed)[number]

    with pytest.raises(MissingValueError):
        execute(replace(command, reason=" "), actor=people.technologist)
    field = "correction" if number == 4 else "performed"
    with pytest.raises(UnknownKeyError):
        execute(replace(command, **{field: str(make.NOON)}), actor=people.technologist)

    assert Patient.objects.count() == 1
    assert not performed.corrections.exists()
