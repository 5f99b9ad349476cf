"""Dose alerts that are looked at, the trend of devices, tables to take elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.dose import SetReferenceLevel
from ris.domain.measures import Measure
from ris.models import AuditEvent, ExamDose
from ris.selectors.dose_history import pseudonym
from ris.services import execute
from tests import make, people
from tests.web.department import Department, version_in
from tests.web.test_dose_pages import text, told

pytestmark = pytest.mark.django_db

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]


def above(full: Department) -> None:
    level = SetReferenceLevel(code=make.CT_HEAD, measure=Measure.DLP, value=Decimal(400))
    execute(level, actor=people.manager)
    told(full.unread)


def rows(client: Client, path: str) -> list[dict[str, str]]:
    content = client.get(path).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_a_manager_notes_that_an_alert_was_looked_at(as_: As, full: Department) -> None:
    above(full)
    client = as_("manager")
    before = text(client, "/dose/")

    said = {"note": "obese", "version": version_in(client.get("/dose/"))}
    answer = client.post(f"/dose/exams/{full.unread.public_id}/looked-at/", said)

    after = text(client, "/dose/")
    assert answer.status_code == 303
    assert "To be looked at 1" in before
    assert "To be looked at 0" in after
    assert "Manager Muster: obese" in after
    assert "Looked at by Manager Muster: obese" in text(client, f"/orders/{full.unread.public_id}/")


@pytest.mark.parametrize("role", ["technologist", "radiologist", "frontdesk"])
def test_nobody_else_does(as_: As, full: Department, role: str) -> None:
    above(full)

    answer = as_(role).post(f"/dose/exams/{full.unread.public_id}/looked-at/", {"note": "x"})

    assert answer.status_code == 403
    assert ExamDose.objects.get().acknowledged_at is None


def test_the_patients_page_adds_the_dose_and_says_how_much_of_the_level(
    as_: As, full: Department
) -> None:
    above(full)

    words = text(as_("radiologist"), f"/patients/{full.unread.patient.public_id}/")

    assert "103 % of the level 400 mGy·cm" in words
    assert "Dose length product (DLP) 410.2 mGy·cm 410.2 mGy·cm 1" in words


def test_the_trend_of_devices_has_its_table(as_: As, full: Department) -> None:
    told(full.unread)

    words = text(as_("technologist"), "/dose/trend/")

    assert "Month CT1 Year 410.2 one exam Mar 2026 410.2 one exam" in words
    assert "CT head without contrast (1)" in words


def test_without_doses_the_trend_says_what_comes(as_: As, full: Department) -> None:
    assert "No dose in the last year" in text(as_("manager"), "/dose/trend/")


def test_a_table_has_pseudonyms_unless_a_manager_wants_numbers(as_: As, full: Department) -> None:
    told(full.unread)
    patient = full.unread.patient

    (blind,) = rows(as_("technologist"), "/dose/export/exams.csv")
    (named,) = rows(as_("manager"), "/dose/export/exams.csv?named=1")
    (report,) = rows(as_("manager"), "/dose/export/documents.csv?named=1")

    assert blind["patient"] == pseudonym("patient", str(patient.public_id))
    assert named["patient"] == patient.identifiers.get(primary=True).value
    assert (named["dlp_mGy_cm"], named["protocol"]) == ("410.2", "Head venous")
    assert (report["exam"], report["counts"]) == (full.unread.accession_number, "yes")
    audits = list(AuditEvent.objects.filter(action="ExportDose").order_by("id"))
    assert [audit.patients for audit in audits[:2]] == [[], [str(patient.public_id)]]
    assert [audit.detail["pseudonyms"] for audit in audits] == [True, False, False]


def test_who_may_not_take_names_gets_no_table(as_: As, full: Department) -> None:
    told(full.unread)

    assert as_("technologist").get("/dose/export/exams.csv?named=1").status_code == 403
    assert as_("frontdesk").get("/dose/export/").status_code == 403


def test_other_days_are_other_rows(as_: As, full: Department) -> None:
    told(full.unread)

    assert rows(as_("manager"), "/dose/export/exams.csv?from=2020-01-01&until=2020-02-01") == []
    assert rows(as_("manager"), "/dose/export/exams.csv?from=x&until=2020-13-41") != []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("page_dose", "/dose/"),
        ("page_dose_trend", "/dose/trend/"),
        ("page_dose_export", "/dose/export/"),
    ],
)
def test_pages_ask_a_bounded_number_of_questions(
    as_: As, full: Department, name: str, path: str
) -> None:
    above(full)
    client = as_("manager")
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        client.get(path)

    assert len(asked) <= BUDGETS[name]
