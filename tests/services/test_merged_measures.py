"""Weight, height and pregnancy status when records are merged: one counts, both come back."""

from __future__ import annotations

import pytest

from ris.domain.patients import Demographics, UpdatePatient
from ris.models import Patient
from ris.selectors import worklist
from ris.selectors.views import TextMatch, WorklistQuery
from ris.services import execute
from tests import make, people
from tests.patients import known, merge, reference, unmerge

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scanner(db: None) -> None:
    make.device()


def measured(patient: Patient) -> tuple[float | None, float | None, str]:
    patient.refresh_from_db()
    return patient.weight_kg, patient.height_m, patient.pregnancy_status


def tell(number: str, **said: object) -> None:
    execute(
        UpdatePatient(patient=reference(number), demographics=Demographics(**said)),  # type: ignore[arg-type]
        actor=people.ehr,
    )


def test_weight_and_height_that_only_the_merged_one_has_are_the_survivors_as_well() -> None:
    survivor = known("A")
    subsumed = known("B", weight_kg=82, height_m=1.8)
    make.booked(patient=reference("B"))

    merge("A", "B")

    assert measured(survivor) == (82, 1.8, "")
    (entry,) = worklist.entries(WorklistQuery(patient_id=TextMatch(pattern="A"))).entries
    assert (entry.patient.weight_kg, entry.patient.height_m) == (82, 1.8)

    unmerge(subsumed)

    assert measured(survivor) == (None, None, "")
    assert measured(subsumed) == (82, 1.8, "")


def test_of_two_weights_the_one_told_last_counts() -> None:
    survivor = known("A", weight_kg=70)
    known("B", weight_kg=82, height_m=1.8)
    tell("A", height_m=1.75)

    merge("A", "B")

    assert measured(survivor) == (82, 1.75, "")


@pytest.mark.parametrize(
    ("own", "other", "careful"),
    [
        ("", "1", "1"),
        ("1", "", "1"),
        ("1", "4", "4"),
        ("4", "2", "2"),
        ("3", "1", "3"),
        ("1", "3", "3"),
        ("2", "3", "3"),
    ],
)
def test_of_two_pregnancy_statuses_the_more_careful_counts(
    own: str, other: str, careful: str
) -> None:
    survivor = known("A", pregnancy_status=own)
    subsumed = known("B", pregnancy_status=other)

    merge("A", "B")

    assert measured(survivor)[2] == careful

    unmerge(subsumed)

    assert (measured(survivor)[2], measured(subsumed)[2]) == (own, other)


def test_a_weight_that_was_told_of_the_survivor_since_stays_with_it() -> None:
    survivor = known("A", weight_kg=70)
    subsumed = known("B", weight_kg=82)
    merge("A", "B")
    tell("A", weight_kg=84)

    unmerge(subsumed)

    assert (measured(survivor)[0], measured(subsumed)[0]) == (84, 82)


def test_a_weight_goes_along_with_merges_of_merges_and_back() -> None:
    records = {
        name: known(name, weight_kg=weight)
        for name, weight in (("A", 70), ("B", 75), ("C", 80), ("D", 85))
    }
    merge("B", "C")
    merge("A", "B")
    merge("A", "D")
    assert measured(records["A"])[0] == 85

    unmerge(records["D"])
    assert measured(records["A"])[0] == 80
    unmerge(records["C"])
    assert [measured(records[name])[0] for name in "AB"] == [75, 75]
    unmerge(records["B"])

    assert [measured(each)[0] for each in records.values()] == [70, 75, 80, 85]


def test_a_later_merge_keeps_its_weight_when_an_earlier_one_is_undone() -> None:
    records = {
        name: known(name, weight_kg=weight) for name, weight in (("A", 70), ("B", 75), ("C", 80))
    }
    merge("A", "B")
    merge("A", "C")

    unmerge(records["B"])
    assert measured(records["A"])[0] == 80
    unmerge(records["C"])

    assert [measured(each)[0] for each in records.values()] == [70, 75, 80]
