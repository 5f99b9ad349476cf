"""Recommended exams and peer review at the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.models import FollowUpRecommendation, PeerReview, PeerReviewRule, ProcedureDefinition, User
from ris.services import follow_ups
from tests import make
from tests.web.department import Department, version_in

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]
PART = {"HX-Request": "true"}


def recommend(client: Client, full: Department, **said: str) -> FollowUpRecommendation:
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    form = {"words": "CT head", "procedure": str(definition.public_id), "months": "6", **said}
    client.post(f"/reports/{full.final.public_id}/recommend/", form)
    return FollowUpRecommendation.objects.latest("pk")


def test_an_exam_is_recommended_beside_the_report_and_stands_on_the_list(
    as_: As, full: Department
) -> None:
    row = recommend(as_("radiologist"), full, reason="growing lesion")

    part = as_("radiologist").get(f"/reports/{full.final.public_id}/after/", headers=PART)
    patient = as_("frontdesk").get(f"/patients/{full.final.order.patient.public_id}/")
    listed = as_("scheduler").get("/follow-ups/").content.decode()

    assert str(row.due_to) == "2026-09-02"
    assert "growing lesion" in part.content.decode()
    assert "CT head" in patient.content.decode()
    assert "growing lesion" in listed
    assert f"follow_up={row.public_id}" in listed


def test_its_order_begins_filled_in_and_links_itself(as_: As, full: Department) -> None:
    row = recommend(as_("radiologist"), full, reason="growing lesion")
    patient = full.final.order.patient
    address = f"/orders/new/?patient={patient.public_id}&follow_up={row.public_id}"

    form = as_("scheduler").get(address).content.decode()
    from ris.domain.patients import PatientReference

    later = make.order(patient=PatientReference(public_id=str(patient.public_id)))
    follow_ups.run_due()

    row.refresh_from_db()
    assert "CT head: growing lesion" in form
    assert (row.status, row.linked) == ("ORDERED", later)


def test_it_is_reminded_of_and_declined(as_: As, full: Department) -> None:
    row = recommend(as_("radiologist"), full)
    desk = as_("frontdesk")

    desk.post(f"/follow-ups/{row.public_id}/remind/", {"who": "Dr. Ordonez", "how": "PHONE"})
    letter = desk.get(f"/follow-ups/{row.public_id}/letter/").content.decode()
    desk.post(f"/follow-ups/{row.public_id}/decline/", {"reason": "done elsewhere"})

    closed = desk.get("/follow-ups/?pile=closed").content.decode()
    assert "Reminder of a recommended exam" in letter
    assert "Dr. Ordonez reminded by phone" in closed
    assert "done elsewhere" in closed


def test_a_manager_sets_shares_and_sees_rates(as_: As, full: Department) -> None:
    manager = as_("manager")
    shown = {"version": version_in(manager.get("/peer-review/rules/"))}
    rows = {**shown, "percent-0": "5", "percent-1": "20", "modality-1": "ct"}

    bad = manager.post("/peer-review/rules/", {**shown, "percent-0": "lots"})
    manager.post("/peer-review/rules/", rows)
    too_late = manager.post("/peer-review/rules/", {**rows, "percent-0": "50"})
    page = manager.get("/peer-review/").content.decode()

    rules = PeerReviewRule.objects.order_by("percent").values_list("modality", "percent")
    assert (bad.status_code, too_late.status_code) == (422, 409)
    assert list(rules) == [("", 5.0), ("CT", 20.0)]
    assert "Readers" in page


def test_scores_are_shown_to_the_reader_and_the_manager_alone(as_: As, full: Department) -> None:
    users = {row.username: row for row in User.objects.all()}
    PeerReview.objects.create(
        report=full.final,
        number=1,
        origin="CHANCE",
        status="DONE",
        reader=users["radiologist"],
        reviewer=users["manager"],
        drawn_at=make.NOON,
        done_at=make.NOON,
        score="4b",
        comment="rib fracture",
    )

    own = as_("radiologist").get("/peer-review/").content.decode()
    pages = {
        role: "".join(
            as_(role).get(path).content.decode()
            for path in (
                f"/reports/{full.final.public_id}/",
                f"/orders/{full.final.order.public_id}/",
                "/search/?q=rib",
                "/audit/" if role == "admin" else "/",
            )
        )
        for role in ("admin", "technologist", "frontdesk")
    }

    assert "rib fracture" in own
    assert "Muster, Manager" not in own.split("<main", 1)[-1]
    assert {role: "rib fracture" in text for role, text in pages.items()} == {
        "admin": False,
        "technologist": False,
        "frontdesk": False,
    }
    assert as_("admin").get("/peer-review/").status_code == 403


@pytest.mark.parametrize("path", ["follow_ups", "peer_review"])
def test_the_pages_stay_within_their_queries(as_: As, full: Department, path: str) -> None:
    client = as_("radiologist")
    for number in range(3):
        recommend(client, full, words=f"CT {number}")
    address = f"/{path.replace('_', '-')}/"
    client.get(address)

    with CaptureQueriesContext(connection) as queries:
        client.get(address)

    assert len(queries) <= BUDGETS[f"page_{path}"]
