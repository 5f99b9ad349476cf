"""An allergy that was told and is not confirmed: people see it, scanners and peers do not yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.arrivals import RequestCorrection
from ris.domain.patients import DecideReview
from ris.domain.protocoling import ChangeProtocolNeed, ProtocolNeed
from ris.models import DemographicReview, Order, Patient, ProcedureDefinition
from ris.selectors import worklist
from ris.selectors.views import WorklistQuery
from ris.services import execute
from tests import make, people
from tests.web.department import arrive, booked_at, perform, person, today_at

As = Callable[[str], Client]
TOLD = "Allergy to be confirmed: Gadolinium: hives, noted by frontdesk"
IN_DIALOG = {"HX-Request": "true"}


def tell(order: Order, what: str = "Gadolinium: hives") -> None:
    patient = str(order.patient.public_id)
    execute(RequestCorrection(patient=patient, allergy=what), actor=people.frontdesk)


@pytest.fixture
def order(rooms: None) -> Order:
    order = booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN004"))
    tell(order)
    return order


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("technologist", "/room/CT1/"),
        ("technologist", "/room/CT1/supplies/{step}/"),
        ("technologist", "/safety/{step}/"),
        ("technologist", "/orders/{order}/"),
        ("frontdesk", "/arrivals/"),
        ("frontdesk", "/arrivals/{appointment}/"),
        ("radiologist", "/protocoling/{procedure}/"),
    ],
)
def test_allergy_that_was_told_is_seen_before_it_is_confirmed(
    as_: As, order: Order, role: str, path: str
) -> None:
    keys = {
        "order": order.public_id,
        "step": make.step_of(order).public_id,
        "procedure": order.procedures.get().public_id,
        "appointment": make.appointment_of(order).public_id,
    }

    page = as_(role).get(path.format(**keys)).content.decode()

    assert TOLD in page


@pytest.mark.parametrize("path", ["/room/CT1/supplies/{step}/", "/arrivals/{appointment}/"])
def test_dialog_says_it_as_its_page_does(as_: As, order: Order, path: str) -> None:
    keys = {
        "step": make.step_of(order).public_id,
        "appointment": make.appointment_of(order).public_id,
    }

    dialog = as_("technologist").get(path.format(**keys), headers=IN_DIALOG).content.decode()

    assert TOLD in dialog
    assert "<html" not in dialog


def test_who_protocols_sees_it_in_the_queue(as_: As, rooms: None) -> None:
    definition = str(ProcedureDefinition.objects.get(code=make.CT_HEAD.value).public_id)
    execute(
        ChangeProtocolNeed(definition=definition, need=ProtocolNeed.START), actor=people.manager
    )
    tell(booked_at(today_at(12, 30)))

    assert TOLD in as_("radiologist").get("/protocoling/").content.decode()


def test_who_reads_sees_it_in_the_list_and_beside_the_report(as_: As, order: Order) -> None:
    perform(order)
    client = as_("radiologist")

    waiting = client.get("/reading/").content.decode()
    report = client.get(f"/reports/{make.opened_report(order).public_id}/").content.decode()

    assert TOLD in waiting
    assert TOLD in report


@pytest.mark.database
def test_scanner_is_not_sent_it_until_it_is_confirmed(as_: As, order: Order) -> None:
    before = worklist.entries(WorklistQuery()).entries

    review = DemographicReview.objects.get()
    execute(DecideReview(review=str(review.public_id), accept=True), actor=people.scheduler)

    after = worklist.entries(WorklistQuery()).entries
    page = as_("technologist").get("/room/CT1/").content.decode()
    assert [entry.patient.allergies for entry in before] == [()]
    assert [entry.patient.allergies for entry in after] == [("Gadolinium: hives",)]
    assert "Allergy: Gadolinium: hives" in page
    assert "to be confirmed" not in page


def test_what_was_rejected_is_not_shown(as_: As, order: Order) -> None:
    review = DemographicReview.objects.get()
    execute(DecideReview(review=str(review.public_id), accept=False), actor=people.scheduler)

    page = as_("technologist").get("/room/CT1/").content.decode()

    assert "to be confirmed" not in page
    assert Patient.objects.get(pk=order.patient.pk).allergies == []


@pytest.mark.parametrize("path", ["/room/CT1/", "/arrivals/"])
def test_list_of_many_takes_no_query_more(as_: As, order: Order, path: str) -> None:
    arrive(order)
    client = as_("technologist")
    of_one = asked_for(client, path)
    for number in range(3):
        more = booked_at(today_at(14 + number), patient=person("Ito", "Ai", f"MRN1{number}"))
        tell(more)
        arrive(more)

    of_four = asked_for(client, path)

    assert client.get(path).content.decode().count("Allergy to be confirmed") >= 4
    assert of_four <= of_one


def asked_for(client: Client, path: str) -> int:
    for _ in range(3):  # what a login asks for once
        client.get(path)
    with CaptureQueriesContext(connection) as asked:
        client.get(path)
    return len(asked)


@pytest.mark.parametrize(
    ("stored", "shown"), [([], "nothing"), (["Latex", "Penicillin"], "Latex, Penicillin")]
)
def test_who_decides_sees_beside_it_what_is_known(
    as_: As, order: Order, stored: list[str], shown: str
) -> None:
    Patient.objects.filter(pk=order.patient.pk).update(allergies=stored)

    page = " ".join(as_("scheduler").get("/exceptions/").content.decode().split())

    assert f"Allergy, to be confirmed:</span> {shown}" in page
