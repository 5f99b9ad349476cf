"""A report and the bytes of its attachment name each other: FHIR R4 Binary.securityContext."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ris.models import FhirResource
from tests.integration.fhir.api import Api
from tests.integration.fhir.bundles import URN, bundle, entry, final_report, statuses

pytestmark = pytest.mark.django_db

REPORT, BYTES = f"{URN}1", f"{URN}2"
BINARY: dict[str, Any] = {
    "resourceType": "Binary",
    "contentType": "text/plain",
    "securityContext": {"reference": REPORT},
    "data": base64.b64encode(b"FINDINGS:\nNo bleeding.").decode(),
}


@pytest.fixture
def report(api: Api) -> dict[str, Any]:
    return final_report(presentedForm=[{"contentType": "text/plain", "url": BYTES}])


@pytest.mark.parametrize("bytes_first", [True, False])
def test_a_report_and_its_bytes_are_written_by_one_transaction(
    api: Api, report: dict[str, Any], bytes_first: bool
) -> None:
    entries = [
        entry("POST", "Binary", BINARY, BYTES),
        entry("POST", "DiagnosticReport", report, REPORT),
    ]

    answer = api.post("", bundle(*(entries if bytes_first else reversed(entries))))

    assert statuses(answer) == ["201 Created"] * 2, answer.body
    places = [each["response"]["location"].split("/") for each in answer.body["entry"]]
    keys = {place[-4]: place[-3] for place in places}
    raw = api.get(f"/Binary/{keys['Binary']}", Accept="application/fhir+json").body
    assert raw["securityContext"] == {"reference": f"DiagnosticReport/{keys['DiagnosticReport']}"}
    assert raw["data"] == BINARY["data"]


def test_bytes_of_something_that_is_not_there_are_refused(api: Api) -> None:
    lost = {
        **BINARY,
        "securityContext": {"reference": f"Patient/{'0' * 8}-0000-0000-0000-{'0' * 12}"},
    }

    answer = api.post("", bundle(entry("POST", "Binary", lost, BYTES)))

    assert answer.status == 422
    assert not FhirResource.objects.exists()
