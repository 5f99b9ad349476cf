"""What an exam leaves to decide: who is asked what, and what may be answered."""

from __future__ import annotations

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.catalog import MapCode
from ris.domain.configuration import ApplyConfiguration
from ris.domain.corrections import (
    RevisePerformedStep,
    SettleFollowUp,
)
from ris.domain.discontinuation import MODALITY_REASONS, REASONS, FollowUpAction, FollowUpKind
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.orders import (
    CancelOrder,
    OrderReference,
)
from ris.domain.performing import PerformedStatus
from ris.domain.values import Code
from ris.models import (
    DomainEvent,
    FollowUp,
    ScheduledProcedureStep,
)
from ris.services import execute, timers
from tests import make, people
from tests.services.exams import (
    begin,
    end,
    follow_up,
    settle,
    silent_for,
    stop,
    stored,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("department")]


def test_a_failed_machine_proposes_to_plan_again() -> None:
    order = make.booked()
    stop(begin(order), "110501")
    row = follow_up(FollowUpKind.REBOOK)

    settle(row, FollowUpAction.PLAN_AGAIN)

    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    assert [step.status for step in steps] == ["DISCONTINUED", "PENDING"]
    assert (row.action, row.settled_by) == ("PLAN_AGAIN", "technologist")


def test_what_was_done_at_another_try_is_not_planned_again() -> None:
    order = make.booked()
    stop(begin(order), "110501")
    row = follow_up(FollowUpKind.REBOOK)

    end(begin(order))

    row.refresh_from_db()
    assert make.step_of(order).status == "COMPLETED"
    assert (row.action, row.note) == ("DONE", "it was done at another try")
    assert row.settled_at is not None


def test_what_happened_at_an_earlier_try_is_still_to_be_written_down() -> None:
    order = make.booked()
    stop(begin(order), "110505")

    end(begin(order))

    assert follow_up(FollowUpKind.NOTE).settled_at is None


def test_a_wrong_order_proposes_to_end_it() -> None:
    order = make.booked()
    stop(begin(order), "110502")

    settle(follow_up(FollowUpKind.CANCEL), FollowUpAction.CANCEL_ORDER)

    order.refresh_from_db()
    assert order.status == "DISCONTINUED"
    assert DomainEvent.objects.get(name="OrderDiscontinued").payload["reason"] == "as coded"


def test_a_reaction_asks_for_a_note() -> None:
    stop(begin(make.booked()), "110503")
    row = follow_up(FollowUpKind.NOTE)

    with pytest.raises(MissingValueError):
        settle(row, FollowUpAction.DONE)
    settle(row, FollowUpAction.DONE, "hives after 20 ml, given antihistamine")

    assert row.note == "hives after 20 ml, given antihistamine"
    assert DomainEvent.objects.get(name="FollowUpSettled").payload["note"] == row.note


def test_what_the_clock_ended_can_be_said_to_have_been_completed() -> None:
    order = make.booked()
    silent_for(begin(order), 25)
    timers.run_due()

    settle(follow_up(FollowUpKind.CLOSED), FollowUpAction.WAS_COMPLETED)

    step = make.step_of(order)
    assert (step.status, step.procedure.stage) == ("COMPLETED", "PERFORMED")
    assert order.performed.get().status == "DISCONTINUED"


def test_what_is_taken_from_a_step_leaves_nothing_to_decide_there() -> None:
    reopened = make.booked()
    command = make.start(reopened)
    execute(CancelOrder(order=OrderReference(public_id=str(reopened.public_id))), actor=people.ehr)
    execute(command, actor=people.ct1)
    assert follow_up(FollowUpKind.REOPENED)

    stop(stored(command), "110514")

    assert not FollowUp.objects.filter(settled_at=None).exists()


def test_an_exam_set_right_on_its_page_is_asked_about_no_more() -> None:
    performed = begin(make.booked())
    silent_for(performed, 25)
    timers.run_due()
    right = RevisePerformedStep(
        performed=str(performed.public_id), status=PerformedStatus.COMPLETED, reason="it was"
    )

    execute(right, actor=people.technologist)

    assert not FollowUp.objects.filter(settled_at=None).exists()


def test_a_follow_up_is_settled_once_and_only_by_what_it_offers() -> None:
    stop(begin(make.booked()), "110501")
    row = follow_up(FollowUpKind.REBOOK)

    with pytest.raises(InvalidValueError):
        settle(row, FollowUpAction.WAS_COMPLETED)
    settle(row, FollowUpAction.DONE, "moved to the other hospital")
    with pytest.raises(StateConflictError):
        settle(row, FollowUpAction.PLAN_AGAIN)

    assert ScheduledProcedureStep.objects.count() == 1


def test_who_may_not_plan_cannot_do_so_by_a_follow_up() -> None:
    stop(begin(make.booked()), "110501")
    row = follow_up(FollowUpKind.REBOOK)
    command = SettleFollowUp(follow_up=str(row.public_id), action=FollowUpAction.PLAN_AGAIN)

    with pytest.raises(DeniedError):
        execute(command, actor=people.manager)

    row.refresh_from_db()
    assert (row.settled_at, ScheduledProcedureStep.objects.count()) == (None, 1)


@pytest.mark.parametrize(("word", "kinds"), [("note", ["NOTE"]), ("none", []), ("odd", ["REBOOK"])])
def test_a_site_may_say_otherwise_what_a_reason_asks_for(word: str, kinds: list[str]) -> None:
    execute(
        MapCode(table="follow_up", source=Code("110501", "DCM"), target=Code(word, "RIS")),
        actor=OPERATOR,
    )

    performed = begin(make.booked())
    stop(performed, "110501")

    assert [row.kind for row in performed.follow_ups.all()] == kinds


def test_a_site_file_says_it_too() -> None:
    text = '[[follow_up]]\ncode = "110501"\nthen = "note"\n'

    first = execute(ApplyConfiguration(content=text), actor=OPERATOR)
    again = execute(ApplyConfiguration(content=text), actor=OPERATOR)
    performed = begin(make.booked())
    stop(performed, "110501")

    assert [change.table for change in first.changes] == ["follow_up"]
    assert again.changes == ()
    assert [row.kind for row in performed.follow_ups.all()] == ["NOTE"]


def test_the_reasons_are_those_of_dicom() -> None:
    assert len(MODALITY_REASONS) == 19
    assert len(REASONS) == len({(row.scheme, row.value) for row in REASONS.values()}) == 87
    assert REASONS["DCM", "110516"].meaning == "Equipment change"
