"""``_history``: every version that was shown or written, newest first (FHIR R4 3.1.0.11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integration.fhir import inbound, versions
from integration.fhir.touched import touched
from ris.domain.actors import OPERATOR
from ris.domain.orders import HoldOrder, OrderReference
from ris.domain.patients import Demographics, PatientReference, UpdatePatient
from ris.domain.protocol import StoredEvent
from ris.domain.values import PartialDate, PersonName
from ris.models import ApiToken, DomainEvent, FhirVersion
from ris.services import afterwards, execute, outbox
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Answer, Api, token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    versions._known.clear()
    afterwards._waiting.clear()


@pytest.fixture
def condition(api: Api) -> dict[str, Any]:
    """A condition that was created, changed, and deleted; the version that was changed to."""
    patient = api.post("/Patient", resources.patient("H1")).body["id"]
    sent = {"resourceType": "Condition", "subject": {"reference": f"Patient/{patient}"}}
    created = api.post("/Condition", sent).body
    changed = api.put(f"/Condition/{created['id']}", {**created, "language": "sv"}).body
    api.request("DELETE", f"/Condition/{created['id']}")
    return dict(changed)


def requests(answer: Answer) -> list[tuple[str, str, str]]:
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "history"
    return [
        (each["request"]["method"], each["request"]["url"], each["response"]["etag"])
        for each in answer.body.get("entry", [])
    ]


def test_the_history_of_a_resource_has_its_deletion_first(
    api: Api, condition: dict[str, Any]
) -> None:
    address = f"Condition/{condition['id']}"

    answer = api.get(f"/{address}/_history")

    assert requests(answer) == [
        ("DELETE", address, 'W/"3"'),
        ("PUT", address, 'W/"2"'),
        ("POST", "Condition", 'W/"1"'),
    ]
    assert answer.body["total"] == 3
    deleted, changed, created = answer.body["entry"]
    assert "resource" not in deleted
    assert changed["resource"] == condition
    assert created["response"]["status"] == "201 Created"
    assert created["response"]["location"] == f"{BASE}/{address}/_history/1"
    assert deleted["response"]["status"] == "204 No Content"
    assert {each["fullUrl"] for each in answer.body["entry"]} == {f"{BASE}/{address}"}


def test_histories_of_a_type_and_of_everything(api: Api, condition: dict[str, Any]) -> None:
    kinds = [url.partition("/")[0] for _, url, _ in requests(api.get("/_history"))]

    assert len(requests(api.get("/Condition/_history"))) == 3
    assert kinds == ["Condition", "Condition", "Condition", "Patient"]
    assert requests(api.get("/Observation/_history")) == []


def test_pages_go_on_where_the_last_one_ended(api: Api, condition: dict[str, Any]) -> None:
    seen: list[tuple[str, str, str]] = []
    address = "/_history?_count=1&_since=2020-01-01T00:00:00Z"
    for _ in range(5):
        answer = api.get(address)
        seen += requests(answer)
        assert "_since=2020" in str(answer.link("self"))
        following = answer.link("next")
        if following is None:
            break
        address = following

    assert seen == requests(api.get("/_history"))
    assert len(seen) == 4
    assert api.get("/_history?_count=0").body["total"] == 4


def test_since_and_at_are_times_of_versions(api: Api, condition: dict[str, Any]) -> None:
    rows = FhirVersion.objects.filter(type="Condition").order_by("id")
    noon = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
    for hours, row in enumerate(rows):
        row.at = noon + timedelta(hours=hours)
        row.save(update_fields=["at"])

    def etags(query: str) -> list[str]:
        return [etag for _, _, etag in requests(api.get(f"/Condition/_history?{query}"))]

    assert etags("_since=2026-03-02T13:00:00Z") == ['W/"3"', 'W/"2"']
    assert etags("_since=2026-03-02T14:00:00%2B01:00") == ['W/"3"', 'W/"2"']
    assert etags("_since=2026-03-02T14:00:00.500Z") == []
    assert etags("_at=2026-03-02T12:30:00Z") == ['W/"1"']
    assert etags("_at=2026-03-02T13:30:00Z") == ['W/"2"']
    assert etags("_at=2026-03-02") == ['W/"3"', 'W/"2"', 'W/"1"']
    assert etags("_at=2026-03-01") == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Condition/00000000-0000-7000-8000-000000000001/_history", 404),
        ("/Condition/none/_history", 404),
        ("/Nothing/_history", 404),
        ("/Condition/_history?_count=x", 400),
        ("/Condition/_history?_since=yesterday", 400),
        ("/Condition/_history?_at=2026-13-01", 400),
        ("/Condition/_history?_cursor=x", 400),
        ("/Condition/_history?_cursor=WyJhIiwiYiJd", 400),
        ("/_history?colour=red", 200),
    ],
)
def test_what_cannot_be_asked(api: Api, path: str, status: int) -> None:
    answer = api.get(path)

    assert answer.status == status, answer.body
    if path.startswith("/_history?"):
        assert answer.link("self") == f"{BASE}/_history"
        assert api.get(path, Prefer="handling=strict").status == 400


def test_scopes_hold_for_history(api: Api, condition: dict[str, Any]) -> None:
    address = f"/Condition/{condition['id']}/_history"
    patients = Api(token("system/Patient.rs"))
    conditions = Api(token("system/Condition.rs"))
    writer = Api(token("system/Condition.c"))

    assert [url for _, url, _ in requests(patients.get("/_history"))] == ["Patient"]
    assert len(requests(conditions.get("/_history"))) == 3
    refused = [patients.get(address), patients.get(f"{address}/1"), writer.get("/_history")]
    assert [each.status for each in refused] == [403, 403, 403]


def test_versions_of_the_core_are_kept_when_they_are_shown(api: Api) -> None:
    patient = api.post("/Patient", resources.patient("H2")).body
    for birth_date in ("1961-11-09", "1961-11-10"):
        _rename(patient["id"], birth_date)
        api.get(f"/Patient?_id={patient['id']}")
    _rename(patient["id"], "1961-11-11")

    answer = api.get(f"/Patient/{patient['id']}/_history")

    assert [etag for _, _, etag in requests(answer)] == [f'W/"{number}"' for number in (4, 3, 2, 1)]
    dates = [each["resource"]["birthDate"] for each in answer.body["entry"]]
    assert dates == ["1961-11-11", "1961-11-10", "1961-11-09", "1961-11-08"]
    for entry in answer.body["entry"]:
        resource = entry["resource"]
        version = api.get(f"/Patient/{resource['id']}/_history/{resource['meta']['versionId']}")
        assert version.body == resource
        assert version.headers["ETag"] == entry["response"]["etag"]


def _rename(patient: str, birth_date: str) -> None:
    execute(
        UpdatePatient(
            patient=PatientReference(public_id=patient),
            demographics=Demographics(
                name=PersonName.of("Lindqvist", "Åsa"), birth_date=PartialDate(birth_date)
            ),
        ),
        actor=OPERATOR,
    )


def test_a_change_nobody_looked_at_has_its_version(api: Api) -> None:
    make.device()
    order = make.booked()
    _fan_out()

    known = {(each.type, each.version) for each in FhirVersion.objects.all()}
    assert {kind for kind, _ in known} >= {"ServiceRequest", "Task", "Appointment", "Patient"}
    execute(HoldOrder(order=OrderReference(public_id=str(order.public_id))), actor=OPERATOR)
    _fan_out()

    rows = FhirVersion.objects.filter(type="ServiceRequest").order_by("id")
    assert [(row.method, '"status":"' + status in row.content) for row, status in zip(
        rows, ("active", "on-hold"), strict=True
    )] == [("POST", True), ("PUT", True)]  # fmt: skip
    assert len({row.version for row in rows}) == 2


def test_without_a_client_nothing_is_followed(db: None) -> None:
    assert not ApiToken.objects.exists()
    make.device()
    make.booked()

    _fan_out()

    assert FhirVersion.objects.count() == 0


def _fan_out() -> None:
    while outbox.fan_out():
        pass
    afterwards.follow()


def test_a_follower_that_fails_stops_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(events: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(afterwards, "_followers", [fail, inbound.follow])
    make.device()
    make.booked()

    _fan_out()

    assert FhirVersion.objects.filter(type="ServiceRequest").count() == 1


def test_what_an_event_touched(api: Api) -> None:
    make.device()
    order = make.booked()
    step = make.step_of(order)
    procedure = order.procedures.get()
    assert step.appointment is not None
    row = DomainEvent.objects.filter(name="AppointmentBooked").get()
    event = StoredEvent(
        id=row.pk, name=row.name, payload=row.payload, at=row.at,
        order=str(order.public_id), patient=str(order.patient.public_id),
        subject_type=row.subject_type, subject_id=row.subject_id,
    )  # fmt: skip

    found = touched(event)
    assert len(set(found)) == len(found)
    assert set(found) >= {
        ("Appointment", str(step.appointment.public_id)),
        ("ImagingStudy", str(procedure.public_id)),
        ("ServiceRequest", str(order.public_id)),
        ("Task", str(step.public_id)),
    }
    assert "Patient" not in {kind for kind, _ in found}
