"""What a correction leaves: the end of what is still there, and the study for another order."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ris.domain.corrections import OrderPerformedStep, RevisePerformedStep, UndoCorrection
from ris.domain.identifiers import new_uid
from ris.domain.orders import PlacedOrder
from ris.domain.performing import ScheduledReference
from ris.models import Order, PerformedProcedureStep, RequestedProcedure
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, end

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("department")]

END = make.NOON + timedelta(minutes=20)


def last_end(order: Order) -> datetime | None:
    return make.step_of(order).procedure.performed_at


def ended_at(performed: PerformedProcedureStep, at: datetime) -> None:
    execute(
        RevisePerformedStep(performed=str(performed.public_id), ended_at=at, reason="clock"),
        actor=people.technologist,
    )


def unscheduled(study: str) -> PerformedProcedureStep:
    reference = ScheduledReference(study_instance_uid=study)
    performed = begin(make.booked(), references=(reference,))
    end(performed)
    return performed


def order_of(performed: PerformedProcedureStep) -> PlacedOrder:
    return execute(
        OrderPerformedStep(performed=str(performed.public_id), reason="it was agreed"),
        actor=people.technologist,
    )


def test_the_last_end_is_that_of_what_is_still_there() -> None:
    order, other = make.booked(), make.booked(make.NOON + timedelta(hours=1))
    end(begin(order))
    appended = begin(order)
    end(appended, ended_at=END + timedelta(hours=2))
    with_it = last_end(order)

    make.relink(appended, other)
    without_it = last_end(order)
    make.relink(appended)

    assert (with_it, without_it) == (END + timedelta(hours=2), END)
    assert last_end(other) is None


def test_an_end_that_is_set_right_may_be_earlier() -> None:
    order = make.booked()
    performed = begin(order)
    end(performed)

    ended_at(performed, END - timedelta(minutes=4))

    assert last_end(order) == END - timedelta(minutes=4)


def test_an_order_taken_back_does_not_keep_the_exam_from_another_one() -> None:
    study = new_uid()
    performed = unscheduled(study)
    first = order_of(performed)
    correction = performed.corrections.get()
    execute(
        UndoCorrection(correction=str(correction.public_id), reason="not agreed yet"),
        actor=people.technologist,
    )

    again = order_of(performed)

    performed.refresh_from_db()
    procedure = RequestedProcedure.objects.get(study_instance_uid=study)
    assert str(procedure.order.public_id) == again.public_id
    assert performed.order == procedure.order
    assert Order.objects.get(public_id=first.public_id).status == "ENTERED_IN_ERROR"


def test_an_exam_whose_study_breaks_the_rules_gets_an_order_all_the_same() -> None:
    study = "1.2.840.020260302"

    placed = order_of(unscheduled(study))

    procedure = RequestedProcedure.objects.get(order__public_id=placed.public_id)
    assert procedure.study_instance_uid != study
    assert [alias.study_instance_uid for alias in procedure.aliases.all()] == [study]
