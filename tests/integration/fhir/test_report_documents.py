"""The document of each report version as DocumentReference and Binary."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from uuid import uuid4

import pytest

from ris.domain.patients import MergePatients, PatientReference
from ris.domain.reporting import AmendReport, RetractReport, VersionKind
from ris.models import AuditEvent, FhirVersion, Order, Report
from ris.services import execute, outbox
from ris.services.report_documents import handed_out, report_document
from tests import ground, make, people
from tests.integration.fhir.api import Api, found, token, valid
from tests.integration.fhir.readers import reader, sign

pytestmark = pytest.mark.django_db
FHIR = {"Accept": "application/fhir+json"}


def _signed() -> tuple[Order, Report]:
    make.site()
    make.device()
    exam = make.performed(patient=make.patient("A1"))
    return exam, sign(exam, reader())


@pytest.fixture
def signed(api: Api) -> tuple[Order, Report]:
    made, _ = ground.begin("a report signed by a reader with a practitioner", _signed)
    return made


@pytest.fixture
def report(signed: tuple[Order, Report]) -> Report:
    return signed[1]


def correct(report: Report) -> None:
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={"impression": "Bleeding."},
            reason="seen again",
        ),
        actor=people.radiologist,
    )


def withdraw(report: Report) -> None:
    execute(
        RetractReport(report=str(report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )


def documents(api: Api, **query: str) -> list[dict[str, Any]]:
    """As a search finds them, the oldest version first."""
    ids = found(api, "DocumentReference", **query)
    shown = [api.get(f"/DocumentReference/{each}").body for each in ids]
    return sorted(shown, key=lambda each: str(each["content"][0]["attachment"]["title"]))


def test_a_final_report_is_a_document(api: Api, signed: tuple[Order, Report]) -> None:
    exam, report = signed
    (seen,) = documents(api, patient=str(exam.patient.public_id))
    file = report_document(str(report.public_id), 1)

    attachment = seen["content"][0]["attachment"]
    assert valid(seen) == seen
    assert (seen["status"], seen["docStatus"]) == ("current", "final")
    assert seen["type"]["coding"][0]["code"] == "18748-4"
    assert seen["subject"] == {"reference": f"Patient/{exam.patient.public_id}"}
    assert seen["author"] == [seen["authenticator"]]
    assert seen["author"][0]["reference"].startswith("Practitioner/")
    assert seen["custodian"]["reference"].startswith("Organization/")
    assert "relatesTo" not in seen
    assert seen["context"]["related"] == [
        {"reference": f"ServiceRequest/{exam.public_id}"},
        {"reference": f"DiagnosticReport/{report.public_id}"},
    ]
    assert attachment["url"] == f"Binary/{seen['id']}"
    assert (attachment["contentType"], attachment["size"]) == ("application/pdf", file.size)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(file.content).digest()


def test_the_bytes_are_those_that_the_document_names(api: Api, report: Report) -> None:
    (seen,) = documents(api)
    attachment = seen["content"][0]["attachment"]

    raw = api.client.get(
        f"/fhir/{attachment['url']}", headers={"Authorization": f"Bearer {api.token}"}
    )
    resource = api.get(f"/{attachment['url']}", **FHIR).body

    assert raw.headers["Content-Type"] == "application/pdf"
    assert raw.content == report_document(str(report.public_id), 1).content
    assert base64.b64decode(resource["data"]) == raw.content
    assert resource["securityContext"] == seen["subject"]
    audit = AuditEvent.objects.filter(action="FHIR read Binary").last()
    assert audit is not None
    assert audit.patients == [seen["subject"]["reference"].removeprefix("Patient/")]


def test_a_corrected_version_is_superseded_and_stamped(api: Api, report: Report) -> None:
    correct(report)

    first, second = documents(api)

    stamped = handed_out(str(report.public_id), 1).content
    assert [(each["status"], each["docStatus"]) for each in (first, second)] == [
        ("superseded", "final"),
        ("current", "amended"),
    ]
    assert second["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{first['id']}"}}
    ]
    assert stamped != report_document(str(report.public_id), 1).content
    assert first["content"][0]["attachment"]["size"] == len(stamped)
    assert base64.b64decode(api.get(f"/Binary/{first['id']}", **FHIR).body["data"]) == stamped


def test_all_documents_of_a_withdrawn_report_are_errors(api: Api, report: Report) -> None:
    withdraw(report)

    first, second = documents(api)

    assert {(each["status"], each["docStatus"]) for each in (first, second)} == {
        ("entered-in-error", "entered-in-error")
    }
    assert documents(api, status="current") == []


@pytest.mark.database
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"status": "current"}, [2]),
        ({"status": "superseded"}, [1]),
        ({"type": "http://loinc.org|18748-4"}, [1, 2]),
        ({"category": "LP29684-5"}, [1, 2]),
        ({"contenttype": "application/pdf"}, [1, 2]),
        ({"contenttype": "text/plain"}, []),
        ({"relation": "replaces"}, [2]),
        ({"relatesto:missing": "true"}, [1]),
        ({"date": "lt2020"}, []),
        ({"patient.identifier": "A1"}, [1, 2]),
        ({"patient.identifier": "none"}, []),
    ],
)
def test_documents_are_found_by_what_they_say(
    api: Api, report: Report, query: dict[str, str], numbers: list[int]
) -> None:
    correct(report)

    titles = [each["content"][0]["attachment"]["title"] for each in documents(api, **query)]

    assert [int(title.rpartition(" ")[2]) for title in titles] == numbers


@pytest.mark.database
def test_documents_are_found_by_what_they_replace_and_belong_to(api: Api, report: Report) -> None:
    correct(report)
    first, second = documents(api)

    def ids(**query: str) -> list[str]:
        return [each["id"] for each in documents(api, **query)]

    order = first["context"]["related"][0]["reference"]
    assert ids(relatesto=f"DocumentReference/{first['id']}") == [second["id"]]
    assert ids(location=f"Binary/{first['id']}") == [first["id"]]
    assert ids(related=order) == [first["id"], second["id"]]
    assert ids(related=f"DiagnosticReport/{report.public_id}") == [first["id"], second["id"]]
    assert ids(author=first["author"][0]["reference"]) == [first["id"]]


def test_what_clients_sent_is_found_beside_them(api: Api, report: Report) -> None:
    (own,) = documents(api)
    sent = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": own["subject"],
        "content": [{"attachment": {"contentType": "text/plain", "data": "aGk=", "title": "A"}}],
    }
    created = api.post("/DocumentReference", sent).body

    assert {each["id"] for each in documents(api, subject=own["subject"]["reference"])} == {
        own["id"],
        created["id"],
    }
    assert found(api, "DocumentReference", contenttype="text/plain") == [created["id"]]


def test_the_documents_of_reports_are_not_written(api: Api, report: Report) -> None:
    (own,) = documents(api)
    bytes_of = api.get(f"/Binary/{own['id']}", **FHIR).body

    answers = [
        api.put(f"/DocumentReference/{own['id']}", own),
        api.request("DELETE", f"/DocumentReference/{own['id']}"),
        api.put(f"/Binary/{own['id']}", bytes_of),
    ]

    assert {each.status for each in answers} <= {404, 405, 409}
    assert documents(api) == [own]


def test_a_scope_that_does_not_reach_the_document_does_not_reach_its_bytes(
    api: Api, report: Report
) -> None:
    (own,) = documents(api)
    limited = {
        "none": token("system/Binary.rs", client="A"),
        "another": token(
            "system/Binary.rs",
            f"system/DocumentReference.rs?patient={uuid4()}",
            client="B",
        ),
        "own": token(
            "system/Binary.rs",
            f"system/DocumentReference.rs?patient={own['subject']['reference']}",
            client="C",
        ),
    }

    def status(name: str, path: str) -> int:
        return api.get(path, Authorization=f"Bearer {limited[name]}", **FHIR).status

    assert [status(each, f"/Binary/{own['id']}") for each in limited] == [404, 404, 200]
    assert [status(each, f"/DocumentReference/{own['id']}") for each in limited] == [403, 404, 200]


def test_a_correction_is_followed_by_a_new_version_of_the_document_before(
    api: Api, report: Report
) -> None:
    (first,) = documents(api)
    correct(report)

    outbox.fan_out()

    history = api.get(f"/DocumentReference/{first['id']}/_history").resources
    assert [each["status"] for each in history] == ["superseded", "current"]
    assert not FhirVersion.objects.filter(type="Binary").exists()


def test_a_merge_is_followed_by_a_new_version_of_the_document(
    api: Api, signed: tuple[Order, Report]
) -> None:
    exam, _ = signed
    (first,) = documents(api)
    merge = MergePatients(
        survivor=PatientReference(public_id=str(make.order().patient.public_id)),
        subsumed=PatientReference(public_id=str(exam.patient.public_id)),
    )

    execute(merge, actor=people.scheduler)
    outbox.fan_out()

    history = api.get(f"/DocumentReference/{first['id']}/_history").resources
    assert [each["subject"]["reference"] for each in history] == [
        f"Patient/{merge.survivor.public_id}",
        f"Patient/{exam.patient.public_id}",
    ]


def test_the_documents_of_a_withdrawn_report_are_not_those_of_the_next_one(
    api: Api, signed: tuple[Order, Report]
) -> None:
    """The first report on an exam has the exam's id, and the next one is about the same exam."""
    exam, report = signed
    withdraw(report)
    make.final_report(exam)
    newer = Report.objects.exclude(pk=report.pk).get()

    def statuses(related: str) -> list[str]:
        return [each["status"] for each in documents(api, related=related)]

    assert statuses(f"DiagnosticReport/{report.public_id}") == ["entered-in-error"] * 2
    assert statuses(f"DiagnosticReport/{newer.public_id}") == ["current"]
    assert len(statuses(f"ServiceRequest/{exam.public_id}")) == 3
    assert len(statuses(str(report.public_id))) == 3
