"""Any sequence of registrations, updates, orders, merges, undoings, new numbers, against a model.

The model is a few dictionaries: which record a number names, what a record's given name is, whose
each order is, and what each merge moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ris.domain.errors import RisError
from ris.domain.patients import (
    ChangeIdentifiers,
    MergePatients,
    RemovePatient,
    UnmergePatients,
    UpdatePatient,
)
from ris.domain.values import PersonName
from ris.models import Order, Patient, PatientIdentifier
from ris.services import execute
from tests import make, people
from tests.patients import number, reference

pytestmark = pytest.mark.django_db

VALUES = ("A", "B", "C", "D", "E")
NAMES = ("Anna", "Berta", "Clara")
values = st.sampled_from(VALUES)
names = st.sampled_from(NAMES)


@dataclass
class Number:
    """An identifier row."""

    value: str
    owner: int
    former: int | None = None

    @property
    def record(self) -> int:
        """Whose it was before any merge."""
        return self.owner if self.former is None else self.former


@dataclass
class Merge:
    subsumed: int
    into: int
    numbers: list[Number]
    own: list[Number]
    orders: list[str]


@dataclass
class Model:
    numbers: list[Number] = field(default_factory=list)
    given: dict[int, str] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)  # those that stand, in order

    def named(self, value: str) -> Number | None:
        return next((row for row in self.numbers if row.value == value), None)

    def survivor(self, record: int) -> int:
        into = {merge.subsumed: merge.into for merge in self.merges}
        while record in into:
            record = into[record]
        return record

    def became(self, record: int, other: int) -> bool:
        into = {merge.subsumed: merge.into for merge in self.merges}
        while record in into:
            record = into[record]
            if record == other:
                return True
        return False

    def register(self, value: str, given: str) -> int:
        record = len(self.given)
        self.given[record] = given
        self.numbers.append(Number(value, record))
        return record


class Sequences(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.keys: dict[int, str] = {}  # record → public id
        self._transaction = transaction.atomic()
        self._transaction.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)

    def _note(self, record: int, value: str) -> None:
        row = PatientIdentifier.objects.select_related("patient").get(value=value)
        self.keys.setdefault(record, str(row.patient.public_id))

    @rule(value=values, given=names)
    def tell(self, value: str, given: str) -> None:
        """ADT^A08: who is not known is registered; a number of a merged record renames nobody."""
        execute(
            UpdatePatient(
                patient=reference(value),
                demographics=make.demographics(name=PersonName.of("Berg", given)),
                create=True,
            ),
            actor=people.ehr,
        )
        row = self.model.named(value)
        if row is None:
            self._note(self.model.register(value, given), value)
        elif row.former is None:
            self.model.given[row.owner] = given

    @rule(value=values, given=names)
    def order(self, value: str, given: str) -> None:
        """An order changes nobody."""
        placed = make.order(patient=reference(value, name=PersonName.of("Berg", given)))
        row = self.model.named(value)
        if row is None:
            owner = self.model.register(value, given)
            self._note(owner, value)
        else:
            owner = row.owner
        self.model.orders[placed.accession_number] = owner

    @rule(survivor=values, subsumed=values)
    def merge(self, survivor: str, subsumed: str) -> None:
        model = self.model
        one, other = model.named(survivor), model.named(subsumed)
        refused = self._refused(
            MergePatients(survivor=reference(survivor), subsumed=reference(subsumed))
        )
        same = one is not None and other is not None and one.owner == other.owner
        if other is None or survivor == subsumed:
            assert refused
            return
        if same:
            assert one is not None
            # Told once more, be it by way of others: the one record became the other before.
            assert refused is not model.became(other.record, one.record)
            return
        assert not refused
        if one is None:
            into = model.register(survivor, "Anna")
            self._note(into, survivor)
        else:
            into = one.owner
        gone = other.owner
        numbers = [row for row in model.numbers if row.owner == gone]
        own = [row for row in numbers if row.former is None]
        moved = [key for key, owner in model.orders.items() if owner == gone]
        model.merges.append(Merge(gone, into, numbers, own, moved))
        for row in numbers:
            row.owner = into
            row.former = gone if row.former is None else row.former
        model.orders.update(dict.fromkeys(moved, into))

    @precondition(lambda self: self.model.merges)
    @rule(data=st.data())
    def unmerge(self, data: st.DataObject) -> None:
        model = self.model
        merge = data.draw(st.sampled_from(model.merges))
        execute(
            UnmergePatients(subsumed_id=self.keys[merge.subsumed], reason="two persons"),
            actor=people.scheduler,
        )
        holder = model.survivor(merge.into)
        model.merges.remove(merge)
        for key in merge.orders:
            if model.orders[key] == holder:
                model.orders[key] = merge.subsumed
        for row in merge.numbers:
            if row in model.numbers and row.owner == holder:
                row.owner = merge.subsumed
                if row in merge.own:
                    row.former = None

    @rule(prior=values, new=values)
    def change(self, prior: str, new: str) -> None:
        """ADT^A47."""
        model = self.model
        old, taken = model.named(prior), model.named(new)
        refused = self._refused(ChangeIdentifiers(patient=reference(new), prior=(number(prior),)))
        if old is None:
            assert refused is (taken is None)
        elif taken is not None and taken.owner != old.owner:
            assert refused
        else:
            assert not refused
            if taken is None:
                old.value, old.former = new, None
            elif taken is not old:
                model.numbers = [row for row in model.numbers if row is not old]

    @rule(value=values)
    def remove(self, value: str) -> None:
        """ADT^A29 takes nothing away."""
        row = self.model.named(value)
        busy = row is not None and row.owner in self.model.orders.values()
        assert self._refused(RemovePatient(patient=reference(value))) is (row is None or busy)

    def _refused(self, command: Any) -> bool:
        try:
            execute(command, actor=people.ehr)
        except RisError:
            return True
        return False

    @invariant()
    def numbers_name_whom_they_should(self) -> None:
        stored = {
            row.value: (str(row.patient.public_id), row.former_id is not None)
            for row in PatientIdentifier.objects.select_related("patient")
        }

        assert stored == {
            row.value: (self.keys[row.owner], row.former is not None) for row in self.model.numbers
        }

    @invariant()
    def records_say_what_their_authority_said(self) -> None:
        stored = {str(row.public_id): row.name for row in Patient.objects.all()}

        assert stored == {
            self.keys[record]: f"Berg^{given}" for record, given in self.model.given.items()
        }

    @invariant()
    def orders_are_whose_they_should_be(self) -> None:
        stored = Order.objects.values_list("accession_number", "patient__public_id")

        assert {key: str(owner) for key, owner in stored} == {
            key: self.keys[owner] for key, owner in self.model.orders.items()
        }
        assert not Order.objects.exclude(patient__merged_into=None).exists()

    @invariant()
    def who_has_a_number_has_one_first(self) -> None:
        rows = PatientIdentifier.objects.all()

        assert sorted({row.patient_id for row in rows}) == sorted(
            row.patient_id for row in rows if row.primary
        )


def test_sequences() -> None:
    run_state_machine_as_test(
        Sequences,
        settings=settings(
            max_examples=30,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
