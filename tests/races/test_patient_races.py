"""Merges at the same moment as merges, orders and exams: no deadlock, nothing left behind."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from ris.domain.errors import BusyError, RisError, StateConflictError
from ris.domain.patients import MergePatients, PatientReference
from ris.models import Order, Patient, PerformedProcedureStep
from ris.services import execute
from ris.services import together as in_one
from tests import make, people
from tests.patients import known, merge, reference, unmerge
from tests.races.at_once import together
from tests.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4


def refused(results: list[object]) -> list[RisError]:
    return [result for result in results if isinstance(result, RisError)]


def test_of_two_crossing_merges_one_wins() -> None:
    for round_ in range(ROUNDS):
        one, other = f"A{round_}", f"B{round_}"
        records = known(one), known(other)

        results = together(partial(merge, one, other), partial(merge, other, one))

        (error,) = refused(results)
        assert isinstance(error, StateConflictError)
        assert Patient.objects.filter(pk__in=[row.pk for row in records], merged_into=None).count()
        assert sum(row.merged_into is not None for row in map(fresh, records)) == 1


def fresh(patient: Patient) -> Patient:
    patient.refresh_from_db()
    return patient


def test_a_chain_of_merges_ends_with_one_record_whoever_is_first() -> None:
    for round_ in range(ROUNDS):
        names = [f"{letter}{round_}" for letter in "ABCD"]
        records = [known(name) for name in names]

        results = together(
            partial(merge, names[0], names[1]),
            partial(merge, names[1], names[2]),
            partial(merge, names[2], names[3]),
        )

        assert refused(results) == []
        living = [row for row in map(fresh, records) if row.merged_into is None]
        assert living == [records[0]]
        assert records[0].identifiers.count() == 4


def test_two_messages_with_the_same_patients_do_not_wait_for_each_other() -> None:
    for round_ in range(ROUNDS):
        names = [f"{letter}{round_}" for letter in "ABCD"]
        for name in names:
            known(name)
        first, second = (names[0], names[1]), (names[2], names[3])

        results = together(
            partial(several, first, second),
            partial(several, second, first),
        )

        assert [error for error in refused(results) if isinstance(error, BusyError)] == []


def several(*pairs: tuple[str, str]) -> None:
    """As one message of two pairs does it."""
    ahead: tuple[PatientReference, ...] = tuple(
        reference(name) for pair in pairs[1:] for name in pair
    )
    in_one(
        lambda: [
            execute(
                MergePatients(
                    survivor=reference(survivor),
                    subsumed=reference(subsumed),
                    ahead=ahead if number == 0 else (),
                ),
                actor=people.ehr,
            )
            for number, (survivor, subsumed) in enumerate(pairs)
        ]
    )


def test_an_order_or_an_exam_beside_a_merge_is_the_survivors() -> None:
    make.device()
    for round_ in range(ROUNDS):
        one, other = f"A{round_}", f"B{round_}"
        survivor = known(one)
        booked = make.booked(patient=reference(other), start_at=make.NOON + timedelta(hours=round_))
        command = make.start(booked)

        results = together(
            partial(merge, one, other),
            partial(execute, command, actor=people.ct1),
            partial(make.order, patient=reference(other)),
        )

        assert refused(results) == []
        exam = PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)
        assert (exam.patient, exam.match) == (survivor, "MATCHED")
        assert Order.objects.filter(patient=survivor).count() == 2


def test_an_exam_that_waits_for_a_merge_is_the_survivors() -> None:
    make.device()
    survivor = known("A")
    booked = make.booked(patient=reference("B"))
    command = make.start(booked)
    begun = threading.Event()

    def merging() -> None:
        def work() -> None:
            merge("A", "B")
            begun.set()
            wait_until_somebody_waits()

        in_one(work)

    def starting() -> object:
        assert begun.wait(timeout=20)
        return execute(command, actor=people.ct1)

    results = together(merging, starting)

    assert refused(results) == []
    exam = PerformedProcedureStep.objects.get()
    assert (exam.patient, exam.order, exam.match) == (survivor, booked, "MATCHED")


def wait_until_somebody_waits() -> None:
    """For another transaction to stand at a lock of ours; SQLite cannot tell, and is serial."""
    if connection.vendor != "postgresql":
        return

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            ((waiting,),) = cursor.fetchall()
        return bool(waiting)

    wait_until(somebody_waits, "somebody waits")


def test_a_merge_is_undone_once_beside_an_order_for_the_old_number() -> None:
    for round_ in range(ROUNDS):
        one, other = f"A{round_}", f"B{round_}"
        survivor, subsumed = known(one), known(other)
        merge(one, other)

        results = together(
            partial(unmerge, subsumed),
            partial(unmerge, subsumed),
            partial(make.order, patient=reference(other)),
        )

        (error,) = refused(results)
        assert isinstance(error, StateConflictError)
        assert fresh(subsumed).merged_into is None
        owner = Order.objects.order_by("-id")[0].patient
        assert owner in (survivor, subsumed)
        assert list(subsumed.identifiers.values_list("value", flat=True)) == [other]
