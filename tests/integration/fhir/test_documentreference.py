"""A DocumentReference of an order is among the order's documents."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ris.models import Document, FhirResource, Order
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4 prior report"


@pytest.fixture
def order(api: Api) -> Order:
    return make.order()


def reference(order: Order, **elements: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final",
        "type": {"text": "Prior report"},
        "subject": {"reference": f"Patient/{order.patient.public_id}"},
        "date": "2026-02-01T10:00:00Z",
        "author": [{"display": "Dr. Nils Holm"}],
        "description": "CT of 2024",
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "data": base64.b64encode(PDF).decode(),
                    "title": "ct-2024.pdf",
                }
            }
        ],
        "context": {"related": [{"reference": f"ServiceRequest/{order.public_id}"}]},
    }
    return {name: value for name, value in {**found, **elements}.items() if value is not None}


def test_its_content_is_a_document_of_the_order(api: Api, order: Order) -> None:
    created = api.post("/DocumentReference", reference(order))

    assert created.status == 201, created.body
    document = Document.objects.get()
    assert (document.order, document.patient) == (order, order.patient)
    assert bytes(document.content) == PDF
    assert (document.media_type, document.title, document.kind) == (
        "application/pdf",
        "CT of 2024",
        "Prior report",
    )
    assert (document.number, document.completion) == (created.body["id"], "AU")
    assert document.authored_at is not None
    assert document.authored_at.isoformat() == "2026-02-01T10:00:00+00:00"


def test_a_binary_of_ours_is_fetched_and_a_page_elsewhere_is_a_link(api: Api, order: Order) -> None:
    data = base64.b64encode(PDF).decode()
    sent = {"resourceType": "Binary", "contentType": "application/pdf", "data": data}
    kept = api.post("/Binary", sent, Accept="application/fhir+json").body["id"]
    content = [
        {"attachment": {"url": f"Binary/{kept}"}},
        {"attachment": {"url": "https://archive.example/1", "contentType": "text/html"}},
    ]

    created = api.post("/DocumentReference", reference(order, content=content))

    assert created.status == 201, created.body
    assert created.body["content"] == content
    rows = [(bytes(each.content), each.link, each.media_type) for each in Document.objects.all()]
    assert rows == [(PDF, "", "application/pdf"), (b"", "https://archive.example/1", "text/html")]


def test_the_order_is_known_by_its_number_and_the_patient_by_the_order(
    api: Api, order: Order
) -> None:
    placer = {
        "type": resources.typed("ACSN"),
        "system": "urn:ris:accession-number",
        "value": order.accession_number,
    }
    related = [{"type": "ServiceRequest", "identifier": placer}]

    created = api.post(
        "/DocumentReference", reference(order, subject=None, context={"related": related})
    )

    assert created.status == 201, created.body
    assert Document.objects.get().order == order


def test_a_change_replaces_and_a_deletion_cancels_the_document(api: Api, order: Order) -> None:
    created = api.post("/DocumentReference", reference(order)).body
    address = f"/DocumentReference/{created['id']}"
    attachment = {
        "contentType": "text/plain",
        "data": base64.b64encode(b"corrected").decode(),
    }

    same = api.put(address, {**created, "description": "CT"})
    changed = api.put(address, {**same.body, "content": [{"attachment": attachment}]})
    deleted = api.request("DELETE", address)

    assert [same.status, changed.status, deleted.status] == [200, 200, 204], changed.body
    rows = [(bytes(each.content), each.status) for each in Document.objects.order_by("id")]
    assert rows == [(PDF, "REPLACED"), (b"corrected", "CANCELED")]


def test_one_that_replaces_another_takes_its_place(api: Api, order: Order) -> None:
    first = api.post("/DocumentReference", reference(order)).body["id"]
    data = base64.b64encode(b"second").decode()

    api.post(
        "/DocumentReference",
        reference(
            order,
            content=[{"attachment": {"contentType": "text/plain", "data": data}}],
            relatesTo=[{"code": "replaces", "target": {"reference": f"DocumentReference/{first}"}}],
        ),
    )

    rows = [(bytes(each.content), each.status) for each in Document.objects.order_by("id")]
    assert rows == [(PDF, "REPLACED"), (b"second", "CURRENT")]


def test_one_of_nobody_is_kept_only(api: Api, order: Order) -> None:
    answer = api.post("/DocumentReference", reference(order, subject=None, context=None))

    assert answer.status == 201
    assert (FhirResource.objects.count(), Document.objects.count()) == (1, 0)


def test_one_for_another_patient_than_the_order_is_refused(api: Api, order: Order) -> None:
    other = api.post("/Patient", resources.patient("D2")).body["id"]

    answer = api.post(
        "/DocumentReference", reference(order, subject={"reference": f"Patient/{other}"})
    )

    assert (answer.status, answer.issue["expression"]) == (409, ["DocumentReference.subject"])
    assert (FhirResource.objects.count(), Document.objects.count()) == (0, 0)


def test_what_is_said_to_be_a_pdf_and_is_none_is_refused_with_its_place(
    api: Api, order: Order
) -> None:
    data = base64.b64encode(b"MZ something else").decode()
    content = [{"attachment": {"contentType": "application/pdf", "data": data}}]

    answer = api.post("/DocumentReference", reference(order, content=content))

    assert (answer.status, answer.issue["expression"]) == (
        422, ["DocumentReference.content[0].attachment"],
    )  # fmt: skip
    assert answer.issue["diagnostics"] == "not a PDF"
    assert not Document.objects.exists()
