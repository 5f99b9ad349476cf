"""Binary: as a resource and as the bytes themselves."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.http import HttpResponse

from integration.fhir import binary
from ris.models import InboundMessage
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4\n\x00\xff\r\n%%EOF"


def send(api: Api, method: str, path: str, body: bytes = b"", **headers: str) -> HttpResponse:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    content_type = said.pop("Content-Type", "")
    said["Authorization"] = f"Bearer {api.token}"
    found: HttpResponse = api.client.generic(
        method, f"/fhir{path}", body, content_type=content_type, headers=said
    )
    return found


def test_bytes_are_kept_and_given_as_they_came(api: Api) -> None:
    created = send(api, "POST", "/Binary", PDF, Content_Type="application/pdf")
    address = created.headers["Location"].partition("/fhir")[2].partition("/_history")[0]

    raw = [
        send(api, "GET", address),
        send(api, "GET", address, Accept="application/pdf"),
        send(api, "GET", address, Accept="text/html, */*;q=0.8"),
    ]
    resource = api.get(address, Accept="application/fhir+json")

    assert created.status_code == 201
    assert [(each.status_code, each.content) for each in raw] == [(200, PDF)] * 3
    assert {each.headers["Content-Type"] for each in raw} == {"application/pdf"}
    assert raw[0].headers["X-Content-Type-Options"] == "nosniff"
    assert raw[0].headers["Content-Security-Policy"].startswith("sandbox")
    assert raw[0].headers["ETag"] == 'W/"1"'
    assert resource.body == {
        "resourceType": "Binary",
        "id": resource.body["id"],
        "meta": resource.body["meta"],
        "contentType": "application/pdf",
        "data": base64.b64encode(PDF).decode(),
    }
    assert send(api, "GET", address, If_None_Match='W/"1"').status_code == 304
    stored = bytes(InboundMessage.objects.get(message_type="POST Binary").raw)
    assert stored.endswith(PDF)


def test_the_resource_form_and_the_bytes_are_the_same_thing(api: Api) -> None:
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="}
    created = api.post("/Binary", sent, Accept="application/fhir+json").body
    address = f"/Binary/{created['id']}"

    first = send(api, "GET", address)
    changed = send(api, "PUT", address, "grüß".encode(), Content_Type="text/plain; charset=utf-8")
    second = send(api, "GET", address, Accept="*/*")
    removed = send(api, "DELETE", address)

    assert (first.content, first.headers["Content-Type"]) == (b"hello", "text/plain")
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')
    assert second.content.decode() == "grüß"
    assert second.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert removed.status_code == 204
    assert send(api, "GET", address, Accept="image/png").status_code == 410


def test_the_security_context_is_kept_with_the_bytes(api: Api) -> None:
    patient = api.post("/Patient", resources.patient()).body["id"]

    created = send(
        api, "POST", "/Binary", b"x", Content_Type="text/plain",
        X_Security_Context=f"Patient/{patient}", Accept="application/fhir+json",
    )  # fmt: skip
    nobody = send(
        api, "POST", "/Binary", b"x", Content_Type="text/plain",
        X_Security_Context="Patient/00000000-0000-7000-8000-000000000001",
    )  # fmt: skip
    broken = send(
        api, "POST", "/Binary", b"x", Content_Type="text/plain", X_Security_Context="nobody"
    )

    assert created.json()["securityContext"] == {"reference": f"Patient/{patient}"}
    raw = send(api, "GET", f"/Binary/{created.json()['id']}")
    assert raw.headers["X-Security-Context"] == f"Patient/{patient}"
    odd = api.post(
        "/Binary",
        {
            "resourceType": "Binary",
            "contentType": "text/plain",
            "securityContext": {"reference": "https://ehr.example/a\r\nX-Other: b"},
            "data": "eA==",
        },
    )
    answer = send(api, "GET", f"/Binary/{odd.body['id']}")
    assert (answer.status_code, "X-Security-Context" in answer.headers) == (200, False)
    assert [nobody.status_code, broken.status_code] == [422, 400]


@pytest.mark.parametrize(
    ("accept", "format_parameter", "content_type", "expected"),
    [
        ("", "", "application/pdf", True),
        ("*/*", "", "application/pdf", True),
        ("image/*", "", "application/pdf", True),
        ("application/fhir+json, */*; q=0.1", "", "application/pdf", False),
        ("application/fhir+xml", "", "application/pdf", False),
        ("application/json", "", "application/pdf", False),
        ("application/json", "", "application/json", True),
        ("application/fhir+json", "", "application/fhir+json", False),
        ("*/*", "json", "application/pdf", False),
    ],
)
def test_a_fhir_format_is_answered_to_who_names_it(
    accept: str, format_parameter: str, content_type: str, expected: bool
) -> None:
    assert binary.wants_content(accept, format_parameter, content_type) is expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/plain", b"hello", True),
        ("application/json", b'{"a": 1}', True),
        ("application/json", b'{"resourceType": "Binary"}', False),
        ("application/fhir+json", b"hello", False),
        ("", b"hello", False),
    ],
)
def test_a_body_is_content_unless_it_is_a_resource(
    content_type: str, body: bytes, expected: bool
) -> None:
    assert binary.is_content(content_type, body) is expected


def test_a_type_that_could_break_a_header_is_not_given_back() -> None:
    resource: dict[str, Any] = {"contentType": "text/plain\r\nX-A: b", "data": "aGVsbG8="}

    assert binary.content(resource) == (b"hello", "application/octet-stream")
