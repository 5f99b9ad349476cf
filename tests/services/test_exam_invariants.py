"""Whatever scanners send and people mend, in any order: steps and stages follow what was performed.

Random walks over everything that can happen to a few orders and exams of two patients; after each
move the stored states are compared with those that follow from what was performed (SPS-03, SPS-07).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.corrections import (
    MovePerformedStep,
    OrderPerformedStep,
    RevisePerformedStep,
    UndoCorrection,
)
from ris.domain.errors import RisError
from ris.domain.identifiers import new_uid
from ris.domain.orders import CancelOrder, OrderReference, ReportState, StepStatus, stage
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    PerformedStatus,
    RelinkPerformedStep,
    ScheduledReference,
    step_status_from,
)
from ris.domain.values import Code
from ris.models import (
    Order,
    PerformedCorrection,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

MOVES = 24
NOT_BEGUN = {"PENDING", "SCHEDULED", "ARRIVED", "READY", "CANCELED", "NO_SHOW"}


class Walk:
    """One department, changed at random; what is refused changes nothing."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.moves: tuple[Callable[[], object], ...] = (
            self.begin, self.begin, self.begin, self.complete, self.complete, self.discontinue,
            self.tie, self.untie, self.give_away, self.order, self.revise, self.undo, self.undo,
            self.cancel,
        )  # fmt: skip

    def go(self) -> str:
        move = self.dice.choice(self.moves)
        try:
            move()
        except RisError as error:
            return f"{move.__name__}: {error.message}"
        except IndexError:
            return f"{move.__name__}: nothing there"
        return move.__name__

    def an_order(self) -> Order:
        return self.dice.choice(list(Order.objects.order_by("id")))

    def an_exam(self, **condition: str) -> PerformedProcedureStep:
        return self.dice.choice(
            list(PerformedProcedureStep.objects.filter(**condition).order_by("id"))
        )

    def begin(self) -> None:
        orders = [self.an_order() for _ in range(self.dice.choice([1, 1, 1, 2]))]
        starts = [make.start(order) for order in orders]
        references = tuple(start.references[0] for start in starts)
        if self.dice.random() < 0.2:
            references = (ScheduledReference(study_instance_uid=new_uid()),)
        modality = self.dice.choice(["CT", "CT", "CT", "SR"])
        execute(replace(starts[0], references=references, modality=modality), actor=people.ct1)

    def details(self, **said: object) -> PerformedDetails:
        series = (make.series(),) if self.dice.random() < 0.7 else ()
        return PerformedDetails(ended_at=make.NOON + timedelta(minutes=9), series=series, **said)  # type: ignore[arg-type]

    def complete(self) -> None:
        uid = self.an_exam(status="IN PROGRESS").sop_instance_uid
        execute(
            CompletePerformedStep(sop_instance_uid=uid, details=self.details()), actor=people.ct1
        )

    def discontinue(self) -> None:
        reason = Code(self.dice.choice(["110514", "110513", "110501", "110505"]), "DCM", "why")
        uid = self.an_exam(status="IN PROGRESS").sop_instance_uid
        details = self.details(discontinuation_reason=reason)
        execute(DiscontinuePerformedStep(sop_instance_uid=uid, details=details), actor=people.ct1)

    def tie(self) -> None:
        steps = tuple(str(make.step_of(self.an_order()).public_id) for _ in range(2))
        chosen = steps[: self.dice.choice([1, 1, 2])]
        key = str(self.an_exam().public_id)
        execute(
            RelinkPerformedStep(performed=key, steps=chosen, reason="x"),
            actor=people.technologist,
        )

    def untie(self) -> None:
        key = str(self.an_exam().public_id)
        execute(RelinkPerformedStep(performed=key, steps=(), reason="x"), actor=people.technologist)

    def give_away(self) -> None:
        patient = str(self.an_order().patient.public_id)
        key = str(self.an_exam().public_id)
        execute(
            MovePerformedStep(performed=key, patient=patient, reason="x"),
            actor=people.technologist,
        )

    def order(self) -> None:
        key = str(self.an_exam().public_id)
        execute(OrderPerformedStep(performed=key, reason="x"), actor=people.technologist)

    def revise(self) -> None:
        status = self.dice.choice([PerformedStatus.COMPLETED, PerformedStatus.DISCONTINUED])
        key = str(self.an_exam().public_id)
        execute(
            RevisePerformedStep(performed=key, status=status, reason="x"),
            actor=people.technologist,
        )

    def undo(self) -> None:
        row = self.dice.choice(list(PerformedCorrection.objects.order_by("id")))
        execute(
            UndoCorrection(correction=str(row.public_id), reason="x"), actor=people.technologist
        )

    def cancel(self) -> None:
        reference = OrderReference(public_id=str(self.an_order().public_id))
        execute(CancelOrder(order=reference), actor=people.ehr)


def check() -> None:
    for step in ScheduledProcedureStep.objects.all():
        rows = [row for row in step.performed.exclude(match="QUARANTINED") if row.counts]
        follows = step_status_from(PerformedStatus(row.effective_status) for row in rows)
        if follows is None:
            assert step.status in NOT_BEGUN
        else:
            assert step.status == follows.value
    for procedure in RequestedProcedure.objects.all():
        states = [StepStatus(step.status) for step in procedure.steps.all()]
        assert procedure.stage == stage(states, ReportState.NONE).value
    for row in PerformedProcedureStep.objects.all():
        orders = {step.procedure.order for step in row.steps.all()}
        assert len({order.patient_id for order in orders} | {row.patient_id}) == 1
        assert (row.order in orders) if orders else True
        assert (row.match == "MATCHED") is bool(orders) or row.match == "UNSCHEDULED"
    for order in Order.objects.filter(status__in=["CANCELED", "ENTERED_IN_ERROR"]):
        assert not PerformedProcedureStep.objects.filter(steps__procedure__order=order).exists()


@pytest.mark.parametrize("seed", range(8))
def test_states_follow_what_was_performed(seed: int) -> None:
    make.site()
    make.device()
    for number in ("W1", "W1", "W2"):
        hour = Order.objects.count()
        make.booked(make.NOON + timedelta(hours=hour), patient=make.patient(number))
    walk = Walk(seed)

    done = []
    for _ in range(MOVES):
        done.append(walk.go())
        try:
            check()
        except AssertionError as error:
            raise AssertionError(f"after {done}") from error
