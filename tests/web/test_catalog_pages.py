"""The catalog pages: list, form, retire, and the file with its dry run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.models import DomainEvent, ProcedureDefinition
from tests import make

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(as_: Callable[[str], Client]) -> Client:
    return as_("manager")


FORM = {
    "code": "CTNECK",
    "scheme": "99LOCAL",
    "name": "CT of the neck",
    "modality": "ct",
    "duration_minutes": "25",
    "steps": "CT; Plain; 10\nCT; Contrast; 15; K1^99LOCAL^With contrast",
    "buffer_before_minutes": "0",
    "buffer_after_minutes": "10",
    "lead_hours": "24",
    "staff_required": "1",
    "required_skills": "nurse",
}


def test_a_procedure_is_made_shown_changed_and_retired(manager: Client) -> None:
    made = manager.post("/catalog/new/", FORM)

    row = ProcedureDefinition.objects.get(code="CTNECK")
    assert (made.status_code, row.modality, row.duration_minutes) == (303, "CT", 25)
    assert [step.description for step in row.steps.all()] == ["Plain", "Contrast"]
    assert "CT of the neck" in manager.get("/catalog/?q=neck").content.decode()

    manager.post(f"/catalog/{row.public_id}/", {**FORM, "duration_minutes": "40"})
    manager.post(f"/catalog/{row.public_id}/retire/")

    row.refresh_from_db()
    assert (row.duration_minutes, row.active) == (40, False)
    manager.get("/catalog/")  # says what was done
    assert "CT of the neck" not in manager.get("/catalog/").content.decode()
    assert "Not offered" in manager.get("/catalog/?retired=1").content.decode()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"code": ""}, "This field is required"),
        ({"duration_minutes": "0"}, "greater than or equal to 1"),
        ({"steps": "; no modality"}, "step 1 needs a modality"),
    ],
)
def test_a_wrong_form_is_shown_again_and_nothing_is_saved(
    manager: Client, said: dict[str, str], words: str
) -> None:
    answer = manager.post("/catalog/new/", {**FORM, **said})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert ProcedureDefinition.objects.count() == 0


def test_a_code_is_given_once_and_stays(manager: Client) -> None:
    manager.post("/catalog/new/", FORM)
    row = ProcedureDefinition.objects.get()

    again = manager.post("/catalog/new/", FORM)
    other = manager.post(f"/catalog/{row.public_id}/", {**FORM, "code": "OTHER"})

    assert (again.status_code, other.status_code) == (409, 422)
    assert ProcedureDefinition.objects.count() == 1


def test_a_file_is_shown_first_and_applied_as_a_whole(manager: Client) -> None:
    make.definition()
    known = ProcedureDefinition.objects.get()
    text = (
        "code,scheme,name,modality,offered\n"
        f"{known.code},{known.scheme},{known.meaning},{known.modality},no\n"
        "CTNECK,99LOCAL,CT of the neck,CT,yes\n"
    )
    file = SimpleUploadedFile("catalog.csv", text.encode())

    shown = manager.post("/catalog/upload/", {"file": file}).content.decode()

    assert "1 new, 0 changed, 1 no longer offered, 0 the same" in shown
    assert ProcedureDefinition.objects.get().active
    content = re.search(r'name="content" value="([^"]+)"', shown)
    assert content is not None
    done = manager.post("/catalog/upload/", {"content": content[1], "apply": "1"})
    assert done.status_code == 303
    assert dict(ProcedureDefinition.objects.values_list("code", "active")) == {
        known.code: False,
        "CTNECK": True,
    }
    assert DomainEvent.objects.filter(name="ProcedureRetired").count() == 1


def test_a_file_with_a_fault_changes_nothing_even_if_asked_to(manager: Client) -> None:
    text = "code,name,modality\nCTNECK,CT of the neck,CT\n,nameless,CT\n"
    file = SimpleUploadedFile("catalog.csv", text.encode())

    answer = manager.post("/catalog/upload/", {"file": file, "apply": "1"})

    assert answer.status_code == 422
    assert "code is empty." in answer.content.decode()
    assert "Change the catalog" not in answer.content.decode()
    assert ProcedureDefinition.objects.count() == 0


def test_the_download_is_read_back_without_a_change(manager: Client) -> None:
    manager.post("/catalog/new/", FORM)
    text = manager.get("/catalog/procedures.csv").content

    shown = manager.post("/catalog/upload/", {"file": SimpleUploadedFile("c.csv", text)})

    assert "0 new, 0 changed, 0 no longer offered, 1 the same" in shown.content.decode()


def test_only_those_who_keep_the_catalog_see_it(as_: Callable[[str], Client]) -> None:
    technologist = as_("technologist")

    for path in ("/catalog/", "/catalog/new/", "/catalog/procedures.csv", "/catalog/upload/"):
        assert technologist.get(path).status_code == 403
    assert technologist.post("/catalog/new/", FORM).status_code == 403
    assert ProcedureDefinition.objects.count() == 0


def test_the_list_costs_the_same_however_long_it_is(manager: Client) -> None:
    make.definition()
    manager.get("/catalog/")  # the session is read once
    with CaptureQueriesContext(connection) as short:
        manager.get("/catalog/")
    ProcedureDefinition.objects.bulk_create(
        ProcedureDefinition(code=f"C{number}", meaning=f"Exam {number}", modality="CT")
        for number in range(40)
    )

    with CaptureQueriesContext(connection) as long:
        manager.get("/catalog/")

    assert len(short) == len(long) <= BUDGETS["page_catalog"]


def test_what_booking_takes_is_on_the_form(manager: Client) -> None:
    make.device("CT1")
    manager.post("/catalog/new/", {**FORM, "device_rules": "CT1: 40", "radiologist_present": "on"})
    row = ProcedureDefinition.objects.get(code="CTNECK")

    page = manager.get(f"/catalog/{row.public_id}/").content.decode()

    assert (row.buffer_after_minutes, row.lead_hours, row.staff_required) == (10, 24, 1)
    assert (row.radiologist_present, row.required_skills) == (True, ["nurse"])
    assert [(rule.device.ae_title, rule.minutes) for rule in row.device_rules.all()] == [
        ("CT1", 40)
    ]
    assert "CT1: 40</textarea>" in page
    assert "Devices of this modality: CT1" in page


def test_a_device_that_is_not_there_is_said_at_its_field(manager: Client) -> None:
    answer = manager.post("/catalog/new/", {**FORM, "device_rules": "CT9: no"})

    assert answer.status_code == 404
    assert "no device CT9" in answer.content.decode()
    assert ProcedureDefinition.objects.count() == 0


def test_an_empty_catalog_offers_a_starter_set(manager: Client) -> None:
    assert "Begin with" in manager.get("/catalog/").content.decode()

    shown = manager.post("/catalog/upload/", {"starter": "1"}).content.decode()

    assert " 0 changed, 0 no longer offered, 0 the same" in shown
    content = re.search(r'name="content" value="([^"]+)"', shown)
    assert content is not None
    manager.post("/catalog/upload/", {"content": content[1], "apply": "1"})
    assert ProcedureDefinition.objects.filter(active=True).count() >= 60
    assert "Begin with" not in manager.get("/catalog/").content.decode()
