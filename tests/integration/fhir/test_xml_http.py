"""FHIR XML over HTTP: what is sent is read, what is asked for in XML is answered in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from integration.fhir import xml
from ris.models import InboundMessage
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token

NS = {"f": "http://hl7.org/fhir"}
XML = "application/fhir+xml"


@pytest.fixture
def api(db: None) -> Api:
    return Api(token())


def values(body: bytes, path: str) -> list[str | None]:
    """What an XML reader not written here finds at a path."""
    return [each.get("value") for each in ET.fromstring(body).findall(path, NS)]


def test_a_request_in_xml_is_placed_and_answered_in_xml(api: Api) -> None:
    body = xml.write(resources.service_request("4711", note=[{"text": "fear of <narrow> rooms"}]))

    response = api.client.post(
        "/fhir/ServiceRequest",
        body,
        content_type=f"{XML}; charset=utf-8",
        headers={"Authorization": f"Bearer {api.token}", "Accept": XML},
    )

    assert response.status_code == 201, response.content
    assert response.headers["Content-Type"] == f"{XML}; charset=utf-8"
    assert ET.fromstring(response.content).tag == "{http://hl7.org/fhir}ServiceRequest"
    assert values(response.content, "f:status") == ["active"]
    assert values(response.content, "f:note/f:text") == ["fear of <narrow> rooms"]
    assert bytes(InboundMessage.objects.get().raw).endswith(body)  # kept as it came


def test_both_formats_of_an_answer_say_the_same(api: Api) -> None:
    placed = api.post("/ServiceRequest", resources.service_request()).body

    plain = api.get(f"/ServiceRequest/{placed['id']}")
    other = api.get(f"/ServiceRequest/{placed['id']}", Accept=XML)
    asked = api.get(f"/ServiceRequest/{placed['id']}?_format=xml")

    assert other.body == asked.body == plain.body
    assert other.headers["ETag"] == plain.headers["ETag"]


def test_an_update_may_come_in_xml(api: Api) -> None:
    patient = api.post("/Patient", resources.patient()).body
    patient["birthDate"] = "1961-12"

    answer = api.put(f"/Patient/{patient['id']}", xml.write(patient), Content_Type="text/xml")

    assert (answer.status, answer.body["birthDate"]) == (200, "1961-12")


def test_a_transaction_may_come_in_xml(api: Api) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:5f0e7a52-5cc5-4f4e-9d0c-0a3a2ff3b8a1",
                "resource": resources.patient("X1"),
                "request": {"method": "POST", "url": "Patient"},
            }
        ],
    }

    answer = api.post("", xml.write(bundle), Content_Type="application/xml", Accept=XML)

    assert (answer.status, answer.body["type"]) == (200, "transaction-response")
    assert answer.body["entry"][0]["response"]["status"].startswith("201")


def test_searches_capabilities_and_refusals_are_answered_in_xml(api: Api) -> None:
    api.post("/Patient", resources.patient("X1"))

    found = api.get(f"/Patient?identifier={resources.MRN}|X1", Accept=XML)
    said = api.get("/metadata", Accept="application/xml")
    refused = api.get("/Patient/nobody?_format=application/fhir+xml")
    unknown = api.get("/nowhere", Accept="text/xml")
    nobody = Api().get("/Patient", Accept=XML)

    assert len(found.of("match")) == 1
    assert said.headers["Content-Type"] == "application/xml; charset=utf-8"
    assert "application/fhir+xml" in said.body["format"]
    assert (refused.status, refused.issue["code"]) == (404, "not-found")
    assert (unknown.status, unknown.headers["Content-Type"]) == (404, "text/xml; charset=utf-8")
    assert (nobody.status, nobody.issue["code"]) == (401, "login")


def test_a_body_that_is_no_xml_is_refused_and_kept(api: Api) -> None:
    answer = api.request("POST", "/Patient", b"<Patient", Content_Type=XML)

    assert (answer.status, answer.issue["code"]) == (400, "structure")
    assert InboundMessage.objects.get().outcome == "400"


def test_xml_is_indented_for_people(api: Api) -> None:
    pretty = api.client.get("/fhir/metadata?_format=xml&_pretty=true").content

    assert pretty.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<CapabilityStatement xmlns="http://hl7.org/fhir">'
        b"\n  <"
    )
