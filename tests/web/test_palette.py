"""The palette: what may be gone to or begun, and nobody's name that is not looked for."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from ris.models import AuditEvent
from tests.web.department import Department

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]


def addresses(client: Client, text: str) -> list[str]:
    answer = client.get("/palette/", {"q": text}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return re.findall(r'role="option" tabindex="-1" href="([^"]+)"', answer.content.decode())


def test_before_anything_is_typed_it_offers_what_the_role_may(as_: As, full: Department) -> None:
    offered = addresses(as_("radiologist"), "")

    assert "/reading/" in offered
    assert "/orders/new/" not in offered
    assert "/messages/" not in offered
    assert not [
        address for address in offered if address.startswith("/patients/") and len(address) > 10
    ]


def test_the_beginnings_of_words_are_enough(as_: As, full: Department) -> None:
    assert addresses(as_("scheduler"), "new or") == ["/orders/new/"]


def test_an_accession_number_leads_to_its_order(as_: As, full: Department) -> None:
    order = full.booked

    assert addresses(as_("scheduler"), order.accession_number)[0] == f"/orders/{order.public_id}/"


def test_a_name_leads_to_its_patient_and_is_audited(as_: As, full: Department) -> None:
    patient = full.booked.patient
    before = AuditEvent.objects.filter(action="Search").count()

    assert f"/patients/{patient.public_id}/" in addresses(as_("scheduler"), patient.name[:4])
    assert AuditEvent.objects.filter(action="Search").count() > before


def test_two_letters_find_nobody(as_: As, full: Department) -> None:
    patient = full.booked.patient

    assert f"/patients/{patient.public_id}/" not in addresses(as_("scheduler"), patient.name[:2])
