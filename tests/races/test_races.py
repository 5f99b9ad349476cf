"""Many at once for one room: exactly one gets it, on either database."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from ris.domain.errors import SlotTakenError, StateConflictError
from ris.domain.identifiers import new_uid
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.performing import RelinkPerformedStep
from ris.domain.scheduling import BookAppointment
from ris.models import (
    Appointment,
    DomainEvent,
    Order,
    PerformedProcedureStep,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make, people
from tests.races.at_once import overlaps, together

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 6


def test_one_slot_is_booked_once_however_many_want_it() -> None:
    make.device()
    for round_ in range(5):
        at = make.NOON + timedelta(hours=round_)
        steps = [str(make.step_of(make.order()).public_id) for _ in range(THREADS)]

        results = together(
            *(
                partial(
                    execute,
                    BookAppointment(step=step, device="CT1", start_at=at),
                    actor=people.scheduler,
                )
                for step in steps
            )
        )

        winners = [result for result in results if isinstance(result, str)]
        losers = [result for result in results if isinstance(result, SlotTakenError)]
        assert (len(winners), len(losers)) == (1, THREADS - 1)
    assert Appointment.objects.filter(status="BOOKED").count() == 5
    assert overlaps() == 0


def test_overlapping_times_are_never_both_booked() -> None:
    make.device()
    calls = []
    for position in range(THREADS * 2):
        step = str(make.step_of(make.order()).public_id)
        at = make.NOON + timedelta(minutes=10 * position)
        calls.append(
            partial(
                execute,
                BookAppointment(step=step, device="CT1", start_at=at, duration_minutes=30),
                actor=people.scheduler,
            )
        )

    results = together(*calls)

    assert overlaps() == 0
    assert sum(isinstance(result, str) for result in results) >= 3


def test_start_against_cancel_has_one_winner() -> None:
    make.device()
    for round_ in range(8):
        order = make.booked(start_at=make.NOON + timedelta(days=round_))
        command = make.start(order)
        cancel = CancelOrder(order=OrderReference(public_id=str(order.public_id)))

        started, canceled = together(
            partial(execute, command, actor=people.ct1),
            partial(execute, cancel, actor=people.ehr),
        )

        order.refresh_from_db()
        step = make.step_of(order)
        performed = PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)
        assert isinstance(started, str)  # a scanner is never refused
        assert (order.status, step.status, performed.match) == ("ACTIVE", "STARTED", "MATCHED")
        # Who canceled first was told so, and a person hears that it was done all the same; who came
        # too late was refused, and a person hears that it was wished.
        told = [row.kind for row in performed.follow_ups.all()]
        assert told == (["ASKED"] if isinstance(canceled, StateConflictError) else ["REOPENED"])


def test_two_people_tie_one_exam_and_the_last_one_counts() -> None:
    make.device()
    own = make.performed()
    rights = [make.booked(make.NOON + timedelta(hours=hour)) for hour in (1, 2)]
    performed = own.performed.get()
    ties = [
        RelinkPerformedStep(
            performed=str(performed.public_id),
            steps=(str(make.step_of(order).public_id),),
            reason="mine",
        )
        for order in rights
    ]

    results = together(*(partial(execute, tie, actor=people.technologist) for tie in ties))

    performed.refresh_from_db()
    assert results == [None, None]
    assert make.step_of(own).status == "SCHEDULED"
    for order in rights:
        is_its = performed.order_id == order.pk
        assert make.step_of(order).status == ("COMPLETED" if is_its else "SCHEDULED")
    assert performed.steps.count() == 1
    first, last = performed.corrections.order_by("id")
    assert last.before["steps"] == first.after["steps"]


def test_one_uid_starts_one_performed_step() -> None:
    make.device()
    order = make.booked()
    command = make.start(order, sop_instance_uid=new_uid())

    results = together(
        *(lambda: execute(command, actor=people.ct1) for _ in range(THREADS)),
    )

    assert sum(isinstance(result, str) for result in results) == 1
    assert PerformedProcedureStep.objects.count() == 1
    assert DomainEvent.objects.filter(name="PerformedStepStarted").count() == 1


def test_the_same_order_sent_at_once_is_placed_once() -> None:
    command = make.place_order()

    together(*(lambda: execute(command, actor=people.ehr) for _ in range(THREADS)))

    assert Order.objects.count() == 1
    assert ScheduledProcedureStep.objects.count() == 1


def test_numbers_are_never_given_twice() -> None:
    commands = [make.place_order() for _ in range(THREADS * 2)]

    together(*(partial(execute, command, actor=people.ehr) for command in commands))

    numbers = list(Order.objects.values_list("accession_number", flat=True))
    assert len(numbers) == len(set(numbers)) == THREADS * 2
