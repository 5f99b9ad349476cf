"""Resources beside the matches: what _include and _revinclude bring."""

from __future__ import annotations

import pytest

from integration.fhir import searching
from ris.models import Order
from tests import make
from tests.integration.fhir.api import BASE, Api, token

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def included(api: Api, address: str) -> list[str]:
    answer = api.get(address)
    assert answer.status == 200, answer.body
    return sorted(f"{each['resourceType']}/{each['id']}" for each in answer.of("include"))


def test_a_request_brings_its_patient(api: Api, exam: Order) -> None:
    number = exam.placer_order_number

    answer = api.get(f"/ServiceRequest?identifier={number}&_include=ServiceRequest:patient")

    assert answer.ids == [str(exam.public_id)]
    assert [each["id"] for each in answer.of("include")] == [str(exam.patient.public_id)]
    modes = [entry["search"]["mode"] for entry in answer.body["entry"]]
    assert modes == ["match", "include"]
    urls = [entry["fullUrl"] for entry in answer.body["entry"]]
    assert urls[1] == f"{BASE}/Patient/{exam.patient.public_id}"


def test_a_request_brings_all_that_hangs_on_it(api: Api, exam: Order) -> None:
    names = ("Task:based-on", "Appointment:based-on", "Procedure:based-on",
             "ImagingStudy:basedon", "DiagnosticReport:based-on")  # fmt: skip
    wishes = "&".join(f"_revinclude={name}" for name in names)

    brought = included(api, f"/ServiceRequest?_id={exam.public_id}&{wishes}")

    assert [each.partition("/")[0] for each in brought] == [
        "Appointment",
        "DiagnosticReport",
        "ImagingStudy",
        "Procedure",
        "Task",
    ]


def test_each_resource_is_brought_once(api: Api) -> None:
    reference = make.patient("4711")
    make.order(patient=reference)
    make.order(patient=reference)

    answer = api.get(
        "/ServiceRequest?_include=ServiceRequest:patient&_include=ServiceRequest:subject"
    )

    assert len(answer.ids) == 2
    assert len(answer.of("include")) == 1


def test_all_references_are_followed_at_once(api: Api, exam: Order) -> None:
    brought = included(api, "/Appointment?_include=*")

    kinds = {each.partition("/")[0] for each in brought}
    assert kinds == {"Device", "Location", "Patient", "ServiceRequest", "Slot"}


def test_a_reference_may_be_followed_to_one_type(api: Api, exam: Order) -> None:
    brought = included(api, "/Appointment?_include=Appointment:actor:Device")

    assert [each.partition("/")[0] for each in brought] == ["Device"]


def test_inclusions_of_nothing_are_nothing(api: Api) -> None:
    answer = api.get("/ServiceRequest?_include=ServiceRequest:patient&_revinclude=Task:based-on")

    assert (answer.status, answer.resources) == (200, [])
    assert "entry" not in answer.body


def test_an_unknown_inclusion_is_reported(api: Api) -> None:
    make.order()

    answer = api.get("/ServiceRequest?_include=ServiceRequest:colour")

    issue = answer.of("outcome")[0]["issue"][0]
    assert issue["diagnostics"] == "ignored: _include=ServiceRequest:colour"
    assert answer.link("self") == f"{BASE}/ServiceRequest"


def test_what_is_cut_is_said(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MAX_INCLUDED", 1)
    make.order()
    make.order()

    answer = api.get("/ServiceRequest?_include=ServiceRequest:patient")

    assert len(answer.of("include")) == 1
    assert answer.of("outcome")[0]["issue"][0]["code"] == "incomplete"


def test_a_client_is_brought_only_what_it_may_read(exam: Order) -> None:
    api = Api(token("system/ServiceRequest.rs", "system/Task.rs"))

    address = (
        "/ServiceRequest?_include=ServiceRequest:patient"
        "&_revinclude=Task:based-on&_revinclude=DiagnosticReport:based-on"
    )

    assert [each.partition("/")[0] for each in included(api, address)] == ["Task"]
