"""A refusal names its place in words of the page: at the field of a form, else by its label."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import translation

from ris.domain.errors import DuplicateKeyError, MissingValueError
from ris.domain.places import Place
from ris.web.orders.forms import OrderForm
from ris.web.patients.forms import PatientForm
from ris.web.places import label
from tests.services.exams import begin
from tests.web.department import booked_at, person, today_at

As = Callable[[str], Client]

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (Place.PATIENT, "number"),
        (Place.NAME, "family_name"),
        (Place.PHONE, "phone"),
        ("birth_date", "birth_date"),
        ("details.sex", "sex"),
        (Place.VISIT, ""),  # visit.number is not the number of a patient
        (Place.ORDER_STATUS, ""),
        ("", ""),
    ],
)
def test_a_form_knows_which_of_its_fields_is_meant(path: str, field: str) -> None:
    assert PatientForm().field_of(MissingValueError("no", path=path)) == field


def test_an_order_form_has_a_word_of_its_own_for_the_department() -> None:
    error = MissingValueError("no", path=Place.REQUESTING_SERVICE)

    assert OrderForm().field_of(error) == "service"


def test_a_refusal_is_shown_at_the_field() -> None:
    form = PatientForm({"family_name": "Berg"})

    form.refuse(DuplicateKeyError("this patient identifier is known already", path=Place.PATIENT))

    assert form.errors["number"] == ["this patient identifier is known already"]


@pytest.mark.parametrize(
    ("language", "path", "words"),
    [
        ("en", Place.PATIENT, "Patient number"),
        ("de", Place.MODALITY, "Modalität"),
        ("de", "reason", "reason"),
    ],
)
def test_a_place_is_told_in_the_language_of_the_page(language: str, path: str, words: str) -> None:
    with translation.override(language):
        assert label(path) == words


def test_the_page_of_a_refusal_names_the_place_by_its_label(rooms: None, as_: As) -> None:
    order = booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN1"))
    begin(order)

    answer = as_("scheduler").post(f"/orders/{order.public_id}/cancel/", {"reason": "twice"})

    assert answer.status_code == 409
    assert "(Order)" in answer.content.decode()
