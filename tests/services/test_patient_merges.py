"""Merges: everything changes hands at once, the old number still finds, and it can be undone."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
)
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientReference,
    UnmergePatients,
    UpdatePatient,
)
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Identifier, PersonName
from ris.models import (
    Appointment,
    DemographicReview,
    DomainEvent,
    Order,
    Patient,
    PatientIdentifier,
    PerformedProcedureStep,
    Visit,
)
from ris.selectors import patient_lists, patient_records, worklist
from ris.selectors.views import TextMatch, WorklistQuery
from ris.services import execute
from tests import make, people
from tests.patients import known, merge, order_in, reference, unmerge, visit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scanner(db: None) -> None:
    make.device()


def of(patient: Patient) -> set[str]:
    """Accession numbers of a patient's orders."""
    return set(Order.objects.filter(patient=patient).values_list("accession_number", flat=True))


def test_everything_of_the_merged_record_is_the_survivors() -> None:
    survivor, subsumed = known("A"), known("B")
    done = make.performed(patient=reference("B"), visit=visit("V1"))
    report = make.final_report(done)

    merge("A", "B")

    done.refresh_from_db()
    assert done.patient == survivor
    assert Visit.objects.get().patient == survivor
    assert Appointment.objects.get().patient == survivor
    assert PerformedProcedureStep.objects.get().patient == survivor
    assert report.order.pk == done.pk
    assert not subsumed.identifiers.exists()
    assert set(survivor.identifiers.values_list("value", "primary", "former")) == {
        ("A", True, None),
        ("B", False, subsumed.pk),
    }


def test_the_worklist_shows_the_survivor_at_once_and_finds_it_by_the_old_number() -> None:
    known("A", name=PersonName.of("Berg", "Anna"))
    make.booked(patient=reference("B"))
    by_old = WorklistQuery(patient_id=TextMatch(pattern="B"))
    assert [one.patient.identifier.value for one in worklist.entries(by_old).entries] == ["B"]

    merge("A", "B")

    (entry,) = worklist.entries(by_old).entries
    assert entry.patient.identifier == Identifier("A", "HOSP", "MR")
    assert Identifier("B", "HOSP", "MR") in entry.patient.identifiers


def test_the_old_number_finds_the_survivor() -> None:
    survivor = known("A")
    known("B")
    merge("A", "B")

    assert [line.public_id for line in patient_lists.find("B")] == [str(survivor.public_id)]
    assert make.order(patient=reference("B")).patient == survivor


def test_an_exam_that_is_going_on_ends_with_the_survivor() -> None:
    survivor = known("A")
    order = make.booked(patient=reference("B"))
    command = make.start(order)
    execute(command, actor=people.ct1)

    merge("A", "B")
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(
                ended_at=make.NOON + timedelta(minutes=9), series=(make.series(),)
            ),
        ),
        actor=people.ct1,
    )

    exam = PerformedProcedureStep.objects.get()
    assert (exam.patient, exam.order, exam.status) == (survivor, order, "COMPLETED")
    assert make.step_of(order).status == "COMPLETED"


def test_a_merge_that_was_made_before_changes_nothing() -> None:
    known("A"), known("B")
    merge("A", "B")
    count = DomainEvent.objects.count()

    merge("A", "B")

    assert DomainEvent.objects.count() == count


def test_a_chain_of_merges_told_once_more_changes_nothing() -> None:
    known("A"), known("B"), known("C")
    merge("B", "A")
    merge("C", "B")
    count = DomainEvent.objects.count()

    merge("B", "A")
    merge("C", "A")

    assert DomainEvent.objects.count() == count


def test_a_circle_by_way_of_a_third_record_is_refused() -> None:
    known("A"), known("B"), known("C")
    merge("B", "A")
    merge("C", "B")

    for survivor, subsumed in (("A", "C"), ("A", "B"), ("B", "C")):
        with pytest.raises(StateConflictError, match="one patient already"):
            merge(survivor, subsumed)


def test_a_circle_is_refused() -> None:
    known("A"), known("B")
    merge("A", "B")

    with pytest.raises(StateConflictError, match="one patient already"):
        merge("B", "A")


def test_a_record_is_not_merged_into_itself() -> None:
    known("A")

    with pytest.raises(InvalidValueError, match="into itself"):
        merge("A", "A")


