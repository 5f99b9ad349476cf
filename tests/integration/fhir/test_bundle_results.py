"""A report and its results name each other: DiagnosticReport.result and Observation.focus."""

from __future__ import annotations

from typing import Any

import pytest

from ris.models import FhirResource, Report
from tests.integration.fhir.api import Answer, Api
from tests.integration.fhir.bundles import URN, bundle, entry, final_report, statuses

pytestmark = pytest.mark.django_db

REPORT, RESULT, OTHER = f"{URN}1", f"{URN}2", f"{URN}3"


@pytest.fixture
def report(api: Api) -> dict[str, Any]:
    return final_report(conclusion="No bleeding.", result=[{"reference": RESULT}])


def result(report: dict[str, Any], *focus: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Midline shift"},
        "subject": report["subject"],
        "valueString": "3 mm",
        "focus": [{"reference": each} for each in focus],
        **more,
    }


def keys_of(answer: Answer) -> list[str]:
    return [each["response"]["location"].split("/")[-3] for each in answer.body["entry"]]


@pytest.mark.parametrize("result_first", [True, False])
def test_report_and_its_result_are_written_by_one_transaction(
    api: Api, report: dict[str, Any], result_first: bool
) -> None:
    entries = [
        entry("POST", "Observation", result(report, REPORT), RESULT),
        entry("POST", "DiagnosticReport", report, REPORT),
    ]

    answer = api.post("", bundle(*(entries if result_first else reversed(entries))))

    assert statuses(answer) == ["201 Created"] * 2, answer.body
    own, of = keys_of(answer) if result_first else reversed(keys_of(answer))
    stored = api.get(f"/Observation/{own}").body
    assert stored["focus"] == [{"reference": f"DiagnosticReport/{of}"}]
    assert (stored["valueString"], stored["subject"]) == ("3 mm", report["subject"])
    assert api.get(f"/Observation?focus=DiagnosticReport/{of}").ids == [own]
    written = Report.objects.get(public_id=of).versions.get()
    assert "Midline shift: 3 mm" in str(written.sections)


def test_result_that_its_report_does_not_name_is_written_once(
    api: Api, report: dict[str, Any]
) -> None:
    bare = {name: value for name, value in report.items() if name != "result"}

    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", result(report, REPORT), RESULT),
            entry("POST", "DiagnosticReport", bare, REPORT),
        ),
    )

    assert statuses(answer) == ["201 Created"] * 2, answer.body
    assert answer.body["entry"][0]["response"]["etag"] == 'W/"1"'


def test_results_that_name_each_other_still_are_one_circle(
    api: Api, report: dict[str, Any]
) -> None:
    members = [
        result(report, hasMember=[{"reference": OTHER}], focus=[report["subject"]]),
        result(report, derivedFrom=[{"reference": RESULT}], focus=[report["subject"]]),
    ]

    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", members[0], RESULT),
            entry("POST", "Observation", members[1], OTHER),
        ),
    )

    assert statuses(answer) == ["201 Created"] * 2, answer.body
    one, other = keys_of(answer)
    assert api.get(f"/Observation/{one}").body["hasMember"] == [
        {"reference": f"Observation/{other}"}
    ]
    assert api.get(f"/Observation/{other}").body["derivedFrom"] == [
        {"reference": f"Observation/{one}"}
    ]


def test_result_of_a_report_that_is_refused_is_not_kept(api: Api, report: dict[str, Any]) -> None:
    nobody = f"ServiceRequest/{'0' * 8}-0000-0000-0000-{'0' * 12}"
    lost = {**report, "basedOn": [{"reference": nobody}]}

    answer = api.post(
        "",
        bundle(
            entry("POST", "Observation", result(report, REPORT), RESULT),
            entry("POST", "DiagnosticReport", lost, REPORT),
        ),
    )

    assert answer.status == 422
    assert not FhirResource.objects.exists()
