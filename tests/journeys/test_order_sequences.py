"""Orders, changes, cancellations, merges and exams in any order, against a model (R9).

What the placer is answered, what the scanner is shown and what the order's page says must agree
with a few dictionaries after every step, whichever came first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydicom.dataset import Dataset

from ris.models import Order, PerformedProcedureStep
from tests import make
from tests.journeys.department import Department, everybody_may_send

pytestmark = pytest.mark.django_db

NUMBERS = ("P1", "P2", "P3")
PATIENTS = ("A", "B", "C")
WRONG_ENTRY = ("110514", "Incorrect worklist entry selected")
numbers = st.sampled_from(NUMBERS)
patients = st.sampled_from(PATIENTS)


@pytest.fixture(autouse=True)
def _accepting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with everybody_may_send(monkeypatch):
        yield


@dataclass(slots=True)
class Placed:
    """What we believe of one order."""

    patient: str  # as it was ordered for; merges lead on from there
    said: str
    status: str = "ACTIVE"
    is_begun: bool = False  # or over
    before: str = "ACTIVE"  # what it was when the scanner began
    entry: Dataset | None = None
    performed: str = ""
    priority: str = "R"

    @property
    def is_offered(self) -> bool:
        return self.status == "ACTIVE" and not self.is_begun

    @property
    def is_open(self) -> bool:
        return self.status in {"ACTIVE", "ON_HOLD"}


class Sequences(RuleBasedStateMachine):
    """One department; every example in a transaction of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        make.site()
        make.device()
        self.ris = Department()
        self.orders: dict[str, Placed] = {}
        self.merged: dict[str, str] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    def survivor(self, patient: str) -> str:
        while patient in self.merged:
            patient = self.merged[patient]
        return patient

    def pid(self, patient: str) -> str:
        return f"PID|1||{patient}^^^HOSP^MR||Berg^{self.survivor(patient)}||19650212|F"

    def controls(self, number: str, control: str, *more: str) -> str:
        placed = self.orders.get(number)
        patient = placed.patient if placed else "A"
        return self.ris.hears("ORM^O01", self.pid(patient), f"ORC|{control}|{number}^EHR", *more)

    # --- the placer

    @rule(number=numbers, patient=patients)
    def orders_new(self, number: str, patient: str) -> None:
        hour = 8 + 2 * NUMBERS.index(number)
        segments = (
            self.pid(patient),
            f"ORC|NW|{number}^EHR|||||^^^20260302{hour:02}0000^^R",
            f"OBR|1|{number}^EHR||X1^Exam X1^MESA" + "|" * 20 + "CT",
        )
        said = "\r".join((patient, *segments[1:]))
        answer = self.ris.hears("ORM^O01", *segments)

        known = self.orders.get(number)
        if known is None:
            assert answer == "AA"
            self.orders[number] = Placed(patient, said)
        elif self.is_same(known, said):
            assert answer == "AA"  # the same once more is no second order
        elif self.survivor(known.patient) != self.survivor(patient):
            assert answer == "AE"
        # An order that went on since may be answered either way, and stays as it is.

    def is_same(self, known: Placed, said: str) -> bool:
        return known.said == said and known.is_offered and known.priority == "R"

    @precondition(lambda self: self.orders)
    @rule(number=numbers, priority=st.sampled_from("RS"))
    def changes(self, number: str, priority: str) -> None:
        known = self.orders.get(number)
        answer = self.controls(
            number, "XO", f"TQ1|1||||||||{priority}", f"OBR|1|{number}^EHR||X1^Exam X1^MESA"
        )
        if known is not None and known.is_open:
            assert answer == "AA"
            known.priority = priority
        else:
            assert answer == "AE"

    @precondition(lambda self: self.orders)
    @rule(number=numbers)
    def cancels(self, number: str) -> None:
        known = self.orders.get(number)
        if known is None:
            return  # parked: told of in tests of its own
        answer = self.controls(number, "CA")
        if known.status == "CANCELED":
            return  # twice: either answer leaves it canceled
        if known.is_open and not known.is_begun:
            assert answer == "AA"
            known.status = "CANCELED"
        else:
            assert answer == "AE"

    @precondition(lambda self: self.orders)
    @rule(number=numbers, control=st.sampled_from(["HD", "RL"]))
    def holds_and_releases(self, number: str, control: str) -> None:
        known = self.orders.get(number)
        if known is None or known.is_begun:
            return
        before, after = ("ACTIVE", "ON_HOLD") if control == "HD" else ("ON_HOLD", "ACTIVE")
        answer = self.controls(number, control)
        if known.status == before:
            assert answer == "AA"
            known.status = after
        elif not known.is_open:
            assert answer == "AE"

    # --- the scanner

    @precondition(lambda self: any(one.is_offered for one in self.orders.values()))
    @rule(number=numbers)
    def looks(self, number: str) -> None:
        """The scanner keeps what it was shown, and may use it when it is out of date."""
        known = self.orders.get(number)
        if known is not None and known.is_offered:
            (known.entry,) = self.shown(number)

    @precondition(lambda self: any(one.entry for one in self.orders.values()))
    @rule(number=numbers)
    def begins(self, number: str) -> None:
        known = self.orders.get(number)
        if known is None or known.entry is None or known.performed:
            return
        known.performed = self.ris.begin(known.entry)
        if known.is_open or known.status == "CANCELED":
            known.is_begun = True
            # It had the step from before: what is done is done (3.3).
            known.before, known.status = known.status, "ACTIVE"

    @precondition(lambda self: any(one.performed for one in self.orders.values()))
    @rule(number=numbers, wrong=st.booleans())
    def ends(self, number: str, wrong: bool) -> None:
        known = self.orders.get(number)
        if known is None or known.entry is None or not known.performed:
            return
        said: dict[str, Any] = {"reason": WRONG_ENTRY} if wrong else {}
        self.ris.end(known.entry, known.performed, **said)
        known.performed = ""
        known.entry = None
        if wrong:
            # It was not done after all. What was done stays open until it is reported.
            known.is_begun = False
            known.status = known.before

    # --- the registration

    @rule(patient=patients, other=patients)
    def merges(self, patient: str, other: str) -> None:
        into, gone = self.survivor(patient), self.survivor(other)
        if into == gone or not self.is_known(into) or not self.is_known(gone):
            return
        answer = self.ris.hears(
            "ADT^A40", "EVN|A40|20260302", self.pid(into), f"MRG|{gone}^^^HOSP^MR"
        )
        assert answer == "AA"
        self.merged[gone] = into

    def is_known(self, patient: str) -> bool:
        return any(one.patient == patient for one in self.orders.values())

    # --- what must hold

    def shown(self, number: str) -> list[Dataset]:
        accession = self.ris.placed(number).accession_number
        return self.ris.worklist(AccessionNumber=accession)

    @invariant()
    def the_scanner_is_shown_what_is_to_be_done(self) -> None:
        shown = {
            entry.AccessionNumber: (entry.PatientID, entry.RequestedProcedurePriority)
            for entry in self.ris.worklist()
        }
        names = {"R": "ROUTINE", "S": "STAT"}

        for number, placed in self.orders.items():
            accession = self.ris.placed(number).accession_number
            told = shown.pop(accession, None)
            assert (told is not None) == placed.is_offered, (number, placed)
            if told is not None:
                assert told[1] == names[placed.priority]
        assert shown == {}

    @invariant()
    def every_order_stands_where_it_should(self) -> None:
        stored = {
            order.placer_order_number: (order.status, order.patient.given)
            for order in map(_Stored, Order.objects.select_related("patient"))
        }

        assert stored == {
            number: (placed.status, self.survivor(placed.patient))
            for number, placed in self.orders.items()
        }

    @invariant()
    def exams_are_their_orders_patients(self) -> None:
        for exam in PerformedProcedureStep.objects.exclude(order=None).select_related("order"):
            assert exam.patient_id == exam.order.patient_id  # type: ignore[union-attr]


class _Stored:
    """An order with what the model knows of it."""

    def __init__(self, order: Order) -> None:
        self.placer_order_number = order.placer_order_number
        self.status = order.status
        self.patient = self
        self.given = order.patient.name.partition("^")[2]


def test_sequences() -> None:
    run_state_machine_as_test(
        Sequences,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.reuse, Phase.generate, Phase.shrink],  # explaining traces every line
            suppress_health_check=list(HealthCheck),
        ),
    )
