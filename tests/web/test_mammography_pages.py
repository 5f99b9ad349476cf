"""The pages about breast exams, as each role sees and uses them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris import config
from ris.models import (
    AuditEvent,
    BreastAssessment,
    BreastOutcome,
    BreastRecall,
    ProcedureDefinition,
    User,
)
from ris.web.mammography import words
from tests.web.breast_clinic import Clinic, text

pytestmark = pytest.mark.django_db

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]


# --- the report


def test_the_form_stands_beside_the_report_and_is_noted(as_: As, clinic: Clinic) -> None:
    client, path = as_("radiologist"), f"/reports/{clinic.waiting}/"
    before = text(client, path)

    form = {"right": "0", "left": "2", "density": "D"}
    answer = client.post(f"{path}assessment/", form)

    row = BreastAssessment.objects.get(report__public_id=clinic.waiting)
    assert "Assess the exam before the report is signed as final." in before
    assert answer.status_code == 303
    assert (row.right, row.left, row.overall, row.density) == ("0", "2", "0", "D")
    assert "Overall 0 needs more imaging Density D very dense" in text(client, path)


def test_a_report_that_was_not_assessed_is_not_signed(as_: As, clinic: Clinic) -> None:
    client, path = as_("radiologist"), f"/reports/{clinic.waiting}/"

    answer = client.post(f"{path}sign/", {"as": "final", "findings": "Nothing.", "revision": "0"})

    assert answer.status_code == 422
    assert "A breast exam is assessed before its report is signed" in answer.content.decode()
    assert BreastAssessment.objects.filter(report__public_id=clinic.waiting).count() == 0


def test_half_an_assessment_says_what_is_missing(as_: As, clinic: Clinic) -> None:
    path = f"/reports/{clinic.waiting}/assessment/"

    answer = as_("radiologist").post(path, {"right": "1", "density": "B"})

    assert answer.status_code == 422
    assert "assesses both breasts" in answer.content.decode()


def test_a_signed_assessment_is_changed_with_a_reason(as_: As, clinic: Clinic) -> None:
    report = clinic.recalled.report.public_id
    form = {"right": "1", "left": "2", "density": "C", "reason": "old images", "version": "1"}

    answer = as_("radiologist").post(f"/reports/{report}/reassessment/", form)

    clinic.recalled.refresh_from_db()
    assert answer.status_code == 303
    assert clinic.recalled.overall == "2"
    assert BreastRecall.objects.get().state == "WITHDRAWN"


@pytest.fixture
def password_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", "password")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.mark.usefixtures("password_asked")
def test_a_change_is_signed_as_the_site_asks(as_: As, clinic: Clinic) -> None:
    client, report = as_("radiologist"), clinic.recalled.report.public_id
    form = {"right": "1", "left": "2", "density": "C", "reason": "old images", "version": "1"}

    shown = client.get(f"/reports/{report}/").content.decode()
    without = client.post(f"/reports/{report}/reassessment/", form)
    signed = client.post(f"/reports/{report}/reassessment/", {**form, "proof": "demo"})

    assert 'id="proof-reassessment"' in shown
    assert (without.status_code, signed.status_code) == (422, 303)
    assert clinic.recalled.report.versions.latest("number").signed_with == "password"


# --- what is awaited


def test_the_list_says_who_is_awaited_for_what(as_: As, clinic: Clinic) -> None:
    words = text(as_("frontdesk"), "/mammography/")

    assert "Open 1" in words
    assert "BERG, Anna" in words
    assert "Biopsy" in words
    assert "4A suspicious, low" in words
    assert AuditEvent.objects.get(action="ListRecalls").patients == [
        str(clinic.recalled.report.order.patient.public_id)
    ]


def test_what_is_late_is_said_in_words(
    as_: As, clinic: Clinic, noon: time_machine.Traveller
) -> None:
    noon.move_to(timezone.now() + timedelta(days=17))

    assert "3 days late" in text(as_("manager"), "/mammography/?tab=overdue")


@pytest.mark.parametrize("tab", ["overdue", "settled"])
def test_an_empty_tab_says_what_comes_there(as_: As, clinic: Clinic, tab: str) -> None:
    words = text(as_("radiologist"), f"/mammography/?tab={tab}")

    assert "Nobody is awaited" in words or "Nothing was settled lately" in words


def test_pathology_is_noted_and_settles_the_recall(as_: As, clinic: Clinic) -> None:
    client, key = as_("radiologist"), clinic.recalled.public_id
    form = {"result": "MALIGNANT", "taken_on": f"{timezone.localdate()}", "side": "L",
            "source": "Pathology Muster"}  # fmt: skip

    answer = client.post(f"/mammography/exams/{key}/pathology/", form)

    outcome = BreastOutcome.objects.get()
    assert answer.status_code == 303
    assert (outcome.result, outcome.side) == ("MALIGNANT", "L")
    assert BreastRecall.objects.get().state == "DONE"
    assert "Malignant taken" in text(client, f"/mammography/exams/{key}/")
    client.post(f"/mammography/pathology/{outcome.public_id}/withdraw/", {"reason": "typo"})
    assert BreastRecall.objects.get().state == "OPEN"


@pytest.mark.parametrize(
    "form", [{}, {"result": "MALIGNANT"}, {"result": "X", "taken_on": "2026-03-02"},
             {"result": "BENIGN", "taken_on": "2026-02-31"}],
)  # fmt: skip
def test_pathology_that_says_nothing_is_refused(
    as_: As, clinic: Clinic, form: dict[str, str]
) -> None:
    path = f"/mammography/exams/{clinic.recalled.public_id}/pathology/"

    assert as_("radiologist").post(path, form).status_code == 422
    assert not BreastOutcome.objects.exists()


def test_a_recall_is_closed_and_opened_on_its_page(as_: As, clinic: Clinic) -> None:
    client, recall = as_("manager"), BreastRecall.objects.get()

    client.post(f"/mammography/recalls/{recall.public_id}/close/", {"note": "declined"})
    recall.refresh_from_db()
    closed = recall.state
    client.post(f"/mammography/recalls/{recall.public_id}/reopen/", {"note": "comes after all"})

    recall.refresh_from_db()
    assert (closed, recall.state) == ("CLOSED", "OPEN")


# --- figures


def test_a_manager_sees_all_readers_and_a_reader_himself(
    as_: As, users: dict[str, User], clinic: Clinic
) -> None:
    clinic.recalled.reader = users["manager"]
    clinic.recalled.save()

    everybody = text(as_("manager"), "/mammography/outcomes/")
    own = text(as_("radiologist"), "/mammography/outcomes/")

    assert "MUSTER, Manager 1 1 100.0 % 0.0 0 0.0 % 0.0 % – 1" in everybody
    assert "No assessed exam in these days" in own


def test_the_desk_sees_no_figures(as_: As, clinic: Clinic) -> None:
    assert as_("frontdesk").get("/mammography/outcomes/").status_code == 403


# --- set-up


def test_a_manager_says_which_procedures_are_breast_exams(as_: As, clinic: Clinic) -> None:
    definition = ProcedureDefinition.objects.get(code="MGSCREEN")

    as_("manager").post("/mammography/setup/", {f"exam-{definition.public_id}": "DIAGNOSTIC"})

    definition.refresh_from_db()
    assert definition.breast_exam == "DIAGNOSTIC"


def test_a_manager_sets_the_rules_and_words(as_: As, clinic: Clinic) -> None:
    client = as_("manager")
    rules = {"letter_hours": "48", "additional_days": "14", "interval_months": "6",
             "biopsy_days": "7", "reminder_days": "21"}  # fmt: skip

    saved = client.post("/mammography/setup/rules/", rules)
    wrong = client.post("/mammography/setup/rules/", {**rules, "biopsy_days": "0"})
    client.post("/mammography/setup/texts/normal/de/", {"body": "Alles gut am {exam_date}."})
    unknown = client.post("/mammography/setup/texts/normal/de/", {"body": "{diagnosis}"})

    words = text(client, "/mammography/setup/")
    assert (saved.status_code, wrong.status_code, unknown.status_code) == (303, 422, 422)
    assert 'value="48"' in client.get("/mammography/setup/").content.decode()
    assert "Nothing of concern Deutsch" in words
    assert "Alles gut am [exam_date]." in text(client, "/mammography/setup/texts/normal/de/")


@pytest.mark.parametrize("kind", [
    "normal", "additional", "interval", "biopsy", "known", "reminder", "recalled", "dense",
    "not-dense", "replaces",
])  # fmt: skip
def test_every_text_has_its_page(as_: As, clinic: Clinic, kind: str) -> None:
    client = as_("admin")

    assert client.get(f"/mammography/setup/texts/{kind}/ja/").status_code == 200


# --- who may not


@pytest.mark.parametrize("role", ["technologist", "scheduler", "frontdesk"])
def test_who_may_not_changes_nothing(as_: As, clinic: Clinic, role: str) -> None:
    client, row = as_(role), clinic.recalled
    recall = BreastRecall.objects.get()
    posts: dict[str, dict[str, Any]] = {
        f"/reports/{clinic.waiting}/assessment/": {"right": "1", "left": "1", "density": "A"},
        f"/reports/{row.report.public_id}/reassessment/": {"right": "1", "left": "1",
                                                           "density": "A", "reason": "x"},
        f"/mammography/exams/{row.public_id}/pathology/": {"result": "BENIGN",
                                                           "taken_on": f"{timezone.localdate()}"},
        f"/mammography/recalls/{recall.public_id}/close/": {"note": "x"},
        "/mammography/setup/rules/": dict.fromkeys(
            ("letter_hours", "additional_days", "interval_months", "biopsy_days",
             "reminder_days"), "1"),
    }  # fmt: skip

    assert {client.post(path, form).status_code for path, form in posts.items()} == {403}
    recall.refresh_from_db()
    assert (recall.state, BreastAssessment.objects.count()) == ("OPEN", 1)


# --- how much is asked


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("page_mammography", "/mammography/"),
        ("page_mammography_letters", "/mammography/letters/?tab=waiting"),
        ("page_mammography_outcomes", "/mammography/outcomes/"),
        ("page_mammography_setup", "/mammography/setup/"),
    ],
)
def test_pages_ask_a_bounded_number_of_questions(
    as_: As, clinic: Clinic, name: str, path: str
) -> None:
    client = as_("manager")
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        client.get(path)

    assert len(asked) <= BUDGETS[name]


def test_every_state_has_words() -> None:
    for kinds, table in words.TABLES.values():
        assert set(table) == {member.value for kind in kinds for member in kind}
