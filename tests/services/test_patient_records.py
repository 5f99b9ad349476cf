"""What is said of patients and their visits: taken over, left for a person, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patients import (
    ChangeIdentifiers,
    DecideReview,
    LinkPatients,
    MergeAccounts,
    MergeVisits,
    MoveIdentifiers,
    MoveVisits,
    PatientClass,
    PatientReference,
    RemovePatient,
    SettleVisit,
    Sex,
    UnlinkPatients,
    UpdatePatient,
    UpdateVisit,
    VisitTrigger,
)
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import DemographicReview, DomainEvent, Order, Patient, Visit
from ris.selectors import patient_records
from ris.services import execute
from tests import make, people
from tests.patients import known, merge, number, order_in, reference, tell, visit

pytestmark = pytest.mark.django_db


def ordered(**said: Any) -> Order:
    """An order whose sender says this of patient A."""
    return make.order(patient=reference("A", **said))


def decide(review: DemographicReview, *, accept: bool) -> None:
    execute(DecideReview(review=str(review.public_id), accept=accept), actor=people.frontdesk)


def opened() -> list[tuple[str, str, str]]:
    rows = DemographicReview.objects.filter(state="OPEN").order_by("id")
    return [(row.field, row.stored, row.said) for row in rows]


# --- what senders without authority say -----------------------------------------------------------


def test_an_order_never_changes_who_a_patient_is() -> None:
    patient = known("A", phone="+43 1 5550100")

    ordered(name=PersonName.of("Berg", "Johanna"), phone="+43 1 5550111")

    patient.refresh_from_db()
    assert (patient.name, patient.phone, patient.version) == ("Berg^Anna", "+43 1 5550100", 1)
    assert opened() == [
        ("name", "Berg^Anna", "Berg^Johanna"),
        ("phone", "+43 1 5550100", "+43 1 5550111"),
    ]
    assert DomainEvent.objects.get(name="DemographicsQuestioned").payload["fields"] == [
        "name",
        "phone",
    ]


def test_the_same_difference_is_asked_once() -> None:
    known("A")

    for _ in range(3):
        ordered(sex=Sex.MALE)

    assert opened() == [("sex", "F", "M")]


@pytest.mark.parametrize(
    "said",
    [
        {"name": PersonName.of("BERG", "ANNA")},
        {"name": PersonName.of("Berg")},
        {"birth_date": PartialDate("1970")},
        {"phone": "43-1-5550100"},
        {"address": "ringstrasse 1 WIEN"},
    ],
    ids=["capitals", "no given name", "only the year", "other signs", "other letters"],
)
def test_what_says_less_or_the_same_is_no_difference(said: dict[str, Any]) -> None:
    known("A", phone="+43 1 5550100", address="Ringstrasse 1, Wien")

    ordered(**said)

    assert opened() == []


def test_what_a_person_left_is_not_asked_again_until_the_data_change() -> None:
    known("A")
    ordered(sex=Sex.MALE)
    decide(DemographicReview.objects.get(), accept=False)

    ordered(sex=Sex.MALE)
    assert opened() == []

    tell_of("A", sex=Sex.OTHER)
    ordered(sex=Sex.MALE)
    assert opened() == [("sex", "O", "M")]


def tell_of(patient: str, **said: Any) -> None:
    """What an authority says."""
    execute(
        UpdatePatient(patient=reference(patient), demographics=make.demographics(**said)),
        actor=people.ehr,
    )


def test_what_a_person_accepts_is_taken_over_and_told() -> None:
    patient = known("A")
    ordered(name=PersonName.of("Berg", "Johanna"))

    decide(DemographicReview.objects.get(), accept=True)

    patient.refresh_from_db()
    assert (patient.name, patient.name_key) == ("Berg^Johanna", "berg^johanna")
    row = DemographicReview.objects.get()
    assert (row.state, row.decided_by) == ("ACCEPTED", "frontdesk")
    names = list(DomainEvent.objects.order_by("-id").values_list("name", flat=True)[:2])
    assert names == ["PatientUpdated", "ReviewDecided"]
    with pytest.raises(StateConflictError, match="decided this already"):
        decide(row, accept=False)


def test_a_difference_is_settled_when_the_authority_says_the_same() -> None:
    known("A")
    ordered(sex=Sex.MALE)

    tell_of("A", sex=Sex.MALE)

    assert DemographicReview.objects.get().state == "OUTDATED"


def test_a_sender_with_authority_changes_the_patient() -> None:
    patient = known("A")
    trusted = PatientReference(
        identifiers=(number("A"),),
        demographics=make.demographics(sex=Sex.MALE),
        authoritative=True,
    )

    make.order(patient=trusted)

    patient.refresh_from_db()
    assert (patient.sex, opened()) == ("M", [])


def test_a_plain_contradiction_is_refused() -> None:
    known("A")

    with pytest.raises(StateConflictError, match="another name and birth date"):
        ordered(name=PersonName.of("Klein", "Karl"), birth_date=PartialDate("1955-11-12"))

    assert not Order.objects.exists()
    assert opened() == []


def test_a_number_without_its_type_is_no_second_number() -> None:
    patient = known("A")

    execute(
        UpdatePatient(
            patient=PatientReference(identifiers=(Identifier("A", "HOSP"),)),
            demographics=make.demographics(),
        ),
        actor=people.ehr,
    )

    assert list(patient.identifiers.values_list("value", "type")) == [("A", "MR")]


def test_an_identifier_without_authority_matches_nobody() -> None:
    known("A")
    alone = PatientReference(identifiers=(Identifier("A"),), demographics=make.demographics())

    with pytest.raises(MissingValueError, match="assigning authority"):
        make.order(patient=alone)


def test_a_merge_takes_the_open_differences_along() -> None:
    survivor = known("A")
    known("B", sex=Sex.MALE)
    make.order(patient=reference("B", sex=Sex.OTHER))

    merge("A", "B")

    (line,) = patient_records.reviews_of(str(survivor.public_id))
    assert (line.field, line.stored, line.said) == ("sex", "F", "O")


# --- visits ---------------------------------------------------------------------------------------


def test_a_discharge_leaves_orders_open_and_a_person_decides() -> None:
    order_in("A", "V1")

    stayed = tell("A", visit("V1"), VisitTrigger.DISCHARGE)

    assert stayed.status == "FINISHED"
    assert Order.objects.get().status == "ACTIVE"
    (line,) = patient_records.ended_visit_lines(10)
    assert (line.number, len(line.orders)) == ("V1", 1)

    execute(SettleVisit(visit=line.public_id, note="comes back"), actor=people.scheduler)

    assert patient_records.ended_visit_lines(10) == []


def test_an_order_after_the_decision_asks_anew() -> None:
    order_in("A", "V1")
    ended = tell("A", visit("V1"), VisitTrigger.CANCEL_ADMIT)
    execute(SettleVisit(visit=str(ended.public_id), note="x"), actor=people.scheduler)

    order_in("A", "V1")

    assert len(patient_records.ended_visit_lines(10)) == 1


def test_a_visit_that_goes_on_has_nothing_to_decide() -> None:
    order_in("A", "V1")
    ended = tell("A", visit("V1"), VisitTrigger.CANCEL_ADMIT)

    tell("A", visit("V1"), VisitTrigger.ADMIT)

    assert patient_records.ended_visit_lines(10) == []
    with pytest.raises(StateConflictError, match="has not ended"):
        execute(SettleVisit(visit=str(ended.public_id), note="x"), actor=people.scheduler)


def test_what_an_order_leaves_out_of_its_visit_stays() -> None:
    tell("A", visit("V1", location="NEURO / 12"), VisitTrigger.ADMIT)

    order_in("A", "V1")

    assert Visit.objects.get().location == "NEURO / 12"


def test_a_deleted_location_is_gone() -> None:
    tell("A", visit("V1", location="NEURO / 12"))

    assert tell("A", visit("V1", location="")).location == ""


def test_a_transfer_taken_back_leads_to_where_the_patient_was() -> None:
    tell("A", visit("V1", location="NEURO"), VisitTrigger.ADMIT)
    tell("A", visit("V1", location="SURG"))

    execute(
        UpdateVisit(patient=reference("A"), visit=visit("V1"), undo_transfer=True),
        actor=people.ehr,
    )

    assert Visit.objects.get().location == "NEURO"


def test_a_visit_of_another_patient_is_refused() -> None:
    tell("A", visit("V1"))

    with pytest.raises(DuplicateKeyError, match="another patient"):
        tell("B", visit("V1"))

    assert Patient.objects.count() == 1


def test_a_merged_visit_gives_its_orders_and_is_found_by_its_number() -> None:
    order = order_in("A", "V2")
    remains = tell("A", visit("V1"))

    execute(
        MergeVisits(
            patient=reference("A"), visit=Identifier("V1", "HOSP"), prior=Identifier("V2", "HOSP")
        ),
        actor=people.ehr,
    )

    order.refresh_from_db()
    assert order.visit == remains
    assert order_in("A", "V2").visit == remains


@pytest.mark.parametrize("known_already", [False, True], ids=["another number", "known already"])
def test_a_change_of_class_takes_the_orders_along(known_already: bool) -> None:
    order = order_in("A", "V1")
    if known_already:
        tell("A", visit("V9"))

    execute(
        UpdatePatient(
            patient=reference("A"),
            demographics=make.demographics(),
            visit=visit("V9"),
            visit_trigger=VisitTrigger.ADMIT,
            prior_visit=Identifier("V1", "HOSP"),
        ),
        actor=people.ehr,
    )

    order.refresh_from_db()
    assert order.visit is not None
    assert (order.visit.number, order.visit.status) == ("V9", "IN_PROGRESS")
    assert Visit.objects.filter(merged_into=None).count() == 1


def test_an_outpatient_who_went_home_asks_nobody() -> None:
    make.order(patient=reference("A"), visit=visit("V1", patient_class=PatientClass.OUTPATIENT))

    tell("A", visit("V1", patient_class=PatientClass.OUTPATIENT), VisitTrigger.DISCHARGE)

    assert patient_records.ended_visit_lines(10) == []


def test_an_account_is_changed_for_all_its_visits() -> None:
    account, other = Identifier("C1", "HOSP"), Identifier("C2", "HOSP")
    for name in ("V1", "V2"):
        tell("A", visit(name, account=account))

    execute(MergeAccounts(patient=reference("A"), account=other, prior=account), actor=people.ehr)

    assert set(Visit.objects.values_list("account", flat=True)) == {"C2"}


def test_a_moved_visit_takes_its_orders_and_no_others() -> None:
    target = known("B")
    moved = order_in("A", "V1")
    stays = make.order(patient=reference("A"))

    for _ in range(2):  # told twice, done once
        execute(
            MoveVisits(
                patient=reference("B"), previous=reference("A"), visit=Identifier("V1", "HOSP")
            ),
            actor=people.ehr,
        )

    moved.refresh_from_db()
    stays.refresh_from_db()
    assert (moved.patient, Visit.objects.get().patient) == (target, target)
    assert stays.patient != target
    assert DomainEvent.objects.filter(name="VisitsMoved").count() == 1


# --- identifiers and links ------------------------------------------------------------------------


def change(new: str, prior: str) -> None:
    execute(ChangeIdentifiers(patient=reference(new), prior=(number(prior),)), actor=people.ehr)


def test_a_changed_number_is_the_patients_and_the_old_one_is_free() -> None:
    patient = known("A")

    change("A2", "A")
    change("A2", "A")  # told again

    assert list(patient.identifiers.values_list("value", "primary")) == [("A2", True)]
    assert make.order(patient=reference("A")).patient != patient
    assert DomainEvent.objects.filter(name="IdentifiersChanged").count() == 1


def test_a_number_of_somebody_else_is_not_taken() -> None:
    known("A"), known("B")

    with pytest.raises(DuplicateKeyError, match="would be a merge"):
        change("B", "A")


def test_one_of_several_identifiers_moves_where_nothing_else_hangs_on_it() -> None:
    target, source = known("A"), known("B")
    execute(
        UpdatePatient(
            patient=PatientReference(identifiers=(number("B"), Identifier("N1", "NATIONAL"))),
            demographics=make.demographics(),
        ),
        actor=people.ehr,
    )
    move = MoveIdentifiers(
        patient=reference("A"),
        previous=PatientReference(identifiers=(Identifier("N1", "NATIONAL"),)),
    )

    execute(move, actor=people.ehr)

    assert set(target.identifiers.values_list("value", flat=True)) == {"A", "N1"}
    assert list(source.identifiers.values_list("value", flat=True)) == ["B"]


def test_linked_records_stay_apart() -> None:
    one, other = known("A"), known("B")
    link = LinkPatients(patient=reference("A"), other=reference("B"))

    execute(link, actor=people.ehr)
    execute(link, actor=people.ehr)

    assert [line.number for line in patient_records.linked(str(one.public_id))] == ["B"]
    assert [line.number for line in patient_records.linked(str(other.public_id))] == ["A"]
    assert not Patient.objects.exclude(merged_into=None).exists()
    execute(UnlinkPatients(patient=reference("B"), other=reference("A")), actor=people.ehr)
    assert patient_records.linked(str(one.public_id)) == []


def test_a_link_follows_its_records_through_a_merge() -> None:
    survivor = known("A")
    known("B"), known("C")
    execute(LinkPatients(patient=reference("B"), other=reference("C")), actor=people.ehr)

    merge("A", "B")

    assert [line.number for line in patient_records.linked(str(survivor.public_id))] == ["C"]


def test_a_deleted_person_is_marked_and_comes_back_with_an_order() -> None:
    patient = known("A")
    execute(RemovePatient(patient=reference("A")), actor=people.ehr)
    patient.refresh_from_db()
    assert patient.removed_at is not None

    make.order(patient=reference("A"))

    patient.refresh_from_db()
    assert patient.removed_at is None
    with pytest.raises(StateConflictError, match="open orders"):
        execute(RemovePatient(patient=reference("A")), actor=people.ehr)


def test_who_is_not_known_is_not_removed() -> None:
    with pytest.raises(UnknownKeyError, match="no such patient"):
        execute(RemovePatient(patient=reference("A")), actor=people.ehr)
