"""FHIR clients not written here, over real HTTP: fhirclient, fhirpy, fhir-kit-client, http."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.diagnosticreport import DiagnosticReport
from fhirclient.models.fhirsearch import FHIRSearch
from fhirclient.models.imagingstudy import ImagingStudy
from fhirclient.models.patient import Patient
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import (
    AuthorizationError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)

from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.models import Order
from ris.services import execute
from tests import make
from tests.conftest import ROOT
from tests.integration.fhir import resources
from tests.programs import node_modules, requires
from tests.running import wait_until

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def secret(transactional_db: None) -> str:
    make.site()
    make.device()
    make.definition()
    command = IssueToken(client="EHR", scopes=("system/*.cruds",))
    return execute(command, actor=OPERATOR).secret


@pytest.fixture
def base(live_server: Any) -> Iterator[str]:
    """The FHIR base of a running server; its requests have ended when the test has."""
    yield f"{live_server.url}/fhir"
    wait_until(lambda: not requests_under_way(), "every request ends")


def requests_under_way() -> list[str]:
    return [each.name for each in threading.enumerate() if "process_request" in each.name]


def call(
    method: str, url: str, secret: str = "", body: Any = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """A request with nothing between us and the socket."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if secret:
        sent["Authorization"] = f"Bearer {secret}"
    if body is not None:
        sent.setdefault("Content-Type", "application/fhir+json")
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, raw, sent)
        response = connection.getresponse()
        text = response.read()
        return response.status, dict(response.headers), json.loads(text) if text else None
    finally:
        connection.close()


# --- fhirclient: models generated from R4 4.0.1


@pytest.fixture
def server(base: str, secret: str) -> Iterator[Any]:
    client = FHIRClient(settings={"app_id": "ris", "api_base": base})
    client.server.session.headers["Authorization"] = f"Bearer {secret}"
    assert client.prepare()
    yield client.server
    client.server.session.close()


def search(server: Any, wanted: FHIRSearch) -> list[Any]:
    """Every resource of every page."""
    return list(wanted.perform_resources_iter(server))


def test_fhirclient_orders_an_exam_and_reads_its_report(server: Any) -> None:
    created = Patient(resources.patient("4711")).create(server)
    request = ServiceRequest(
        resources.service_request(
            "O-1",
            contained=None,
            subject={"reference": f"Patient/{created['id']}"},
            occurrenceDateTime="2026-03-02T13:00:00+01:00",
        )
    )

    answer = request.create(server)

    read = ServiceRequest.read(answer["id"], server)
    assert (read.status, read.priority) == ("active", "urgent")
    assert read.subject.resolved(Patient).birthDate.isostring == "1961-11-08"
    tasks = search(server, Task.where({"based-on": f"ServiceRequest/{read.id}"}))
    assert [task.status for task in tasks] == ["accepted"]

    order = Order.objects.get()
    command = make.start(order)
    execute(command, actor=make.people.ct1)
    execute(
        make.CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=make.PerformedDetails(ended_at=make.NOON, series=(make.series(),)),
        ),
        actor=make.people.ct1,
    )
    make.final_report(order)

    reports = search(server, DiagnosticReport.where({"based-on": read.id, "status": "final"}))
    assert [report.conclusion for report in reports] == [make.TEXT["impression"]]
    study = reports[0].imagingStudy[0].resolved(ImagingStudy)
    assert (study.status, study.numberOfInstances) == ("available", 42)
    assert ServiceRequest.read(answer["id"], server).status == "completed"


def test_fhirclient_changes_a_patient(server: Any) -> None:
    public_id = Patient(resources.patient("4711")).create(server)["id"]
    patient = Patient.read(public_id, server)
    patient.gender = "other"

    patient.update(server)

    assert Patient.read(public_id, server).gender == "other"


def test_fhirclient_searches_with_inclusions(server: Any) -> None:
    order = make.order()

    wanted = ServiceRequest.where({"identifier": order.placer_order_number})
    found = search(server, wanted.include("subject"))

    assert [each.resource_type for each in found] == ["ServiceRequest", "Patient"]


def test_fhirclient_walks_pages(server: Any) -> None:
    for _ in range(5):
        make.order()

    found = search(server, ServiceRequest.where({"_count": "2"}))

    assert len({each.id for each in found}) == len(found) == 5