def test_merging_into_a_merged_record_leads_to_the_living_one() -> None:
    living = known("A")
    known("B"), known("C")
    merge("A", "B")

    merge("B", "C")

    assert set(living.identifiers.values_list("value", flat=True)) == {"A", "B", "C"}
    assert Patient.objects.filter(merged_into=living).count() == 2


def test_what_the_old_number_is_said_to_be_goes_to_a_person() -> None:
    survivor = known("A", name=PersonName.of("Berg", "Anna"))
    known("B", name=PersonName.of("Berg", "Ana"))
    merge("A", "B")

    execute(
        UpdatePatient(
            patient=reference("B"),
            demographics=make.demographics(name=PersonName.of("Berg", "Ana"), weight_kg=61.0),
        ),
        actor=people.ehr,
    )

    survivor.refresh_from_db()
    assert survivor.name == "Berg^Anna"
    assert survivor.weight_kg == 61.0
    (review,) = DemographicReview.objects.all()
    assert (review.patient, review.field, review.said) == (survivor, "name", "Berg^Ana")


def test_identifiers_of_two_patients_are_refused_with_both_places() -> None:
    known("A"), known("B")
    both = PatientReference(
        identifiers=(Identifier("A", "HOSP", "MR"), Identifier("B", "HOSP", "MR")),
        places=("PID-3", "PID-3[2]"),
    )

    with pytest.raises(SeveralErrors) as caught:
        execute(UpdatePatient(patient=both, demographics=make.demographics()), actor=people.ehr)

    assert [error.path for error in caught.value.errors] == ["PID-3", "PID-3[2]"]


@pytest.mark.parametrize("actor", [people.technologist, people.frontdesk, people.outsider])
def test_only_who_keeps_records_merges(actor: object) -> None:
    known("A"), known("B")

    with pytest.raises(DeniedError):
        execute(
            MergePatients(survivor=reference("A"), subsumed=reference("B")),
            actor=actor,  # type: ignore[arg-type]
        )


# --- undo -----------------------------------------------------------------------------------------


def test_undoing_gives_everything_back() -> None:
    survivor, subsumed = known("A"), known("B")
    own = make.order(patient=reference("A"))
    moved = make.performed(patient=reference("B"), visit=visit("V1"))
    merge("A", "B")

    unmerge(subsumed)

    subsumed.refresh_from_db()
    assert subsumed.merged_into is None
    assert of(survivor) == {own.accession_number}
    assert of(subsumed) == {moved.accession_number}
    assert {
        Visit.objects.get().patient,
        Appointment.objects.get().patient,
        PerformedProcedureStep.objects.get().patient,
    } == {subsumed}
    row = PatientIdentifier.objects.get(value="B")
    assert (row.patient, row.primary, row.former) == (subsumed, True, None)
    assert PatientIdentifier.objects.get(value="A").primary


def test_what_was_done_for_an_order_since_goes_back_with_it() -> None:
    known("A")
    subsumed = known("B")
    moved = make.order(patient=reference("B"))
    merge("A", "B")
    execute(
        BookAppointment(step=str(make.step_of(moved).public_id), device="CT1", start_at=make.NOON),
        actor=people.scheduler,
    )
    moved.refresh_from_db()
    execute(make.start(moved), actor=people.ct1)

    unmerge(subsumed)

    assert Appointment.objects.get().patient == subsumed
    assert PerformedProcedureStep.objects.get().patient == subsumed


def test_an_order_of_a_visit_that_goes_back_goes_with_it_and_other_new_ones_stay() -> None:
    survivor, subsumed = known("A"), known("B")
    order_in("B", "V1")
    merge("A", "B")
    in_visit = order_in("B", "V1")
    later = make.order(patient=reference("B"))

    unmerge(subsumed)

    assert in_visit.accession_number in of(subsumed)
    assert of(survivor) == {later.accession_number}
    event = DomainEvent.objects.get(name="PatientsUnmerged")
    assert event.payload["stayed"] == 1


