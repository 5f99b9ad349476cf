"""A patient's record: merged and parted by a person, differences decided, visits settled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from ris.domain.patients import ChangeIdentifiers, LinkPatients, Sex, VisitTrigger
from ris.models import DemographicReview, Order, Patient, Visit
from ris.selectors.patient_records import RecordEvent
from ris.services import execute
from ris.web.patients import records
from tests import make, people
from tests.patients import known, merge, number, order_in, reference, tell, visit
from tests.web.wide import in_wide, narrow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rooms")]
As = Callable[[str], Client]


def address(patient: Patient) -> str:
    return f"/patients/{patient.public_id}/"


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_two_records_stand_side_by_side(as_: As) -> None:
    one, other = known("4711"), known("4712")
    make.order(patient=reference("4712"))

    found = page(as_("scheduler"), f"{address(one)}merge/?q=4712")
    side = page(as_("scheduler"), f"{address(one)}merge/?other={other.public_id}")

    assert f'href="?other={other.public_id}"' in found
    assert side.count("This record remains") == 2
    assert "4711" in side
    assert "4712" in side


def test_a_person_says_which_record_remains_and_why(as_: As) -> None:
    one, other = known("4711"), known("4712")
    form = {"other": str(other.public_id), "survivor": str(other.public_id)}

    refused = as_("scheduler").post(f"{address(one)}merge/", form)
    done = as_("scheduler").post(f"{address(one)}merge/", {**form, "reason": "one passport"})

    assert refused.status_code == 422
    assert "say why they are one person" in refused.content.decode()
    assert done["Location"] == address(other)
    one.refresh_from_db()
    assert one.merged_into == other
    text = page(as_("scheduler"), address(other))
    assert "Merged into this record" in text
    assert "one passport" in text
    assert "of a merged record" in text


def test_what_is_refused_is_said_above_the_records(as_: As) -> None:
    one, other = known("4711"), known("4712")
    form = {
        "other": str(other.public_id),
        "survivor": "01a1fe11-cc11-75bd-961a-0380ef55149d",
        "reason": "x",
    }

    response = as_("scheduler").post(f"{address(one)}merge/", form)

    assert response.status_code == 422
    assert "Nothing was merged: say which record remains" in response.content.decode()
    assert not Patient.objects.exclude(merged_into=None).exists()


def test_a_merge_is_undone_from_the_page(as_: As) -> None:
    survivor, subsumed = known("4711"), known("4712")
    moved = make.order(patient=reference("4712"))
    merge("4711", "4712")
    assert f"{address(subsumed)}unmerge/" in page(as_("scheduler"), address(survivor))

    response = as_("scheduler").post(f"{address(subsumed)}unmerge/", {"reason": "twins"})

    assert response["Location"] == address(subsumed)
    moved.refresh_from_db()
    assert moved.patient == subsumed
    assert "Merge of patient records undone" in page(as_("scheduler"), address(subsumed))


def test_only_who_may_merge_is_offered_to(as_: As) -> None:
    one = known("4711")

    assert f"{address(one)}merge/" in page(as_("scheduler"), address(one))
    assert f"{address(one)}merge/" not in page(as_("technologist"), address(one))
    assert as_("technologist").get(f"{address(one)}merge/").status_code == 403


@pytest.mark.parametrize(("action", "sex"), [("accept", "M"), ("reject", "F")])
def test_a_difference_is_decided_from_either_page(as_: As, action: str, sex: str) -> None:
    patient = known("4711")
    make.order(patient=reference("4711", sex=Sex.MALE))
    assert "Patients of whom a sender says otherwise" in page(as_("scheduler"), "/exceptions/")
    assert "Sent otherwise than known" in page(as_("frontdesk"), address(patient))
    review = DemographicReview.objects.get()

    response = as_("frontdesk").post(
        f"/patients/differences/{review.public_id}/", {"action": action, "next": address(patient)}
    )

    assert response["Location"] == address(patient)
    patient.refresh_from_db()
    assert patient.sex == sex
    assert "Sent otherwise than known" not in page(as_("frontdesk"), address(patient))


def test_orders_of_a_visit_that_ended_wait_for_a_decision(as_: As) -> None:
    order_in("4711", "V1")
    ended = tell("4711", visit("V1"), VisitTrigger.CANCEL_ADMIT)
    number_of_order = Order.objects.get().accession_number
    text = page(as_("scheduler"), "/exceptions/")
    assert "Visits that ended with open orders" in text
    assert number_of_order in text

    as_("scheduler").post(
        f"/patients/visits/{ended.public_id}/settle/", {"note": "comes as an outpatient"}
    )

    assert "Visits that ended" not in page(as_("scheduler"), "/exceptions/")
    assert "comes as an outpatient" in page(as_("scheduler"), address(ended.patient))
    assert Order.objects.get().status == "ACTIVE"
    assert Visit.objects.get().settled_by == "scheduler"


def test_links_and_former_numbers_are_on_the_page(as_: As) -> None:
    one, other = known("4711"), known("4712")
    execute(LinkPatients(patient=reference("4711"), other=reference("4712")), actor=people.ehr)
    execute(ChangeIdentifiers(patient=reference("4799"), prior=(number("4711"),)), actor=people.ehr)

    text = page(as_("frontdesk"), address(one))

    assert "Other records of this person" in text
    assert address(other) in text
    assert "was 4711" in text


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("IdentifiersChanged", {"previous": [["4711", "", "MR"]]}, "was 4711"),
        ("ReviewDecided", {"field": "sex", "accepted": True, "note": ""}, "Sex taken over"),
        ("ReviewDecided", {"field": "phone", "accepted": False, "note": "11"},
         "Phone left as it was: 11"),
        ("PatientsUnmerged", {"stayed": 1, "reason": "12"}, "1 order placed since stayed; 12"),
        ("PatientsUnmerged", {"stayed": 2, "reason": "12"}, "2 orders placed since stayed; 12"),
        ("PatientsMerged", {"reason": "12"}, "reason: 12"),
    ],
)  # fmt: skip
def test_what_was_done_to_the_record_is_told_in_the_language_of_the_page(
    name: str, payload: dict[str, Any], said: str
) -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    done = RecordEvent(name=name, at=at, actor_kind="user", actor="ada", payload=payload)

    assert records._detail(done) == said
    with in_wide():
        assert narrow(records._detail(done)) == []
