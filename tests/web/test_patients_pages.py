"""Patients and the search."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.models import Patient
from tests import make
from tests.web.department import Department

As = Callable[[str], Client]


@pytest.mark.parametrize("text", ["novakova", "Nováková, Jana", "jana NOVA", "MRN001"])
def test_single_hit_of_the_search_opens_the_patient(full: Department, as_: As, text: str) -> None:
    response = as_("frontdesk").get("/search/", {"q": text})

    assert response.status_code == 302
    assert response["Location"] == f"/patients/{full.waiting.patient.public_id}/"


@pytest.mark.parametrize(
    "field", ["accession_number", "placer_order_number", "filler_order_number"]
)
def test_order_number_opens_the_order(full: Department, as_: As, field: str) -> None:
    response = as_("radiologist").get("/search/", {"q": getattr(full.booked, field)})

    assert response["Location"] == f"/orders/{full.booked.public_id}/"


def test_control_id_opens_the_message_for_those_who_watch_interfaces(
    full: Department, as_: As
) -> None:
    found = as_("admin").get("/search/", {"q": "MSG001"})
    hidden = as_("frontdesk").get("/search/", {"q": "MSG001"})

    assert found["Location"] == f"/messages/in/{full.rejected.public_id}/"
    assert hidden.status_code == 200
    assert "Nothing found" in hidden.content.decode()


@pytest.mark.parametrize("text", ["1970-05-03", "3.5.1970", "03/05/1970", "19700503"])
def test_birth_date_finds_everybody_born_that_day(full: Department, as_: As, text: str) -> None:
    page = as_("frontdesk").get("/search/", {"q": text}).content.decode()

    assert page.count('class="row-link"') == 12


def test_patient_list_without_search_shows_the_latest(full: Department, as_: As) -> None:
    page = as_("scheduler").get("/patients/").content.decode()

    assert "Latest" in page
    assert "NOVÁKOVÁ, Jana" in page


def test_patient_page_lists_open_and_earlier_orders(full: Department, as_: As) -> None:
    page = as_("technologist").get(f"/patients/{full.urgent.patient.public_id}/").content.decode()

    assert "Allergy: Penicillin" in page
    assert f"/orders/{full.urgent.public_id}/" in page


def form(**overrides: str) -> dict[str, str]:
    return {
        "family_name": "Berg",
        "given_name": "Anna",
        "birth_date": "1970-05-03",
        "sex": "F",
        "number": "",
        "issuer": "",
        "phone": "",
        **overrides,
    }


def test_patient_is_registered_with_a_number_of_ours(rooms: None, as_: As) -> None:
    response = as_("frontdesk").post("/patients/new/", form())

    patient = Patient.objects.get()
    assert response["Location"] == f"/patients/{patient.public_id}/"
    assert (patient.name, patient.birth_date, patient.sex) == ("Berg^Anna", "1970-05-03", "F")
    assert patient.identifiers.get().issuer == "HOSP"


def test_registration_from_the_order_form_leads_back_to_it(rooms: None, as_: As) -> None:
    response = as_("frontdesk").post("/patients/new/", form(next="/orders/new/"))

    patient = Patient.objects.get()
    assert response["Location"] == f"/orders/new/?patient={patient.public_id}"


def test_lookalike_is_shown_before_anybody_is_registered_twice(rooms: None, as_: As) -> None:
    known = make.order().patient
    client = as_("frontdesk")

    asked = client.post("/patients/new/", form(given_name="A."))
    count = Patient.objects.count()
    client.post("/patients/new/", form(given_name="A.", known="on"))

    assert asked.status_code == 409
    assert f"/patients/{known.public_id}/" in asked.content.decode()
    assert (count, Patient.objects.count()) == (1, 2)


def test_number_without_issuer_is_refused(rooms: None, as_: As) -> None:
    response = as_("frontdesk").post("/patients/new/", form(number="4711"))

    assert response.status_code == 422
    assert "A number only means something with who issued it." in response.content.decode()
    assert not Patient.objects.exists()


@pytest.mark.parametrize("date", ["03/05/1970", "1970-13-01", "yesterday"])
def test_date_that_is_none_is_refused(rooms: None, as_: As, date: str) -> None:
    response = as_("frontdesk").post("/patients/new/", form(birth_date=date))

    assert response.status_code == 422
    assert not Patient.objects.exists()


def test_number_that_is_taken_is_refused_at_its_field(rooms: None, as_: As) -> None:
    make.order(patient=make.patient("4711"))

    response = as_("frontdesk").post(
        "/patients/new/", form(family_name="Other", number="4711", issuer="HOSP")
    )

    assert response.status_code == 409
    assert 'id="id_number-error"' in response.content.decode()
    assert Patient.objects.count() == 1


def test_next_leads_nowhere_outside(rooms: None, as_: As) -> None:
    response = as_("frontdesk").post("/patients/new/", form(next="https://elsewhere.example/"))

    assert response["Location"].startswith("/patients/")
