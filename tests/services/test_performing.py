"""Performed steps through the door, and the scheduled steps that follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.errors import DuplicateKeyError, StateConflictError, UnknownKeyError
from ris.domain.identifiers import new_uid
from ris.domain.orders import CancelOrder, OrderReference, VoidOrder
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Origin,
    PerformedDetails,
    ScheduledReference,
    UpdatePerformedStep,
)
from ris.domain.scheduling import RecordArrival
from ris.domain.values import Code, Identifier
from ris.models import DomainEvent, Order, PerformedProcedureStep
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def stored(uid: str) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=uid)


def end(uid: str, **overrides: object) -> CompletePerformedStep:
    details = PerformedDetails(ended_at=make.NOON + timedelta(minutes=9), series=(make.series(),))
    return CompletePerformedStep(sop_instance_uid=uid, details=replace(details, **overrides))


def test_a_start_moves_step_and_appointment_in_one_transaction() -> None:
    order = make.booked()
    command = make.start(order)

    execute(command, actor=people.ct1)

    step = make.step_of(order)
    performed = stored(command.sop_instance_uid)
    assert (step.status, step.procedure.stage) == ("STARTED", "IN_PROGRESS")
    assert step.appointment is not None
    assert step.appointment.status == "ARRIVED"
    assert (performed.status, performed.match, performed.order_id) == (
        "IN PROGRESS",
        "MATCHED",
        order.pk,
    )


def test_an_end_completes_the_step() -> None:
    order = make.performed()

    step = make.step_of(order)
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")
    assert step.procedure.performed_at == make.NOON + timedelta(minutes=15)
    assert step.appointment is not None
    assert step.appointment.status == "FULFILLED"
    payload = DomainEvent.objects.get(name="PerformedStepCompleted").payload
    assert payload["all_done"] is True


def test_the_same_uid_again_is_refused() -> None:
    command = make.start(make.booked())
    execute(command, actor=people.ct1)

    with pytest.raises(DuplicateKeyError):
        execute(command, actor=people.ct1)

    assert PerformedProcedureStep.objects.count() == 1


def test_an_unknown_uid_is_refused() -> None:
    with pytest.raises(UnknownKeyError):
        execute(end(new_uid()), actor=people.ct1)


def test_nothing_changes_after_the_end() -> None:
    command = make.start(make.booked())
    execute(command, actor=people.ct1)
    execute(end(command.sop_instance_uid), actor=people.ct1)

    with pytest.raises(StateConflictError) as refused:
        execute(end(command.sop_instance_uid), actor=people.ct1)

    assert refused.value.details == {"final": True}


def test_series_replace_the_stored_ones_whole() -> None:
    command = make.start(make.booked())
    execute(command, actor=people.ct1)
    first, second = make.series(), make.series()

    for series in ((first,), (first, second)):
        execute(
            UpdatePerformedStep(
                sop_instance_uid=command.sop_instance_uid,
                details=PerformedDetails(series=series),
            ),
            actor=people.ct1,
        )

    uids = stored(command.sop_instance_uid).series.values_list("series_instance_uid", flat=True)
    assert sorted(uids) == sorted([first.series_instance_uid, second.series_instance_uid])


def test_a_series_told_item_by_item_has_all_its_images() -> None:
    command = make.start(make.booked())
    execute(command, actor=people.ct1)
    one = make.series()
    parts = tuple(replace(one, instance_count=count) for count in (2, 3, 0))

    execute(stop(command.sop_instance_uid, series=parts), actor=people.ct1)

    performed = stored(command.sop_instance_uid)
    assert (performed.series.get().instance_count, performed.abandoned) == (5, False)


def stop(uid: str, reason: str = "", **overrides: object) -> DiscontinuePerformedStep:
    details = PerformedDetails(
        ended_at=make.NOON + timedelta(minutes=9),
        discontinuation_reason=Code(reason, "DCM", "as coded") if reason else None,
    )
    return DiscontinuePerformedStep(sop_instance_uid=uid, details=replace(details, **overrides))


@pytest.mark.parametrize(
    "missing", ["study_instance_uid", "accession_number", "step_id", "procedure_id"]
)
def test_a_step_is_found_though_one_identifier_is_missing(missing: str) -> None:
    order = make.booked()
    command = make.start(order)
    reference = replace(command.references[0], **{missing: ""})

    execute(replace(command, references=(reference,)), actor=people.ct1)

    assert make.step_of(order).status == "STARTED"


def test_what_names_no_known_step_is_kept_as_unmatched() -> None:
    command = make.start(make.booked())
    unknown = ScheduledReference(
        study_instance_uid=new_uid(), accession_number="NONE", step_id="NONE"
    )

    execute(replace(command, references=(unknown,)), actor=people.ct1)

    performed = stored(command.sop_instance_uid)
    assert (performed.match, performed.order, performed.steps.count()) == ("UNMATCHED", None, 0)


def test_what_names_no_step_at_all_is_unscheduled_and_knows_its_patient() -> None:
    order = make.booked()
    command = make.start(order)

    execute(
        replace(command, references=(ScheduledReference(study_instance_uid=new_uid()),)),
        actor=people.ct1,
    )

    performed = stored(command.sop_instance_uid)
    assert (performed.match, performed.patient_id) == ("UNSCHEDULED", order.patient_id)
    assert make.step_of(order).status == "SCHEDULED"


def test_another_patient_never_moves_the_step() -> None:
    order = make.booked()
    command = make.start(order, patient_identifier=Identifier("SOMEBODY", "HOSP"))

    execute(command, actor=people.ct1)

    assert stored(command.sop_instance_uid).match == "MISMATCH"
    assert make.step_of(order).status == "SCHEDULED"


def test_a_step_canceled_meanwhile_is_open_again_and_people_are_told() -> None:
    order = make.booked()
    command = make.start(order)
    execute(CancelOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)

    execute(command, actor=people.ct1)

    performed = stored(command.sop_instance_uid)
    order.refresh_from_db()
    assert (performed.match, performed.flags) == (
        "MATCHED",
        ["the step had been canceled; it is open again"],
    )
    assert (make.step_of(order).status, order.status) == ("STARTED", "ACTIVE")
    assert [row.kind for row in performed.follow_ups.all()] == ["REOPENED"]
    names = DomainEvent.objects.filter(order=order).order_by("id").values_list("name", flat=True)
    assert list(names)[-3:] == ["OrderReopened", "PerformedStepStarted", "FollowUpRaised"]


def test_a_canceled_step_begun_by_mistake_is_canceled_again() -> None:
    order = make.booked()
    command = make.start(order)
    execute(CancelOrder(order=OrderReference(public_id=str(order.public_id))), actor=people.ehr)
    execute(command, actor=people.ct1)

    execute(stop(command.sop_instance_uid, "110514"), actor=people.ct1)

    order.refresh_from_db()
    assert (make.step_of(order).status, order.status) == ("CANCELED", "CANCELED")


def test_an_order_entered_in_error_stays_so() -> None:
    order = make.booked()
    command = make.start(order)
    reference = OrderReference(public_id=str(order.public_id))
    execute(VoidOrder(order=reference, reason="wrong patient"), actor=people.manager)

    execute(command, actor=people.ct1)

    performed = stored(command.sop_instance_uid)
    assert performed.match == "UNMATCHED"
    assert performed.flags == ["the order had been marked as entered in error"]
    assert make.step_of(order).status == "CANCELED"


def test_the_wrong_worklist_entry_puts_the_step_back_where_it_was() -> None:
    order = make.booked()
    appointment = make.appointment_of(order)
    execute(
        RecordArrival(appointment=str(appointment.public_id), unchecked_reason="known here"),
        actor=people.frontdesk,
    )
    command = make.start(order)
    execute(command, actor=people.ct1)

    execute(
        DiscontinuePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(
                discontinuation_reason=Code("110514", "DCM", "Incorrect worklist entry selected")
            ),
        ),
        actor=people.ct1,
    )

    assert make.step_of(order).status == "ARRIVED"
    assert stored(command.sop_instance_uid).match == "QUARANTINED"


@pytest.mark.parametrize(
    ("reason", "images", "status", "follow_up"),
    [
        ("110501", False, "SCHEDULED", []),  # nothing was made: it is simply still to be done
        ("110513", False, "SCHEDULED", []),
        ("", False, "SCHEDULED", []),
        ("110501", True, "DISCONTINUED", ["REBOOK"]),
        ("110516", True, "DISCONTINUED", ["REBOOK"]),
        ("110513", True, "DISCONTINUED", []),
        ("110505", False, "DISCONTINUED", ["NOTE"]),
        ("110503", True, "DISCONTINUED", ["NOTE"]),
        ("110502", False, "DISCONTINUED", ["CANCEL"]),
        ("110510", True, "DISCONTINUED", ["CANCEL"]),
        ("99999", False, "DISCONTINUED", ["REBOOK"]),
    ],
)
def test_an_exam_that_was_stopped_leaves_what_its_reason_says(
    reason: str, images: bool, status: str, follow_up: list[str]
) -> None:
    order = make.booked()
    command = make.start(order)
    execute(command, actor=people.ct1)

    series = (make.series(),) if images else ()
    execute(stop(command.sop_instance_uid, reason, series=series), actor=people.ct1)

    performed = stored(command.sop_instance_uid)
    payload = DomainEvent.objects.get(name="PerformedStepDiscontinued").payload
    assert make.step_of(order).status == status
    assert [row.kind for row in performed.follow_ups.all()] == follow_up
    assert bool(payload["returned"]) is (status == "SCHEDULED")
    assert payload["reason"] == reason


@pytest.mark.parametrize("completed_first", [True, False])
def test_one_completed_of_two_performed_steps_completes_the_step(completed_first: bool) -> None:
    order = make.booked()
    first, second = make.start(order), make.start(order)
    execute(first, actor=people.ct1)
    execute(second, actor=people.ct1)
    complete = end(first.sop_instance_uid)
    stop = DiscontinuePerformedStep(sop_instance_uid=second.sop_instance_uid)

    for command in (complete, stop) if completed_first else (stop, complete):
        execute(command, actor=people.ct1)

    assert make.step_of(order).status == "COMPLETED"


def test_a_second_start_after_the_end_appends() -> None:
    order = make.performed()
    again = make.start(order)

    execute(again, actor=people.ct1)

    assert make.step_of(order).status == "STARTED"
    assert stored(again.sop_instance_uid).flags == ["appended to a completed step"]
    execute(end(again.sop_instance_uid), actor=people.ct1)
    assert make.step_of(order).status == "COMPLETED"


def test_one_performed_step_may_cover_several_orders() -> None:
    patient = make.patient("G1")
    first = make.booked(patient=patient)
    second = make.booked(patient=patient, start_at=make.NOON + timedelta(hours=1))
    command = make.start(first)
    both = (*command.references, *make.start(second).references)

    execute(replace(command, references=both), actor=people.ct1)
    execute(end(command.sop_instance_uid), actor=people.ct1)

    assert [make.step_of(order).status for order in (first, second)] == ["COMPLETED"] * 2


def test_an_end_before_the_start_is_flagged_and_not_believed() -> None:
    command = make.start(make.booked())
    execute(command, actor=people.ct1)

    execute(
        end(command.sop_instance_uid, ended_at=make.NOON - timedelta(hours=1)), actor=people.ct1
    )

    performed = stored(command.sop_instance_uid)
    assert performed.ended_at == performed.started_at
    assert performed.flags == ["the end time sent was before the start time"]


def test_a_technologist_starts_by_hand() -> None:
    order = make.order()
    step = make.step_of(order)

    execute(
        make.start(order, references=(), steps=(str(step.public_id),)), actor=people.technologist
    )

    assert make.step_of(order).status == "STARTED"


def test_what_was_begun_by_hand_ends_with_what_the_device_tells_of_it() -> None:
    order = make.booked()
    step = make.step_of(order)
    by_hand = make.start(order, references=(), steps=(str(step.public_id),), origin=Origin.MANUAL)
    execute(by_hand, actor=people.technologist)
    by_device = make.start(order)
    execute(by_device, actor=people.ct1)

    execute(end(by_device.sop_instance_uid), actor=people.ct1)

    ended = stored(by_hand.sop_instance_uid)
    assert make.step_of(order).status == "COMPLETED"
    assert (ended.status, ended.ended_at) == ("COMPLETED", make.NOON + timedelta(minutes=9))
    assert ended.flags == ["ended with what the device told of it"]
    told = DomainEvent.objects.filter(name="PerformedStepCompleted").order_by("id")
    assert [event.payload["all_done"] for event in told] == [False, True]


def test_what_was_begun_by_hand_goes_on_after_the_wrong_entry_and_for_other_steps() -> None:
    patient = make.patient("BOTH1")
    order, other = (
        make.booked(make.NOON + timedelta(hours=hours), patient=patient) for hours in (0, 1)
    )
    steps = tuple(str(make.step_of(one).public_id) for one in (order, other))
    by_hand = make.start(order, references=(), steps=steps, origin=Origin.MANUAL)
    execute(by_hand, actor=people.technologist)
    by_device, again = make.start(order), make.start(order)
    execute(by_device, actor=people.ct1)
    execute(again, actor=people.ct1)

    execute(stop(by_device.sop_instance_uid, "110514"), actor=people.ct1)
    execute(end(again.sop_instance_uid), actor=people.ct1)

    assert stored(by_hand.sop_instance_uid).status == "IN PROGRESS"
    assert [make.step_of(one).status for one in (order, other)] == ["STARTED", "STARTED"]


def test_relinking_takes_the_wrong_step_back_and_moves_the_right_one() -> None:
    wrong = make.booked()
    right = make.booked(start_at=make.NOON + timedelta(hours=1))
    command = make.start(wrong)
    execute(command, actor=people.ct1)
    execute(end(command.sop_instance_uid), actor=people.ct1)

    make.relink(stored(command.sop_instance_uid), right)

    assert (make.step_of(wrong).status, make.step_of(right).status) == ("SCHEDULED", "COMPLETED")
    assert stored(command.sop_instance_uid).order_id == right.pk


def test_an_order_is_known_by_its_performed_steps() -> None:
    order: Order = make.performed()

    assert order.performed.count() == 1
