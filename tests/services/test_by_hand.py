"""Exams begun by a person in the room of which the device then tells as well: one exam, one end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ris.domain.corrections import UndoCorrection
from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.identifiers import new_uid
from ris.domain.performing import (
    CompletePerformedStep,
    Origin,
    PerformedDetails,
    RelinkPerformedStep,
    ScheduledReference,
    UpdatePerformedStep,
)
from ris.models import DomainEvent, FollowUp, Order, PerformedProcedureStep
from ris.services import execute, timers
from tests import make, people
from tests.services.exams import begin, end, follow_up, settle, silent_for, stop, stored

pytestmark = pytest.mark.django_db

ENDED_EARLY = "PerformedStepDiscontinued"


@pytest.fixture(autouse=True)
def _devices() -> None:
    make.device()
    make.device("CT2", room="CT 2")


def by_hand(order: Order, **overrides: Any) -> PerformedProcedureStep:
    step = str(make.step_of(order).public_id)
    command = make.start(order, references=(), steps=(step,), origin=Origin.MANUAL, **overrides)
    execute(command, actor=people.technologist)
    return stored(command)


def now(performed: PerformedProcedureStep) -> tuple[str, bool]:
    performed.refresh_from_db()
    return performed.status, performed.abandoned


@pytest.mark.parametrize(
    ("reason", "images", "status", "follow_ups"),
    [
        ("110505", True, "DISCONTINUED", ["NOTE"]),
        ("110505", False, "DISCONTINUED", ["NOTE"]),
        ("110501", True, "DISCONTINUED", ["REBOOK"]),
        ("110501", False, "SCHEDULED", []),  # nothing was made: it is to be done still
        ("", False, "SCHEDULED", []),
        ("110514", False, "SCHEDULED", []),  # the wrong entry: it was not this exam at all
        ("110514", True, "SCHEDULED", []),
    ],
)
def test_what_the_device_ended_early_has_the_effect_it_has_without_the_click(
    reason: str, images: bool, status: str, follow_ups: list[str]
) -> None:
    order = make.booked()
    manual, device = by_hand(order), begin(order)

    stop(device, reason, images=images)

    assert now(manual) == ("DISCONTINUED", status == "SCHEDULED")
    assert manual.discontinuation_reason == device.discontinuation_reason
    assert manual.ended_at == device.ended_at
    assert manual.flags == ["ended with what the device told of it"]
    assert make.step_of(order).status == status
    assert [row.kind for row in FollowUp.objects.order_by("id")] == follow_ups
    told = DomainEvent.objects.filter(name="PerformedStepDiscontinued").order_by("id")
    assert [event.payload["performed"] for event in told] == [
        str(manual.public_id),
        str(device.public_id),
    ]
    assert {bool(event.payload["returned"]) for event in told} == {status == "SCHEDULED"}


def test_a_step_that_is_back_can_be_begun_again_by_hand_and_by_the_device() -> None:
    order = make.booked()
    by_hand(order)
    stop(begin(order), "110501", images=False)
    again, device = by_hand(order), begin(order)

    end(device)

    assert now(again) == ("COMPLETED", False)
    assert make.step_of(order).status == "COMPLETED"


def test_the_exam_goes_on_while_the_device_tells_of_another_try() -> None:
    order = make.booked()
    manual, first, second = by_hand(order), begin(order), begin(order)

    stop(first, "110501", images=False)

    assert now(manual) == ("IN PROGRESS", False)
    assert make.step_of(order).status == "STARTED"
    assert not FollowUp.objects.filter(kind="BY_HAND").exists()

    end(second)

    assert now(manual) == ("COMPLETED", False)


def test_what_was_begun_in_another_room_goes_on_after_the_wrong_entry() -> None:
    """Somebody picked this patient at the other scanner by mistake."""
    order = make.booked()
    manual, device = by_hand(order), begin(order, station_ae_title="CT2")

    stop(device, "110514")

    assert now(manual) == ("IN PROGRESS", False)
    assert make.step_of(order).status == "STARTED"
    assert not FollowUp.objects.exists()


def test_what_was_begun_in_another_room_is_asked_about_when_a_device_ends_it_early() -> None:
    order = make.booked()
    manual, device = by_hand(order), begin(order, station_ae_title="CT2")

    stop(device, "110505")

    assert now(manual) == ("IN PROGRESS", False)
    row = FollowUp.objects.get(kind="BY_HAND")
    assert (row.performed_id, row.step_id, row.settled_at) == (
        manual.pk,
        make.step_of(order).pk,
        None,
    )
    assert row.detail == "CT2: DISCONTINUED"

    settle(row, FollowUpAction.ENDED_TOO)

    assert now(manual) == ("DISCONTINUED", False)
    assert manual.discontinuation_reason["value"] == "110505"
    assert (row.action, row.settled_by) == ("ENDED_TOO", people.technologist.name)
    assert make.step_of(order).status == "DISCONTINUED"


def tied(order: Order, device: PerformedProcedureStep) -> None:
    execute(
        RelinkPerformedStep(
            performed=str(device.public_id),
            steps=(str(make.step_of(order).public_id),),
            reason="the images of this exam",
        ),
        actor=people.technologist,
    )


def without_order(order: Order, **overrides: Any) -> PerformedProcedureStep:
    own = (ScheduledReference(study_instance_uid=new_uid()),)
    return begin(order, references=own, **overrides)


def test_an_ended_exam_tied_later_proposes_to_end_what_was_begun_by_hand() -> None:
    order = make.booked()
    manual, device = by_hand(order), without_order(order)
    end(device)

    tied(order, device)

    assert now(manual) == ("IN PROGRESS", False)
    row = follow_up(FollowUpKind.BY_HAND)
    assert (row.performed_id, row.detail) == (manual.pk, "CT1: COMPLETED")

    settle(row, FollowUpAction.ENDED_TOO)

    assert now(manual) == ("COMPLETED", False)
    assert manual.ended_at == device.ended_at
    assert make.step_of(order).status == "COMPLETED"


def test_an_exam_tied_while_it_runs_ends_what_was_begun_by_hand() -> None:
    order = make.booked()
    manual, device = by_hand(order), without_order(order)
    tied(order, device)

    stop(device, "110505")

    assert now(manual) == ("DISCONTINUED", False)
    assert make.step_of(order).status == "DISCONTINUED"


def test_a_tie_taken_back_asks_no_more() -> None:
    order = make.booked()
    manual, device = by_hand(order), without_order(order)
    end(device)
    tied(order, device)
    correction = device.corrections.get()

    execute(
        UndoCorrection(correction=str(correction.public_id), reason="another exam"),
        actor=people.technologist,
    )

    assert FollowUp.objects.get(kind="BY_HAND").settled_at is not None
    assert now(manual) == ("IN PROGRESS", False)
    assert make.step_of(order).status == "STARTED"


def test_what_a_person_ends_is_asked_about_no_more() -> None:
    order = make.booked()
    manual, device = by_hand(order), without_order(order)
    end(device)
    tied(order, device)

    execute(
        CompletePerformedStep(sop_instance_uid=manual.sop_instance_uid), actor=people.technologist
    )

    assert FollowUp.objects.get(kind="BY_HAND").settled_at is not None


def test_an_exam_of_before_says_nothing_of_one_begun_since() -> None:
    order = make.booked()
    device = without_order(order)
    end(device)
    manual = by_hand(order, started_at=make.NOON + timedelta(hours=2))

    tied(order, device)

    assert now(manual) == ("IN PROGRESS", False)
    assert not FollowUp.objects.exists()


# --- the device tells no end, and the clock ends it


@pytest.mark.parametrize(("images", "status"), [(True, "COMPLETED"), (False, "DISCONTINUED")])
def test_what_the_clock_ends_of_the_device_ends_what_was_begun_by_hand(
    images: bool, status: str
) -> None:
    order = make.booked()
    manual, device = by_hand(order), begin(order)
    if images:
        details = PerformedDetails(series=(make.series(),))
        uid = device.sop_instance_uid
        execute(UpdatePerformedStep(sop_instance_uid=uid, details=details), actor=people.ct1)
    silent_for(device, 25)

    timers.run_due()

    device.refresh_from_db()
    assert now(manual) == (status, False)
    assert (manual.ended_at, device.status) == (device.ended_at, status)
    assert make.step_of(order).status == status
    assert [row.kind for row in FollowUp.objects.filter(settled_at=None)] == ["CLOSED"]
    told = DomainEvent.objects.filter(name__in=["PerformedStepCompleted", ENDED_EARLY])
    by_device = told.get(payload__performed=str(device.public_id))
    assert told.filter(payload__performed=str(manual.public_id)).exists()
    assert by_device.payload["all_done"] is True


def test_the_clock_leaves_alone_what_a_person_began_since() -> None:
    order = make.booked()
    device = begin(order)
    silent_for(device, 25)
    manual = by_hand(order, started_at=timezone.now() - timedelta(minutes=10))

    timers.run_due()

    device.refresh_from_db()
    assert (device.status, now(manual)) == ("DISCONTINUED", ("IN PROGRESS", False))
    assert make.step_of(order).status == "STARTED"
