"""Changing requests and patients: PUT, PATCH, If-Match."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import RescheduleAppointment
from ris.models import DomainEvent, Order, Patient
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api, token

pytestmark = pytest.mark.django_db

AT_ONE = "2026-03-02T13:00:00+01:00"
PLUS_JSON = "application/merge-patch+json"


@pytest.fixture
def placed(api: Api) -> dict[str, Any]:
    """A scheduled request, as it was answered."""
    make.device()
    make.definition()
    answer = api.post("/ServiceRequest", resources.service_request(occurrenceDateTime=AT_ONE))
    found: dict[str, Any] = answer.body
    return found


def put(api: Api, resource: dict[str, Any], **headers: str) -> Answer:
    return api.put(f"/{resource['resourceType']}/{resource['id']}", resource, **headers)


def order() -> Order:
    return Order.objects.get()


# --- requests


def test_what_is_read_and_written_back_changes_nothing(api: Api, placed: dict[str, Any]) -> None:
    events = DomainEvent.objects.count()

    answer = put(api, placed)

    assert (answer.status, answer.body) == (200, placed)
    assert DomainEvent.objects.count() == events


def test_one_changed_element_changes_that_one_thing(api: Api, placed: dict[str, Any]) -> None:
    answer = put(api, {**placed, "priority": "stat"})

    assert (answer.status, answer.body["priority"]) == (200, "stat")
    event = DomainEvent.objects.order_by("-id")[0]
    assert (event.name, event.payload["changed"]) == ("OrderRevised", ["priority"])
    assert answer.headers["ETag"] != f'W/"{placed["meta"]["versionId"]}"'


def test_what_is_left_out_is_emptied(api: Api, placed: dict[str, Any]) -> None:
    shorter = {k: v for k, v in placed.items() if k not in {"note", "reasonCode", "requester"}}

    answer = put(api, shorter)

    assert answer.status == 200
    assert (order().comments, order().reason, order().requester) == ("", "", "")
    assert not {"note", "reasonCode", "requester"} & answer.body.keys()


def test_a_new_time_moves_the_booking(api: Api, placed: dict[str, Any]) -> None:
    answer = put(api, {**placed, "occurrenceDateTime": "2026-03-02T16:00:00+01:00"})

    assert answer.body["occurrenceDateTime"] == "2026-03-02T16:00:00+01:00"
    step = make.step_of(order())
    assert step.appointment is not None
    assert step.appointment.start_at.isoformat() == "2026-03-02T15:00:00+00:00"


def test_a_new_code_is_taken_over(api: Api, placed: dict[str, Any]) -> None:
    code = {"coding": [{"system": "urn:ris:scheme:TEST", "code": "CTNECK", "display": "CT neck"}]}

    put(api, {**placed, "code": code})

    assert order().procedures.get().code_value == "CTNECK"


@pytest.mark.parametrize(("status", "stored"), [("revoked", "CANCELED"), ("on-hold", "ON_HOLD")])
def test_a_new_status_cancels_or_holds(
    api: Api, placed: dict[str, Any], status: str, stored: str
) -> None:
    answer = put(api, {**placed, "status": status})

    assert (answer.status, answer.body["status"]) == (200, status)
    assert order().status == stored


def test_a_held_request_becomes_active_again(api: Api, placed: dict[str, Any]) -> None:
    held = put(api, {**placed, "status": "on-hold"}).body

    answer = put(api, {**held, "status": "active"})

    assert (answer.status, order().status) == (200, "ACTIVE")


def test_a_revoked_request_says_why(api: Api, placed: dict[str, Any]) -> None:
    notes = [*placed["note"], {"text": "patient left"}]

    put(api, {**placed, "status": "revoked", "note": notes})

    event = DomainEvent.objects.get(name="OrderCanceled")
    assert event.payload["reason"] == "patient left"


def test_a_started_exam_is_not_canceled(api: Api, placed: dict[str, Any]) -> None:
    execute(make.start(order()), actor=people.ct1)

    answer = put(api, {**api.get(f"/ServiceRequest/{placed['id']}").body, "status": "revoked"})

    assert (answer.status, answer.issue["code"]) == (409, "conflict")
    assert answer.issue["expression"] == ["ServiceRequest.status"]
    assert (order().status, order().cancel_asked is not None) == ("ACTIVE", True)


@pytest.mark.parametrize(
    ("change", "status", "expression"),
    [
        ({"status": "completed"}, 422, "ServiceRequest.status"),
        ({"status": "draft"}, 422, "ServiceRequest.status"),
        ({"status": "gone"}, 422, "ServiceRequest.status"),
        ({"bodySite": [{"coding": [{"system": "http://snomed.info/sct", "code": "7771000"}]}]},
         422, "ServiceRequest.bodySite"),
        ({"requisition": {"value": "other"}}, 422, "ServiceRequest.requisition"),
        ({"doNotPerform": True}, 422, "ServiceRequest.doNotPerform"),
        (
            {"identifier": [{"type": resources.typed("PLAC"), "value": "other"}]},
            422,
            "ServiceRequest.identifier",
        ),
        (
            {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]},
            422,
            "ServiceRequest.identifier",
        ),
    ],
)  # fmt: skip
def test_what_cannot_change_is_refused(
    api: Api, placed: dict[str, Any], change: dict[str, Any], status: int, expression: str
) -> None:
    answer = put(api, {**placed, **change})

    assert (answer.status, answer.issue["expression"]) == (status, [expression])
    assert api.get(f"/ServiceRequest/{placed['id']}").body == placed


def test_a_request_stays_with_its_patient(api: Api, placed: dict[str, Any]) -> None:
    other = api.post("/Patient", resources.patient()).body["id"]

    answer = put(api, {**placed, "subject": {"reference": f"Patient/{other}"}})

    assert (answer.status, answer.issue["expression"]) == (422, ["ServiceRequest.subject"])


def test_a_client_may_send_its_own_form_of_the_same_request(
    api: Api, placed: dict[str, Any]
) -> None:
    patient = api.get(f"/{placed['subject']['reference']}").body
    number = patient["identifier"][0]["value"]
    own = resources.service_request(
        placed["identifier"][0]["value"],
        id=placed["id"],
        contained=[resources.patient(number, id="p")],
        occurrenceDateTime=AT_ONE,
        priority="asap",
    )

    answer = put(api, own)

    assert (answer.status, answer.body["priority"]) == (200, "asap")
    assert answer.body["occurrenceDateTime"] == placed["occurrenceDateTime"]


def test_only_managers_mark_a_request_as_entered_in_error(api: Api, placed: dict[str, Any]) -> None:
    answer = put(api, {**placed, "status": "entered-in-error"})

    assert (answer.status, answer.issue["code"]) == (403, "forbidden")


def test_the_request_of_one_of_several_procedures_is_changed_through_the_order(api: Api) -> None:
    found = make.order(
        procedures=tuple(
            make.ProcedureRequest(code=make.Code(code, "TEST", code)) for code in ("A", "B")
        )
    )
    one = api.get(f"/ServiceRequest?based-on={found.public_id}").resources[0]

    answer = put(api, {**one, "status": "revoked"})

    assert (answer.status, answer.issue["code"]) == (405, "not-supported")


def test_an_order_of_several_procedures_keeps_its_procedures(api: Api) -> None:
    found = make.order(
        procedures=tuple(
            make.ProcedureRequest(code=make.Code(code, "TEST", code)) for code in ("A", "B")
        )
    )
    whole = api.get(f"/ServiceRequest/{found.public_id}").body

    changed = put(api, {**whole, "code": {"text": "other"}})
    detail = put(api, {**whole, "priority": "stat"})

    assert (changed.status, changed.issue["code"]) == (422, "not-supported")
    assert (detail.status, detail.body["priority"]) == (200, "stat")


# --- versions


def test_a_stale_version_is_refused(api: Api, placed: dict[str, Any]) -> None:
    etag = f'W/"{placed["meta"]["versionId"]}"'
    changed = put(api, {**placed, "priority": "stat"}, If_Match=etag)

    stale = put(api, {**placed, "priority": "routine"}, If_Match=etag)

    assert (changed.status, stale.status) == (200, 412)
    assert stale.issue["code"] == "conflict"
    assert order().priority == "STAT"


def test_the_present_version_may_be_named_in_several_ways(api: Api, placed: dict[str, Any]) -> None:
    version = placed["meta"]["versionId"]

    for header in (f'W/"{version}"', f'"{version}"', version, f'"0", W/"{version}"', "*"):
        assert put(api, placed, If_Match=header).status == 200


def test_a_step_that_moves_changes_the_version_of_its_request(
    api: Api, placed: dict[str, Any]
) -> None:
    appointment = make.step_of(order()).appointment
    assert appointment is not None
    later = RescheduleAppointment(
        appointment=str(appointment.public_id), start_at=appointment.start_at + timedelta(hours=1)
    )
    execute(later, actor=people.scheduler)

    answer = put(api, placed, If_Match=f'W/"{placed["meta"]["versionId"]}"')

    assert answer.status == 412


def test_the_id_in_the_body_must_be_that_of_the_address(api: Api, placed: dict[str, Any]) -> None:
    other = api.put(f"/ServiceRequest/{placed['id']}", {**placed, "id": "other"})
    without = api.put(
        f"/ServiceRequest/{placed['id']}", {k: v for k, v in placed.items() if k != "id"}
    )

    assert (other.status, without.status) == (400, 400)
    assert other.issue["expression"] == ["ServiceRequest.id"]


def test_ids_are_given_by_the_server(api: Api) -> None:
    answer = api.put("/Patient/mine", resources.patient(id="mine"))

    assert (answer.status, answer.issue["code"]) == (405, "not-supported")
    assert Patient.objects.count() == 0


# --- patients


def test_a_patient_is_changed_and_emptied(api: Api) -> None:
    patient = api.post(
        "/Patient",
        resources.patient("1", telecom=[{"system": "phone", "value": "+46 8 5550100"}]),
    ).body
    changed = {k: v for k, v in patient.items() if k != "telecom"}

    answer = put(api, {**changed, "birthDate": "1961-11-09"}, If_Match='W/"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, 'W/"2"')
    row = Patient.objects.get()
    assert (row.birth_date, row.phone) == ("1961-11-09", "")


def test_a_stale_patient_is_refused(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("1")).body
    put(api, {**patient, "birthDate": "1961-11-09"})

    answer = put(api, {**patient, "gender": "male"}, If_Match='W/"1"')

    assert answer.status == 412
    assert Patient.objects.get().sex == "F"


def test_a_record_that_was_merged_is_not_changed(api: Api) -> None:
    kept, gone = (api.post("/Patient", resources.patient()).body for _ in range(2))
    execute(
        MergePatients(
            survivor=PatientReference(public_id=kept["id"]),
            subsumed=PatientReference(public_id=gone["id"]),
        ),
        actor=people.scheduler,
    )
    merged = api.get(f"/Patient/{gone['id']}").body

    answer = put(api, {**gone, "name": [{"family": "Changed"}]})

    assert merged["active"] is False
    assert merged["link"] == [
        {"other": {"reference": f"Patient/{kept['id']}"}, "type": "replaced-by"}
    ]
    assert answer.status == 409
    assert not Patient.objects.filter(name__contains="Changed").exists()


# --- patches


def test_a_json_patch_changes_a_request(api: Api, placed: dict[str, Any]) -> None:
    answer = api.patch(
        f"/ServiceRequest/{placed['id']}",
        [
            {"op": "test", "path": "/status", "value": "active"},
            {"op": "replace", "path": "/status", "value": "revoked"},
        ],
        If_Match=f'W/"{placed["meta"]["versionId"]}"',
    )

    assert (answer.status, answer.body["status"]) == (200, "revoked")
    assert order().status == "CANCELED"


def test_a_failed_test_leaves_everything_as_it_was(api: Api, placed: dict[str, Any]) -> None:
    answer = api.patch(
        f"/ServiceRequest/{placed['id']}",
        [
            {"op": "replace", "path": "/priority", "value": "stat"},
            {"op": "test", "path": "/status", "value": "on-hold"},
        ],
    )

    assert (answer.status, answer.issue["code"]) == (409, "conflict")
    assert order().priority == "URGENT"


def test_a_patch_to_something_that_is_no_resource_is_refused(
    api: Api, placed: dict[str, Any]
) -> None:
    answer = api.patch(
        f"/ServiceRequest/{placed['id']}",
        [{"op": "add", "path": "/colour", "value": "red"}],
    )

    assert (answer.status, answer.issue["expression"]) == (422, ["ServiceRequest.colour"])


def test_a_patch_does_not_change_the_id(api: Api, placed: dict[str, Any]) -> None:
    answer = api.patch(
        f"/ServiceRequest/{placed['id']}", [{"op": "replace", "path": "/id", "value": "other"}]
    )

    assert answer.status == 400


@pytest.mark.parametrize("content_type", [PLUS_JSON, "application/json"])
def test_a_merge_patch_changes_a_patient(api: Api, content_type: str) -> None:
    patient = api.post("/Patient", resources.patient("1")).body

    answer = api.patch(
        f"/Patient/{patient['id']}",
        {"birthDate": None, "telecom": [{"system": "email", "value": "asa@example.org"}]},
        Content_Type=content_type,
    )

    row = Patient.objects.get()
    assert (answer.status, row.birth_date, row.email) == (200, "", "asa@example.org")


def test_a_patch_needs_something_to_patch(api: Api) -> None:
    answer = api.patch("/Patient/unknown", [{"op": "remove", "path": "/name"}])

    assert answer.status == 404


def test_a_patch_in_another_form_is_not_read(api: Api, placed: dict[str, Any]) -> None:
    answer = api.patch(
        f"/ServiceRequest/{placed['id']}", {}, Content_Type="application/xml-patch+xml"
    )

    assert answer.status == 415


def test_changes_need_the_scope_to_update(placed: dict[str, Any]) -> None:
    api = Api(token("system/*.crds"))

    assert put(api, {**placed, "priority": "stat"}).status == 403
    assert api.patch(f"/ServiceRequest/{placed['id']}", []).status == 403
    assert order().priority == "URGENT"


@pytest.mark.parametrize(
    "timing",
    [
        {"event": ["2026-03-02T12:00:00Z"]},
        {"repeat": {"boundsPeriod": {"start": "2026-03-02"}, "count": 1}},
        {"code": {"text": "Once"}},
    ],
)
def test_a_request_with_a_timing_comes_back_with_one_time_and_can_be_put_again(
    api: Api, timing: dict[str, Any]
) -> None:
    created = api.post("/ServiceRequest", resources.service_request(occurrenceTiming=timing))
    assert created.status == 201
    shown = api.get(f"/ServiceRequest/{created.body['id']}").body

    assert len([name for name in shown if name.startswith("occurrence")]) == 1

    put_again = api.request("PUT", f"/ServiceRequest/{shown['id']}", shown)
    assert put_again.status == 200
    assert len([name for name in put_again.body if name.startswith("occurrence")]) == 1