def test_a_report_on_orders_of_both_must_be_parted_first() -> None:
    known("A")
    subsumed = known("B")
    moved = make.performed(patient=reference("B"))
    merge("A", "B")
    own = make.performed(patient=reference("A"), start_at=make.NOON + timedelta(hours=2))
    procedures = tuple(str(order.procedures.get().public_id) for order in (moved, own))
    report = execute(OpenReport(procedures=procedures), actor=people.radiologist)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=people.radiologist)

    with pytest.raises(StateConflictError, match="a report is on other orders"):
        unmerge(subsumed)

    subsumed.refresh_from_db()
    assert subsumed.merged_into is not None
    assert not of(subsumed)


def test_merges_of_merges_are_undone_in_any_order() -> None:
    first, second, third = known("A"), known("B"), known("C")
    orders = {name: make.order(patient=reference(name)) for name in "ABC"}
    merge("B", "C")
    merge("A", "B")

    unmerge(third)
    unmerge(second)

    for patient, name in ((first, "A"), (second, "B"), (third, "C")):
        assert of(patient) == {orders[name].accession_number}
        assert [row.value for row in patient.identifiers.all()] == [name]


def test_who_is_not_merged_is_not_parted() -> None:
    alone = known("A")

    with pytest.raises(StateConflictError, match="not merged"):
        unmerge(alone)


def test_the_page_lists_the_merge_with_its_reason() -> None:
    survivor = known("A")
    known("B")
    execute(
        MergePatients(survivor=reference("A"), subsumed=reference("B"), reason="one passport"),
        actor=people.scheduler,
    )

    (one,) = patient_records.merges(str(survivor.public_id))

    assert (one.numbers, one.by, one.reason) == (("B",), "scheduler", "one passport")
    with pytest.raises(RisError):
        execute(
            UnmergePatients(subsumed_id=str(survivor.public_id), reason="x"),
            actor=people.scheduler,
        )


def allergies(patient: Patient) -> tuple[list[str], list[str]]:
    patient.refresh_from_db()
    return patient.allergies, patient.alerts


def test_what_the_merged_one_is_allergic_to_the_survivor_is_as_well() -> None:
    """A scanner asks for the survivor; what it must be told of the patient is not hidden."""
    survivor = known("A", allergies=("Latex",))
    subsumed = known("B", allergies=("LATEX", "Iodinated contrast"), alerts=("MRSA",))
    make.booked(patient=reference("B"))

    merge("A", "B")

    assert allergies(survivor) == (["Latex", "Iodinated contrast"], ["MRSA"])
    (entry,) = worklist.entries(WorklistQuery(patient_id=TextMatch(pattern="A"))).entries
    assert entry.patient.allergies == ("Latex", "Iodinated contrast")

    unmerge(subsumed)

    assert allergies(survivor) == (["Latex"], [])
    assert allergies(subsumed) == (["LATEX", "Iodinated contrast"], ["MRSA"])


def test_allergies_that_were_told_of_the_survivor_since_stay_with_it() -> None:
    survivor = known("A")
    subsumed = known("B", allergies=("Iodinated contrast",))
    merge("A", "B")
    execute(
        UpdatePatient(
            patient=reference("A"),
            demographics=Demographics(allergies=("Iodinated contrast", "Latex")),
        ),
        actor=people.ehr,
    )

    unmerge(subsumed)

    assert allergies(survivor) == (["Iodinated contrast", "Latex"], [])


def test_allergies_go_along_with_merges_of_merges_and_back() -> None:
    records = {name: known(name, allergies=(name,)) for name in "ABC"}
    merge("B", "C")
    merge("A", "B")
    assert allergies(records["A"])[0] == ["A", "B", "C"]

    unmerge(records["C"])
    unmerge(records["B"])

    assert {name: allergies(each)[0] for name, each in records.items()} == {
        "A": ["A"],
        "B": ["B"],
        "C": ["C"],
    }


def test_numbers_of_merges_from_before_are_marked_as_theirs() -> None:
    migration = import_module("ris.migrations.0023_numbers_of_earlier_merges")
    records = {name: known(name) for name in "ABC"}
    merge("B", "C")
    merge("A", "B")
    PatientIdentifier.objects.update(former=None)

    migration.mark(apps, None)

    marked = PatientIdentifier.objects.order_by("value").values_list("value", "former")
    assert list(marked) == [("A", None), ("B", records["B"].pk), ("C", records["C"].pk)]
