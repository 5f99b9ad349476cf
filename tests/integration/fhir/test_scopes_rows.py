"""Row filters of scopes hold at every door (SMART App Launch 2.2, 3.2 X5).

One patient has a final report and a draft, an order that is active and one on hold; the client may
see the final report and the active order only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from ris.domain.errors import InvalidValueError
from ris.domain.orders import HoldOrder, OrderReference
from ris.domain.reporting import FinalizeReport
from ris.models import ApiToken, AuditEvent, FhirResource, Order
from ris.services import execute
from ris.services.accounts import token_digest
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token

pytestmark = pytest.mark.django_db

SEEN = (
    "system/DiagnosticReport.rs?status=final",
    "system/ServiceRequest.rs?status=on-hold",
    "system/Patient.rs",
    "system/Provenance.rs",
)

STATUS = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
NOBODY = "01a1fe9f-0000-7000-8000-000000000000"


@dataclass
class Rows:
    """What is there, by public id."""

    patient: str
    final: str
    draft: str
    active: str
    held: str


@pytest.fixture
def rows(db: None) -> Rows:
    make.device()
    who = make.patient("M1")
    first = make.performed(patient=who)
    final = make.final_report(first)
    second = make.performed(start_at=make.NOON + timedelta(hours=1), patient=who)
    draft = make.opened_report(second)
    third = make.order(patient=who)
    held = OrderReference(public_id=str(third.public_id))
    execute(HoldOrder(order=held, reason="waits"), actor=people.scheduler)
    return Rows(
        str(first.patient.public_id), str(final.public_id), str(draft.public_id),
        str(second.public_id), str(third.public_id),
    )  # fmt: skip


def everything_in(body: Any) -> str:
    return json.dumps(body)


def doors(rows: Rows) -> list[str]:
    """Addresses that show what they find, or what stands beside it."""
    patient = rows.patient
    return [
        "/DiagnosticReport",
        "/DiagnosticReport?_count=1",
        "/DiagnosticReport?_sort=-issued",
        "/DiagnosticReport?_summary=true",
        f"/DiagnosticReport?_id={rows.draft}",
        f"/DiagnosticReport?_id={rows.final},{rows.draft}",
        "/DiagnosticReport?status=registered,preliminary,partial,final",
        "/DiagnosticReport?status:not=final",
        f"/DiagnosticReport?patient={patient}",
        "/DiagnosticReport?patient.gender=female",
        "/DiagnosticReport?_include=DiagnosticReport:based-on&_include:iterate=*",
        f"/Patient?_id={patient}&_revinclude=DiagnosticReport:patient",
        f"/Patient?_id={patient}&_revinclude=DiagnosticReport:subject&_revinclude=Task:patient",
        f"/Patient?_id={patient}&_revinclude=ServiceRequest:patient"  # noqa: ISC004
        "&_revinclude:iterate=DiagnosticReport:based-on",
        f"/ServiceRequest?patient={patient}&_revinclude=DiagnosticReport:based-on",
        f"/Patient/{patient}/DiagnosticReport",
        f"/Patient/{patient}/ServiceRequest",
        f"/Patient/{patient}/*",
        f"/Patient/{patient}/$everything",
        "/_history",
        "/DiagnosticReport/_history",
        "/ServiceRequest/_history",
        f"/DiagnosticReport/{rows.final}/_history",
        "/?_type=DiagnosticReport,ServiceRequest,Patient",
    ]


def test_no_door_shows_a_row_beyond_the_filter(rows: Rows) -> None:
    api, whole = Api(token(*SEEN)), Api(token(client="Whole"))

    hidden = {}
    for address in doors(rows):
        answer = api.get(address)
        assert answer.status == 200, address
        text = everything_in(answer.body)
        named = everything_in([e.get("resource") for e in answer.body.get("entry", [])])
        for key in (rows.draft, rows.active):
            if f'"id": "{key}"' in named or f"{key}/_history" in text:
                hidden[address] = key

    assert hidden == {}
    shown = everything_in(whole.get("/DiagnosticReport").body)
    assert rows.draft in shown
    assert rows.final in everything_in(api.get("/DiagnosticReport").body)
    assert rows.held in everything_in(api.get("/ServiceRequest").body)


def test_what_is_counted_is_what_may_be_seen(rows: Rows) -> None:
    api = Api(token(*SEEN))

    totals = {
        address: api.get(address).body["total"]
        for address in (
            "/DiagnosticReport?_summary=count",
            "/DiagnosticReport?_total=accurate",
            "/DiagnosticReport?_count=0",
            "/ServiceRequest?_summary=count",
            "/DiagnosticReport?status=registered&_summary=count",
            f"/Patient?_has:DiagnosticReport:patient:_id={rows.draft}&_summary=count",
            f"/Patient?_has:ServiceRequest:patient:_id={rows.active}&_summary=count",
            f"/Patient?_has:ServiceRequest:patient:_id={rows.held}&_summary=count",
            f"/DiagnosticReport?based-on:ServiceRequest._id={rows.active}&_summary=count",
        )
    }

    assert list(totals.values()) == [1, 1, 1, 1, 0, 0, 0, 1, 0]


def test_a_row_beyond_the_filter_is_not_there(rows: Rows) -> None:
    api = Api(token(*SEEN))

    for address in (
        "/DiagnosticReport/{draft}",
        "/DiagnosticReport/{draft}/_history",
        "/DiagnosticReport/{draft}/_history/1",
        "/ServiceRequest/{active}",
        "/ServiceRequest/{active}/_history",
    ):
        hidden = api.get(address.format(**vars(rows)))
        unknown = api.get(address.format(draft=NOBODY, active=NOBODY))
        assert (hidden.status, hidden.issue["code"]) == (404, "not-found"), address
        assert unknown.status == 404
    checked = api.post(f"/DiagnosticReport/{rows.draft}/$validate")
    assert checked.issue["code"] == "not-found"


def test_entries_of_a_batch_are_filtered_like_single_calls(rows: Rows) -> None:
    api = Api(token(*SEEN))
    urls = [
        f"DiagnosticReport/{rows.draft}", f"DiagnosticReport/{rows.final}",
        "DiagnosticReport?status:not=final", f"Patient/{rows.patient}/DiagnosticReport",
        f"Patient?_id={rows.patient}&_revinclude=DiagnosticReport:patient",
    ]  # fmt: skip
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]

    for kind in ("batch", "transaction"):
        given = entries if kind == "batch" else entries[1:]
        answer = api.post("/", {"resourceType": "Bundle", "type": kind, "entry": given})

        assert answer.status == 200, answer.body
        text = everything_in(answer.body)
        assert f'"id": "{rows.draft}"' not in text
        assert f'"id": "{rows.final}"' in text
    statuses = [
        each["response"]["status"][:3]
        for each in api.post(
            "/", {"resourceType": "Bundle", "type": "batch", "entry": entries[:2]}
        ).body["entry"]
    ]
    assert statuses == ["404", "200"]


def test_a_final_report_shows_no_earlier_version(rows: Rows) -> None:
    whole, api = Api(token(client="Whole")), Api(token(*SEEN))
    whole.get(f"/DiagnosticReport/{rows.draft}")
    execute(FinalizeReport(report=rows.draft, sections=dict(make.TEXT)), actor=people.radiologist)
    whole.get(f"/DiagnosticReport/{rows.draft}")

    versions = whole.get(f"/DiagnosticReport/{rows.draft}/_history").body["entry"]
    shown = api.get(f"/DiagnosticReport/{rows.draft}/_history").body["entry"]

    assert len(versions) == 2
    assert [each["resource"]["status"] for each in shown] == ["final"]
    first = versions[-1]["resource"]["meta"]["versionId"]
    assert whole.get(f"/DiagnosticReport/{rows.draft}/_history/{first}").status == 200
    assert api.get(f"/DiagnosticReport/{rows.draft}/_history/{first}").status == 404


def test_a_filter_of_several_parameters_asks_for_all_of_them(rows: Rows) -> None:
    scope = f"system/DiagnosticReport.rs?status=final&patient={rows.patient}"
    other = f"system/DiagnosticReport.rs?status=final&patient={rows.held}"

    assert Api(token(scope)).get("/DiagnosticReport").ids == [rows.final]
    assert Api(token(other)).get("/DiagnosticReport").ids == []
    both = Api(token(other, "system/DiagnosticReport.rs?status:not=final"))
    assert both.get("/DiagnosticReport").ids == [rows.draft]


def test_a_filter_that_cannot_be_read_reaches_nothing(rows: Rows) -> None:
    for filter_ in ("nonsense=1", "status=", "_count=1", "status:odd=final", "x"):
        scope = f"system/DiagnosticReport.rs?{filter_}"
        with pytest.raises(InvalidValueError):
            token(scope)
        # Of a token that an earlier release gave.
        ApiToken.objects.create(client="Old", digest=token_digest(filter_), scopes=[scope])
        api = Api(filter_)

        assert api.get("/DiagnosticReport").ids == [], filter_
        assert api.get(f"/DiagnosticReport/{rows.final}").status == 404


def test_a_filter_for_all_types_reaches_only_types_that_know_it(rows: Rows) -> None:
    api = Api(token("system/*.rs?gender=female"))

    assert api.get("/DiagnosticReport").ids == []
    assert len(api.get("/Patient").ids) == len(Api(token()).get("/Patient?gender=female").ids)


# --- writes


def test_what_is_beyond_the_filter_cannot_be_changed(db: None) -> None:
    whole = Api(token(client="Whole"))
    male = whole.post("/Patient", resources.patient("1", gender="male")).body
    female = whole.post("/Patient", resources.patient("2", gender="female")).body
    api = Api(token("system/Patient.cruds?gender=female"))
    patch = [{"op": "replace", "path": "/birthDate", "value": "1970-01-01"}]

    refused = [
        api.put(f"/Patient/{male['id']}", {**male, "gender": "female"}),
        api.patch(f"/Patient/{male['id']}", patch),
        api.patch(f"/Patient/{female['id']}", [{**patch[0], "path": "/gender", "value": "male"}]),
        api.put(f"/Patient/{female['id']}", {**female, "gender": "male"}),
        api.post("/Patient", resources.patient("3", gender="male")),
        api.post("/Patient", resources.patient("1", gender="female")),
    ]
    done = [
        api.patch(f"/Patient/{female['id']}", patch).status,
        api.post("/Patient", resources.patient("4", gender="female")).status,
    ]

    # The last one names a number that somebody has already, and a number names one patient.
    assert [each.status for each in refused] == [403, 403, 403, 403, 403, 409]
    kept = AuditEvent.objects.filter(outcome="denied", detail__status=403)
    assert [row.action for row in kept.order_by("id")] == [
        f"FHIR {method} Patient" for method in ("PUT", "PATCH", "PATCH", "PUT", "POST")
    ]
    assert done == [200, 201]
    now = whole.get(f"/Patient/{male['id']}").body
    assert (now["gender"], now["birthDate"]) == ("male", male["birthDate"])
    assert whole.get(f"/Patient/{female['id']}").body["gender"] == "female"
    assert len(whole.get("/Patient").ids) == 3


def test_a_condition_finds_only_what_the_filter_reaches(db: None) -> None:
    whole = Api(token(client="Whole"))
    male = whole.post("/Patient", resources.patient("1", gender="male")).body
    api = Api(token("system/Patient.cruds?gender=female"))

    found = api.request(
        "PUT", "/Patient?identifier=1", {**resources.patient("1"), "gender": "female"}
    )

    assert found.status == 409  # nothing was found, and the number is taken
    assert whole.get(f"/Patient/{male['id']}").body["gender"] == "male"
    assert Order.objects.count() == 0


def test_nobody_learns_by_a_number_whom_an_order_is_for(db: None) -> None:
    make.order(patient=make.patient("M7"))
    number = "urn:ris:issuer:HOSP|M7"
    whole = Api(token(client="Whole"))
    filtered = Api(token("system/ServiceRequest.rs", "system/Patient.rs?gender=male"))
    without = Api(token("system/ServiceRequest.rs"))

    for asked in (f"patient.identifier={number}", f"patient:identifier={number}"):
        assert len(whole.get(f"/ServiceRequest?{asked}").ids) == 1, asked
        assert filtered.get(f"/ServiceRequest?{asked}").ids == [], asked
        assert without.get(f"/ServiceRequest?{asked}").status == 403, asked


def test_kept_resources_are_filtered_too(db: None) -> None:
    whole = Api(token(client="Whole"))
    mild, severe = (
        whole.post(
            "/AllergyIntolerance",
            {
                "resourceType": "AllergyIntolerance",
                "clinicalStatus": {"coding": [{"system": STATUS, "code": "active"}]},
                "criticality": criticality,
                "patient": {"display": "somebody"},
            },
        ).body
        for criticality in ("low", "high")
    )
    api = Api(token("system/AllergyIntolerance.cruds?criticality=low"))

    assert api.get("/AllergyIntolerance").ids == [mild["id"]]
    assert api.get(f"/AllergyIntolerance/{severe['id']}").status == 404
    assert api.request("DELETE", f"/AllergyIntolerance/{severe['id']}").status == 403
    raised = api.put(f"/AllergyIntolerance/{mild['id']}", {**mild, "criticality": "high"})
    assert raised.status == 403
    assert FhirResource.objects.filter(deleted_at=None).count() == 2
    assert api.request("DELETE", f"/AllergyIntolerance/{mild['id']}").status == 204