def transaction(number: str) -> dict[str, Any]:
    """A patient unless known, and an order for him."""
    patient = "urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e04"
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": patient,
                "resource": resources.patient(number),
                "request": {
                    "method": "POST",
                    "url": "Patient",
                    "ifNoneExist": f"identifier={resources.MRN}|{number}",
                },
            },
            {
                "resource": resources.service_request(
                    f"O-{number}", contained=None, subject={"reference": patient}
                ),
                "request": {"method": "POST", "url": "ServiceRequest"},
            },
        ],
    }


def test_fhirclient_sends_a_transaction_and_patches(server: Any) -> None:
    known = Patient(resources.patient("4711")).create(server)["id"]

    answer = Bundle(server.post_json("", transaction("4711")).json())

    assert [each.response.status[:3] for each in answer.entry] == ["200", "201"]
    kind, order = answer.entry[1].response.location.split("/")[-4:-2]
    assert kind == "ServiceRequest"
    read = ServiceRequest.read(order, server)
    assert read.subject.reference == f"Patient/{known}"
    patched = server.session.patch(
        f"{server.base_uri}ServiceRequest/{order}",
        json=[{"op": "replace", "path": "/priority", "value": "stat"}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert (patched.status_code, patched.json()["priority"]) == (200, "stat")


def test_fhirclient_creates_unless_there_is_one(server: Any) -> None:
    server.session.headers["If-None-Exist"] = f"identifier={resources.MRN}|4711"

    first = server.post_json("Patient", resources.patient("4711"))
    again = server.post_json("Patient", resources.patient("4711"))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


# --- fhirpy: no model, sends plain JSON


def test_fhirpy_creates_searches_and_changes(base: str, secret: str) -> None:
    client = SyncFHIRClient(base, authorization=f"Bearer {secret}")
    patient = client.resource("Patient", **resources.patient("4711"))
    patient.save()
    request = client.resource(
        "ServiceRequest",
        **resources.service_request(
            "O-1", contained=None, subject={"reference": f"Patient/{patient.id}"}
        ),
    )
    request.save()

    found = client.resources("ServiceRequest").search(patient=patient.id).fetch_all()
    assert [each.id for each in found] == [request.id]
    assert client.resources("Patient").search(family="lind", birthdate__le="1961-12").count() == 1
    assert client.resources("ServiceRequest").search(status="revoked").first() is None
    bundle = (
        client.resources("ServiceRequest")
        .search(identifier="O-1")
        .include("ServiceRequest", "patient")
        .fetch_raw()
    )
    assert [entry.search.mode for entry in bundle.entry] == ["match", "include"]

    request["priority"] = "stat"
    request.save()
    patient.patch(birthDate="1961-11-09")
    request.refresh()
    assert (request.priority, client.get("Patient", patient.id)["birthDate"]) == (
        "stat",
        "1961-11-09",
    )


def test_fhirpy_creates_unless_there_is_one(base: str, secret: str) -> None:
    client = SyncFHIRClient(base, authorization=f"Bearer {secret}")
    searchset = client.resources("Patient").search(identifier=f"{resources.MRN}|4711")

    first, created = searchset.get_or_create(
        client.resource("Patient", **resources.patient("4711"))
    )
    again, created_again = searchset.get_or_create(
        client.resource("Patient", **resources.patient("4711"))
    )

    assert (created, created_again) == (True, False)
    assert first.id == again.id


def test_fhirpy_sends_a_transaction_and_walks_pages(base: str, secret: str) -> None:
    client = SyncFHIRClient(base, authorization=f"Bearer {secret}")

    for number in ("4711", "4712", "4713"):
        answer = client.execute("", method="post", data=transaction(number))
        assert [each["response"]["status"][:3] for each in answer["entry"]] == ["201", "201"]

    found = client.resources("ServiceRequest").limit(2).fetch_all()
    assert len({each.id for each in found}) == len(found) == 3


def test_fhirpy_hears_of_errors(base: str, secret: str) -> None:
    client = SyncFHIRClient(base, authorization=f"Bearer {secret}")
    for number in ("1", "2"):
        client.resource("Patient", **resources.patient(number)).save()

    with pytest.raises(ResourceNotFound):
        client.get("Patient", "unknown")
    with pytest.raises(OperationOutcome, match="'M' is not in administrative-gender"):
        client.resource("Patient", **resources.patient("3", gender="M")).save()
    with pytest.raises(MultipleResourcesFound):
        client.resources("Patient").search(family="lindqvist").get_or_create(
            client.resource("Patient", **resources.patient("4"))
        )
    with pytest.raises(AuthorizationError):
        SyncFHIRClient(base, authorization="Bearer wrong").resources("Patient").fetch()


# --- fhir-kit-client: the client of many JavaScript programs


@requires("fhir-kit-client")
def test_fhir_kit_client_creates_searches_patches_and_pages(base: str, secret: str) -> None:
    done = subprocess.run(
        ["node", str(ROOT / "tests/clients/fhir_kit.mjs"), base, secret, str(node_modules())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    patient, order = result["patient"]["id"], result["order"]["id"]
    assert result == {
        "fhirVersion": "4.0.1",
        "patient": {
            "status": 201,
            "location": f"{base}/Patient/{patient}/_history/1",
            "id": patient,
        },
        "conditional": {"status": 200, "same": True},
        "order": {"status": 201, "id": order},
        "read": {"etag": 'W/"2"', "version": "2"},
        "included": ["match ServiceRequest", "include Patient"],
        "postedSearch": [patient],
        "tasks": ["accepted"],
        "update": {"status": 200, "priority": "stat"},
        "patch": {"status": 200, "state": "revoked"},
        "transaction": {"statuses": ["200", "201"], "samePatient": True},
        "pages": {"count": 1, "distinct": 1},
        "unknown": {"status": 404, "resourceType": "OperationOutcome"},
    }


# --- the Medplum client


@requires("@medplum/core")
def test_the_medplum_client_does_all_it_knows(base: str, secret: str) -> None:
    done = subprocess.run(
        ["node", str(ROOT / "tests/clients/medplum.mjs"), base, secret, str(node_modules())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "conditional": True,
        "upsert": {"same": True, "gender": "other"},
        "read": True,
        "included": ["match ServiceRequest", "include Patient"],
        "update": "stat",
        "patch": "revoked",
        "history": ["revoked", "active", "active"],
        "transaction": ["201", "201"],
        "pages": {"count": 2, "distinct": 2},
        "validate": ["information"],
        "binary": "dictated words",
        "deleted": "deleted",
        "everything": ["Patient", "ServiceRequest"],
        "unknown": "OperationOutcome",
    }


# --- plain HTTP


def test_an_order_is_read_back_by_whoever_asks_next(base: str, secret: str) -> None:
    status, headers, created = call(
        "POST", f"{base}/ServiceRequest", secret, resources.service_request("O-1")
    )

    assert status == 201
    assert call("GET", headers["Location"], secret)[2] == created
    bundle = call("GET", f"{base}/ServiceRequest?identifier=O-1", secret)[2]
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == [created["id"]]


def test_errors_over_the_wire_are_outcomes(base: str, secret: str) -> None:
    too_long = b"[" + b" " * (4 * 1024 * 1024)
    for expected, method, path, body in (
        (404, "GET", "/nowhere", None),
        (405, "DELETE", "/Patient/1", None),
        (400, "POST", "/Patient", b"{"),
        (413, "POST", "/Patient", too_long),
    ):
        status, headers, found = call(method, base + path, secret, body)

        assert (status, found["resourceType"]) == (expected, "OperationOutcome")
        assert headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    status, headers, found = call("GET", f"{base}/Patient")
    assert (status, found["resourceType"]) == (401, "OperationOutcome")
    assert headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("way", ["If_None_Exist", "Idempotency_Key", "number"])
def test_the_same_create_at_once_makes_one_order(base: str, secret: str, way: str) -> None:
    number = None if way == "Idempotency_Key" else "O-1"
    request = resources.service_request(number or "", contained=[resources.patient("4711", id="p")])
    if number is None:
        del request["identifier"]
    headers = {
        "If_None_Exist": {"If_None_Exist": f"identifier={resources.ORDERS}|O-1"},
        "Idempotency_Key": {"Idempotency_Key": "k-1"},
        "number": {},
    }[way]

    def create(_: int) -> tuple[int, str]:
        status, _, body = call("POST", f"{base}/ServiceRequest", secret, request, **headers)
        return status, body.get("id", "")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))

    assert Order.objects.count() == 1
    assert {public_id for _, public_id in answers} == {str(Order.objects.get().public_id)}
    statuses = sorted(status for status, _ in answers)
    if way == "Idempotency_Key":
        assert statuses == [201] * 16  # each is told what the first one was told
    else:
        assert statuses == [200] * 15 + [201]
