"""The worklist query: every condition against a plain reading of the standard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.orders import (
    CancelOrder,
    HoldOrder,
    OrderReference,
    Priority,
    StepStatus,
)
from ris.domain.patients import MergePatients, UpdatePatient, VisitDetails
from ris.domain.values import Identifier, PersonName
from ris.models import RequestedProcedure
from ris.selectors import orders, patients, worklist, worklist_rows
from ris.selectors.views import TextMatch, WorklistQuery
from ris.services import execute
from tests import make, people
from tests.selectors.worklist_entries import at, found, place

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    for ae_title, modality in (("CT1", "CT"), ("CT2", "CT"), ("MR1", "MR")):
        make.device(ae_title, modality)


# --- what is offered


def test_a_scheduled_step_is_offered_with_everything_its_answer_needs() -> None:
    order = place(
        "Berg^Anna", visit=VisitDetails(number=Identifier("V1", "HOSP"), location="Ward 4")
    )

    (entry,) = worklist.entries(WorklistQuery()).entries

    step = make.step_of(order)
    assert entry.order_public_id == str(order.public_id)
    assert entry.step.step_id == step.step_id
    assert entry.step.start_at == at(6)
    assert entry.procedure.study_instance_uid == step.procedure.study_instance_uid
    assert entry.procedure.code == make.CT_HEAD
    assert entry.accession.value == order.accession_number
    assert entry.patient.identifier.issuer == "HOSP"
    assert entry.requester == PersonName.of("Ordonez", "Olga")
    assert entry.institution == "Test Hospital"
    assert entry.visit is not None
    assert entry.visit.number == Identifier("V1", "HOSP", "VN")


def test_an_entry_is_made_of_the_read_models_of_its_parts() -> None:
    order = place(
        "Berg^Anna", visit=VisitDetails(number=Identifier("V1", "HOSP"), location="Ward 4")
    )
    view = orders.order_view(str(order.public_id))

    (entry,) = worklist.entries(WorklistQuery()).entries

    (procedure,) = view.procedures
    # What nobody confirmed is not for scanners, and not read.
    shown = patients.patient_view(view.patient.public_id)
    assert entry.patient == replace(shown, told_allergies=None)
    assert entry.visit == view.visit
    assert entry.step == replace(procedure.steps[0], appointment=None, zone=None)
    assert entry.procedure == replace(procedure, steps=(), preparation="")
    for name in ("placer", "filler", "accession", "priority", "reason", "reason_code", "comments",
                 "requester", "referring", "requesting_service", "transport", "institution",
                 "entered_by"):  # fmt: skip
        assert getattr(entry, name) == getattr(view, name), name


def test_an_order_that_waits_to_be_scheduled_is_not_offered() -> None:
    make.order()

    assert found() == []


def test_held_and_canceled_orders_are_not_offered() -> None:
    held, canceled = place("Held^A"), place("Canceled^B")
    execute(HoldOrder(order=OrderReference(public_id=str(held.public_id))), actor=people.scheduler)
    execute(
        CancelOrder(order=OrderReference(public_id=str(canceled.public_id))),
        actor=people.scheduler,
    )

    assert found() == []


def test_what_was_started_is_shown_only_if_asked_for() -> None:
    order = place("Started^A")
    execute(make.start(order), actor=people.ct1)

    assert found() == []
    assert found(statuses=frozenset({StepStatus.STARTED})) == ["Started^A"]


def test_what_is_over_is_found_in_an_order_that_is_over() -> None:
    make.performed(patient=make.patient(name=PersonName.of("Done", "A")))

    assert found() == []
    assert found(statuses=frozenset({StepStatus.COMPLETED})) == ["Done^A"]


# --- order and limit


def test_the_order_is_start_then_priority_then_step_id() -> None:
    place("Late^A", at(6, 10), priority=Priority.STAT)
    place("Routine^B", at(6, 9))
    place("Routine^C", at(6, 9))
    place("Stat^D", at(6, 9), priority=Priority.STAT)
    place("Urgent^E", at(6, 9), priority=Priority.URGENT)

    assert found() == ["Stat^D", "Urgent^E", "Routine^B", "Routine^C", "Late^A"]


def test_a_lookup_by_number_has_the_order_of_a_list() -> None:
    make.order()  # without a start
    place("Late^A", at(6, 10), priority=Priority.STAT)
    place("Routine^B", at(6, 9))
    place("Stat^C", at(6, 9), priority=Priority.STAT)
    place("Routine^D", at(6, 9))
    make.order()
    uids = tuple(RequestedProcedure.objects.values_list("study_instance_uid", flat=True))
    query = WorklistQuery(
        study_instance_uids=tuple(sorted(uids)),
        statuses=frozenset({StepStatus.PENDING, StepStatus.SCHEDULED}),
    )

    looked_up = [entry.step.step_id for entry in worklist.entries(query).entries]

    assert len(looked_up) == 6
    assert looked_up == [entry.step.step_id for entry in worklist.unremembered(query)]


def test_a_longer_list_is_cut_and_says_so() -> None:
    for number in range(4):
        place(f"Name{number}^A")

    cut = worklist.entries(WorklistQuery(limit=3))
    whole = worklist.entries(WorklistQuery(limit=4))

    assert (len(cut.entries), cut.truncated) == (3, True)
    assert (len(whole.entries), whole.truncated) == (4, False)


def test_a_name_that_only_the_sieve_lets_through_does_not_shorten_the_list() -> None:
    # "y*u" runs over the border of the groups of the first two names only in the database's eyes
    for number in range(4):
        place(f"Yam{number}^A=山田^u")
    for number in range(3):
        place(f"Yam{number}^u")

    answer = worklist.entries(WorklistQuery(patient_name="y*^u", limit=2))

    assert [str(entry.patient.name) for entry in answer.entries] == ["Yam0^u", "Yam1^u"]
    assert answer.truncated is True


# --- statements


def test_a_list_costs_few_statements_and_fewer_the_second_time() -> None:
    for number in range(5):
        place(f"Name{number}^A")

    with CaptureQueriesContext(connection) as first:
        worklist.entries(WorklistQuery())
    with CaptureQueriesContext(connection) as second:
        worklist.entries(WorklistQuery())

    assert len(first) <= 4
    assert len(second) == 1


def test_an_answer_shows_no_column_that_was_left_out() -> None:
    """Each would be asked for by a statement of its own."""
    visit = VisitDetails(
        number=Identifier("V1", "HOSP", "VN"), account=Identifier("A7", "HOSP", "AN")
    )
    order = place("Berg^Anna", physician="Osei^Ama", referring="Ruiz^Eva", visit=visit)
    for number in range(5):
        place(f"Name{number}^A", visit=replace(visit, number=Identifier(f"V{number}2", "HOSP")))

    with CaptureQueriesContext(connection) as lookup:
        one = worklist.entries(
            WorklistQuery(accession_number=TextMatch(pattern=order.accession_number))
        )
    with CaptureQueriesContext(connection) as listing:
        everything = worklist.entries(WorklistQuery())

    assert (len(lookup), len(listing)) == (1, 3)
    assert [entry.visit and entry.visit.account for entry in one.entries] == [visit.account]
    assert len(everything.entries) == 6


def test_what_is_left_out_is_a_column() -> None:
    for model, left_out in worklist_rows._UNSHOWN.items():
        assert left_out < {field.attname for field in model._meta.concrete_fields}


def test_physicians_cost_one_statement_each() -> None:
    place("Berg^Anna", physician="Osei^Ama", referring="Ruiz^Eva")
    worklist.entries(WorklistQuery())

    with CaptureQueriesContext(connection) as captured:
        names = found(
            performing_physician="osei*",
            referring_physician="RUIZ*",
            requesting_physician="ordoñez^olga",
        )

    assert names == ["Berg^Anna"]
    assert len(captured) == 4


# --- changes are seen in the next query


def test_changed_demographics_are_seen_at_once() -> None:
    order = place("Berg^Anna", number="77")
    assert found() == ["Berg^Anna"]

    execute(
        UpdatePatient(
            patient=make.patient("77"),
            demographics=make.demographics(name=PersonName.of("Berger", "Anna")),
        ),
        actor=people.ehr,
    )

    assert found() == ["Berger^Anna"]
    assert found(patient_name="Berger*") == ["Berger^Anna"]
    assert order.patient_id


def test_after_a_merge_the_old_number_still_finds_the_patient() -> None:
    place("Temp^Unknown", number="OLD")
    make.order(patient=make.patient("NEW", name=PersonName.of("Real", "Rita")))
    assert found(patient_id=TextMatch(pattern="OLD")) == ["Temp^Unknown"]

    execute(
        MergePatients(
            survivor=make.patient("NEW"), subsumed=make.patient("OLD"), reason="same person"
        ),
        actor=people.ehr,
    )

    (entry,) = worklist.entries(WorklistQuery(patient_id=TextMatch(pattern="OLD"))).entries
    assert str(entry.patient.name) == "Real^Rita"
    assert [one.value for one in entry.patient.identifiers] == ["NEW", "OLD"]


def test_the_key_of_an_entry_changes_with_its_answer() -> None:
    order = place("Berg^Anna", number="78")
    (before,) = worklist.entries(WorklistQuery()).entries
    (same,) = worklist.entries(WorklistQuery()).entries

    execute(
        UpdatePatient(
            patient=make.patient("78"), demographics=make.demographics(allergies=("Iodine",))
        ),
        actor=people.ehr,
    )
    (after,) = worklist.entries(WorklistQuery()).entries

    assert same is before
    assert after.key != before.key
    assert after.patient.allergies == ("Iodine",)
    assert order.pk


def test_the_sites_name_is_part_of_the_key() -> None:
    place()
    (before,) = worklist.entries(WorklistQuery()).entries

    from ris.domain.facility import RegisterSite

    execute(
        RegisterSite(name="Test site", institution="Renamed", time_zone="Europe/Vienna"),
        actor=OPERATOR,
    )
    (after,) = worklist.entries(WorklistQuery()).entries

    assert before.institution == "Test Hospital"
    assert after.institution == "Renamed"
