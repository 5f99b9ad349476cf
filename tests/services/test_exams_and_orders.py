"""Exams and the orders they belong to, in all the ways they do not fit one to one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ris.domain.actors import TIMER
from ris.domain.corrections import (
    ClosePerformedSteps,
    RevisePerformedStep,
    UndoCorrection,
)
from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.errors import StateConflictError
from ris.domain.identifiers import new_uid
from ris.domain.orders import ProcedureRequest
from ris.domain.performing import (
    PerformedDetails,
    PerformedStatus,
    ScheduledReference,
    UpdatePerformedStep,
)
from ris.domain.values import Code
from ris.models import (
    DomainEvent,
    Order,
    PerformedProcedureStep,
    ScheduledProcedureStep,
)
from ris.selectors import exceptions, search
from ris.selectors.performing import performed_dataset
from ris.services import execute, timers
from ris.services.performing import late
from tests import make, people
from tests.services.exams import (
    LATER,
    begin,
    both,
    end,
    follow_up,
    names,
    settle,
    silent_for,
    stop,
    stored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("department")]


# --- what is made from images


@pytest.mark.parametrize("modality", ["SR", "PR", "KO", "OT"])
def test_evidence_moves_no_step_of_another_modality(modality: str) -> None:
    order = make.booked()

    performed = begin(order, modality=modality)
    end(performed)

    assert (performed.match, performed.order_id) == ("EVIDENCE", order.pk)
    assert make.step_of(order).status == "SCHEDULED"
    assert names(order) == ["PerformedStepStarted", "PerformedStepCompleted"]
    assert DomainEvent.objects.filter(payload__steps__0__isnull=False).count() == 0


@pytest.mark.parametrize(("modality", "match"), [("PR", "EVIDENCE"), ("OT", "UNSCHEDULED")])
def test_evidence_of_a_study_that_is_not_ours_is_no_exception(modality: str, match: str) -> None:
    prior = ScheduledReference(study_instance_uid=new_uid())

    performed = begin(make.booked(), modality=modality, references=(prior,))

    assert performed.match == match
    assert exceptions.unmatched().count() == (match != "EVIDENCE")


def test_a_step_planned_for_evidence_is_moved_by_it() -> None:
    make.device("WS1", "SR")
    order = make.booked(
        station="WS1",
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(modality="SR"),)),
        ),
    )

    assert begin(order, modality="SR").match == "MATCHED"
    assert make.step_of(order).status == "STARTED"


# --- the end was never told


def test_a_silent_exam_without_images_is_discontinued_and_asked_about() -> None:
    order = make.booked()
    performed = begin(order)
    silent_for(performed, 25)

    timers.run_due()

    performed.refresh_from_db()
    follow_up = performed.follow_ups.get()
    assert (performed.status, make.step_of(order).status) == ("DISCONTINUED", "DISCONTINUED")
    assert performed.flags == ["ended by the clock: the device told no end"]
    assert performed.discontinuation_reason["value"] == "110513"
    assert (follow_up.kind, follow_up.detail) == ("CLOSED", "counted as discontinued")
    event = DomainEvent.objects.get(name="PerformedStepDiscontinued")
    assert (event.actor_name, event.payload["returned"]) == ("timer", [])


def test_a_silent_exam_with_images_is_completed_so_that_it_is_read() -> None:
    order = make.booked()
    performed = begin(order)
    execute(
        UpdatePerformedStep(
            sop_instance_uid=performed.sop_instance_uid,
            details=PerformedDetails(series=(make.series(),)),
        ),
        actor=people.ct1,
    )
    silent_for(performed, 25)

    timers.run_due()

    step = make.step_of(order)
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")


def test_a_later_word_of_the_modality_is_refused_as_final() -> None:
    performed = begin(make.booked())
    silent_for(performed, 25)
    timers.run_due()

    with pytest.raises(StateConflictError) as refused:
        end(performed)

    assert refused.value.details == {"final": True}


@pytest.mark.parametrize(("own", "closed"), [(None, False), (2, True), (0, False), (48, False)])
def test_a_device_may_be_given_its_own_hours(own: int | None, closed: bool) -> None:
    make.device(settings={} if own is None else {"mpps_close_hours": own})
    performed = begin(make.booked())
    silent_for(performed, 3)

    timers.run_due()

    performed.refresh_from_db()
    assert (performed.status == "DISCONTINUED") is closed


def test_zero_hours_ends_nothing() -> None:
    silent_for(begin(make.booked()), 1000)

    assert not late.closable(0)
    assert execute(ClosePerformedSteps(hours=0), actor=TIMER) == 0


# --- another procedure than ordered (SPS-08)


@pytest.mark.parametrize(
    ("code", "flagged"),
    [
        (Code("X11", "TEST", "CT head with contrast"), True),
        (Code("CTHEAD", "TEST", "CT head"), False),
        (Code("X11", "OTHER", "spoken in other words"), False),
    ],
)
def test_another_procedure_than_ordered_is_flagged_and_both_are_kept(
    code: Code, flagged: bool
) -> None:
    order = make.booked()
    performed = begin(order)

    end(performed, procedure_codes=(code,))

    kinds = [row.kind for row in performed.follow_ups.all()]
    assert kinds == (["DIFFERS"] if flagged else [])
    assert performed.procedure_codes[0]["value"] == code.value
    assert make.step_of(order).procedure.code_value == "CTHEAD"


# --- what the order makes of it (SPS-07)


def test_the_order_is_in_progress_with_the_first_step_and_performed_with_the_last() -> None:
    order = make.order(
        procedures=(
            ProcedureRequest(
                code=make.CT_HEAD,
                steps=(
                    make.step_request(start_at=make.NOON, station_ae_title="CT1"),
                    make.step_request(start_at=LATER, station_ae_title="CT1"),
                ),
            ),
        )
    )
    first, second = ScheduledProcedureStep.objects.order_by("id")

    def stage() -> str:
        return make.step_of(order).procedure.stage

    def perform(step: ScheduledProcedureStep) -> PerformedProcedureStep:
        reference = replace(make.start(order).references[0], step_id=step.step_id)
        return begin(order, references=(reference,))

    seen = [stage()]
    one = perform(first)
    seen.append(stage())
    end(one)
    seen.append(stage())
    two = perform(second)
    stop(two, "110505", images=False)
    seen.append(stage())

    assert seen == ["SCHEDULED", "IN_PROGRESS", "IN_PROGRESS", "PERFORMED"]
    done = DomainEvent.objects.filter(name__in=["PerformedStepCompleted"]).get().payload
    assert done["all_done"] is False


def test_what_the_modality_said_is_untouched_by_what_people_know() -> None:
    performed = begin(make.booked(), dataset={"00100010": {"vr": "PN"}})
    silent_for(performed, 25)
    timers.run_due()
    settle(follow_up(FollowUpKind.CLOSED), FollowUpAction.WAS_COMPLETED)

    dataset = performed_dataset(performed.sop_instance_uid)

    assert dataset["00400252"] == {"vr": "CS", "Value": ["DISCONTINUED"]}


def test_a_group_is_one_procedure_of_both_orders_for_those_who_search(
    pair: tuple[Order, Order],
) -> None:
    command = both(pair)
    execute(command, actor=people.ct1)
    key = str(stored(command).public_id)

    (hit,) = search.performed.load([key])

    assert [order.public_id for order, _ in hit.covers] == [str(one.public_id) for one in pair]


def test_what_was_abandoned_does_not_count_when_the_next_try_goes_elsewhere() -> None:
    order = make.booked()
    stop(begin(order), "110501", images=False)
    second = begin(order)

    make.relink(second)

    assert make.step_of(order).status == "SCHEDULED"


def test_the_wrong_entry_leaves_a_step_to_what_else_was_done_for_it() -> None:
    order = make.booked()
    stop(begin(order), "110505")
    mistaken = begin(order)

    stop(mistaken, "110514")

    assert make.step_of(order).status == "DISCONTINUED"


def test_people_may_say_that_an_abandoned_exam_was_completed() -> None:
    order = make.booked()
    performed = begin(order)
    stop(performed, "110501", images=False)
    right = RevisePerformedStep(
        performed=str(performed.public_id), status=PerformedStatus.COMPLETED, reason="images came"
    )

    execute(right, actor=people.technologist)
    revised = make.step_of(order).status
    correction = str(performed.corrections.get().public_id)
    execute(UndoCorrection(correction=correction, reason="x"), actor=people.technologist)

    assert (revised, make.step_of(order).status) == ("COMPLETED", "SCHEDULED")
