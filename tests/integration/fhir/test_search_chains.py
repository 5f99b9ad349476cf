"""Chains, ``_has``, compartments, several types at once, parts of resources, and rows of scopes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from integration.fhir.others import NOT_SUPPORTED
from ris.domain.orders import ProcedureRequest
from ris.domain.patients import VisitDetails
from ris.domain.values import Identifier
from ris.models import Order
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, found, token

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def exam(db: None) -> Order:
    make.site()
    make.device()
    make.order(patient=make.patient("other"))
    order = make.performed(
        patient=make.patient("4711"), visit=VisitDetails(number=Identifier("V1", "HOSP"))
    )
    make.final_report(order)
    return order


def query(kind: str, *pairs: tuple[str, str]) -> str:
    return f"/{kind}?{urlencode(pairs)}"


def patient_of(order: Order) -> str:
    return str(order.patient.public_id)


def observed(api: Api, patient: str, code: str, **elements: Any) -> str:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }
    answer = api.post("/Observation", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


# --- chains


def test_a_report_is_found_by_every_name_of_imr(api: Api, exam: Order) -> None:
    """IHE RAD IMR, RAD-143: what a responder shall support."""
    report = api.get("/DiagnosticReport?status=final").ids
    study = api.get("/ImagingStudy").ids[0]
    uid = exam.procedures.get().study_instance_uid
    family, given = exam.patient.name.split("^")[:2]
    wanted = {
        "patient": patient_of(exam),
        "patient.identifier": "4711",
        "patient.name.given": given,
        "patient.name.family": family,
        "patient.given": given,
        "patient.family": family,
        "basedOn": str(exam.public_id),
        "basedOn.identifier": exam.placer_order_number,
        "based-on.identifier": exam.placer_order_number,
        "imagingStudy": study,
        "imagingStudy.identifier": f"urn:dicom:uid|urn:oid:{uid}",
        "imagingStudy.modality": "CT",
        "imagingStudy.started": "2026-03-02",
        "status": "final",
    }
    assert len(report) == 1
    for name, value in wanted.items():
        assert api.get(query("DiagnosticReport", ("status", "final"), (name, value))).ids == report
    for name, value in (
        ("patient.identifier", "nobody"),
        ("patient.name.given", "nobody"),
        ("basedOn.identifier", "nothing"),
        ("imagingStudy.identifier", "1.2.3"),
        ("imagingStudy.modality", "MR"),
        ("imagingStudy.started", "2025"),
    ):
        assert api.get(query("DiagnosticReport", ("status", "final"), (name, value))).ids == []

    posted = api.request(
        "POST",
        "/DiagnosticReport/_search",
        urlencode(
            {"imagingStudy.modality": "CT", "_include": "DiagnosticReport:imagingStudy"}
        ).encode(),
        Content_Type="application/x-www-form-urlencoded",
    )
    assert posted.ids == report
    assert [each["id"] for each in posted.of("include")] == [study]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ((("patient.identifier", "4711"),), 1),
        ((("patient:Patient.identifier", "4711"),), 1),
        ((("patient.birthdate", "gt1800"),), 2),
        ((("patient.gender:not", "other"),), 2),
        ((("encounter.identifier", "V1"),), 1),
        ((("encounter.patient.identifier", "4711"),), 1),
        ((("encounter.patient.identifier", "other"),), 0),
        ((("_has:DiagnosticReport:based-on:status", "final"),), 1),
        ((("_has:DiagnosticReport:based-on:imagingStudy.modality", "CT"),), 1),
        ((("_has:Task:based-on:status", "completed"),), 1),
        ((("_has:Task:based-on:owner.identifier", "CT1"),), 1),
        ((("_has:Task:based-on:owner.identifier", "MR1"),), 0),
        ((("patient._has:Encounter:patient:identifier", "V1"),), 1),
        ((("performer", "Device/none"),), 0),
        ((("performer.identifier", "CT1"),), 1),
        ((("order-detail", "CT"),), 2),
        ((("identifier:of-type", "|FILL|none"),), 0),
    ],
)  # fmt: skip
def test_requests_are_found_by_what_they_refer_to_and_what_refers_to_them(
    api: Api, exam: Order, parameters: tuple[tuple[str, str], ...], count: int
) -> None:
    answer = api.get(query("ServiceRequest", *parameters))

    assert (answer.status, len(answer.ids), answer.of("outcome")) == (200, count, [])
    if count == 1:
        assert answer.ids == [str(exam.public_id)]


def test_patients_are_found_by_what_is_known_of_them(api: Api, exam: Order) -> None:
    """Types of the core and kept ones lead to each other."""
    observed(api, patient_of(exam), "2160-0")
    panel = observed(api, patient_of(exam), "24323-8")
    observed(api, patient_of(exam), "1-8", hasMember=[{"reference": f"Observation/{panel}"}])

    for name, value in (
        ("_has:Observation:patient:code", "2160-0"),
        ("_has:Observation:subject:code", "http://loinc.org|2160-0"),
        ("_has:Observation:patient:_has:Observation:has-member:code", "1-8"),
        ("_has:ServiceRequest:patient:identifier", str(exam.placer_order_number)),
        ("_has:ImagingStudy:patient:modality", "CT"),
    ):
        assert api.get(query("Patient", (name, value))).ids == [patient_of(exam)], name
    assert found(api, "Patient", _has__Observation__patient__code="9-9") == []
    assert api.get("/ServiceRequest?patient._has:Observation:patient:code=2160-0").ids == [
        str(exam.public_id)
    ]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/ServiceRequest?status.name=x", "invalid"),
        ("/ServiceRequest?patient.colour=x", "invalid"),
        ("/ServiceRequest?patient:Device.identifier=x", "invalid"),
        ("/Patient?_has:Observation:code:status=final", "invalid"),
        ("/Patient?_has:Unknown:patient:code=x", "invalid"),
        ("/Patient?_has:Observation:patient=x", "invalid"),
        ("/Patient?_has:Observation:patient:colour=x", "invalid"),
        ("/Observation?" + "has-member." * 5 + "code=x", "too-costly"),
    ],
)
def test_a_chain_that_leads_nowhere_is_refused(api: Api, address: str, code: str) -> None:
    answer = api.get(address)

    assert (answer.status, answer.issue["code"]) == (400, code)


# --- compartments and several types


def test_a_compartment_holds_what_is_of_one_patient(api: Api, exam: Order) -> None:
    patient = patient_of(exam)
    seen = observed(api, patient, "2160-0")

    assert api.get(f"/Patient/{patient}/ServiceRequest").ids == [str(exam.public_id)]
    assert api.get(f"/Patient/{patient}/Observation?code=2160-0").ids == [seen]
    assert api.get(f"/Patient/{patient}/Observation?code=1").ids == []
    every = api.get(f"/Patient/{patient}/*").resources
    kinds = {each["resourceType"] for each in every}
    assert {"ServiceRequest", "Observation", "ImagingStudy", "Procedure", "Encounter"} <= kinds
    assert len(every) == len({(each["resourceType"], each["id"]) for each in every})
    some = api.get(f"/Patient/{patient}/*?_type=Observation,Encounter")
    assert {each["resourceType"] for each in some.resources} == {"Observation", "Encounter"}
    assert some.link("self") == (f"{BASE}/Patient/{patient}/*?_type=Observation%2CEncounter")
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    posted = api.post(f"/Patient/{patient}/Observation/_search", **form)
    assert posted.ids == [seen]


def test_visits_people_and_devices_have_compartments(api: Api, exam: Order) -> None:
    visit = api.get("/Encounter").ids[0]
    device = api.get("/Device").ids[0]

    assert (
        api.get(f"/Encounter/{visit}/DiagnosticReport").ids == api.get("/DiagnosticReport").ids[:1]
    )
    assert api.get(f"/Device/{device}/ServiceRequest").ids == [str(exam.public_id)]
    assert api.get(f"/Location/{device}/ServiceRequest").status == 404
    assert api.get(f"/Patient/{device}/ServiceRequest").status == 404
    assert api.get(f"/Encounter/{visit}/Location").status == 404


def test_several_types_are_searched_at_once(api: Api, exam: Order) -> None:
    patient = patient_of(exam)
    seen = observed(api, patient, "2160-0")

    answer = api.get("/?_type=Patient,Observation&_sort=_id")
    assert set(answer.ids) == {seen, *api.get("/Patient").ids}
    assert answer.link("self") == f"{BASE}/?_type=Patient%2CObservation&_sort=_id"
    one = api.get(f"/?_type=ServiceRequest,Observation&patient={patient}")
    assert set(one.ids) == {seen, str(exam.public_id)}
    assert api.get(f"/?_id={seen}").ids == [seen]
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert api.request(
        "POST", "/_search", f"_id={seen}&_type=Observation".encode(), **form
    ).ids == [seen]
    assert api.get("/?_type=Nonsense").status == 400
    # What one of the types lacks is not asked of any.
    ignored = api.get("/?_type=Patient,Observation&birthdate=1800")
    assert len(ignored.ids) == 3
    assert ignored.of("outcome")[0]["issue"][0]["diagnostics"] == "ignored: birthdate"


def test_several_types_come_in_pages(api: Api, exam: Order) -> None:
    for _ in range(2):
        observed(api, patient_of(exam), "2160-0")
    whole = api.get("/?_type=Patient,Observation,Encounter&_sort=-_lastUpdated").ids
    shown: list[str] = []
    address: str | None = "/?_type=Patient,Observation,Encounter&_sort=-_lastUpdated&_count=2"
    for _ in range(5):
        assert address is not None
        answer = api.get(address)
        shown += answer.ids
        address = answer.link("next")
        if address is None:
            break

    assert len(whole) == 5
    assert shown == whole


# --- pages back


@pytest.mark.parametrize("sort", ["_id", "-_lastUpdated", "family,-_id"])
def test_pages_are_walked_back(api: Api, sort: str) -> None:
    for number in range(5):
        api.post("/Patient", resources.patient(f"P{number}"))
    first = api.get(f"/Patient?_sort={sort}&_count=2")
    second = api.get(str(first.link("next")))
    third = api.get(str(second.link("next")))

    assert first.link("previous") is None
    assert third.link("next") is None
    back = api.get(str(third.link("previous")))
    assert back.ids == second.ids
    assert api.get(str(back.link("next"))).ids == third.ids
    again = api.get(str(back.link("previous")))
    assert (again.ids, again.link("previous")) == (first.ids, None)
    assert api.get(str(again.link("next"))).ids == second.ids


# --- beside the matches


def beside(api: Api, address: str) -> list[str]:
    answer = api.get(address)
    assert answer.status == 200, answer.body
    return sorted(each["resourceType"] for each in answer.of("include"))


def test_inclusions_lead_on_where_they_iterate(api: Api, exam: Order) -> None:
    by_request = "/Task?status=completed&_include=Task:based-on"

    assert beside(api, by_request) == ["ServiceRequest"]
    assert beside(api, f"{by_request}&_include=ServiceRequest:patient") == ["ServiceRequest"]
    assert beside(api, f"{by_request}&_include:iterate=ServiceRequest:patient") == [
        "Patient",
        "ServiceRequest",
    ]
    back = "_revinclude=ServiceRequest:patient&_revinclude:iterate=Task:based-on"
    assert beside(api, f"/Patient?identifier=4711&{back}") == ["ServiceRequest", "Task"]
    assert "ImagingStudy" in beside(api, "/Patient?identifier=4711&_revinclude=*")
    assert beside(api, "/Task?_include=Task:based-on:Patient") == []


def test_members_of_members_are_included_each_once(api: Api, exam: Order) -> None:
    last = observed(api, patient_of(exam), "1-8")
    for _ in range(3):
        member = [{"reference": f"Observation/{last}"}]
        last = observed(api, patient_of(exam), "1-8", hasMember=member)

    once = api.get(f"/Observation?_id={last}&_include=Observation:has-member")
    all_ = api.get(f"/Observation?_id={last}&_include:iterate=Observation:has-member")

    assert len(once.of("include")) == 1
    assert len(all_.of("include")) == 3


# --- parts of resources


def test_a_summary_is_marked(api: Api, exam: Order) -> None:
    report = "/DiagnosticReport?status=final"
    whole = api.get(report).resources[0]

    true = api.get(f"{report}&_summary=true").resources[0]
    assert "presentedForm" in whole
    assert "presentedForm" not in true
    assert true["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert {"status", "code", "subject", "issued"} <= true.keys()
    text = api.get(f"{report}&_summary=text").resources[0]
    assert text.keys() - {"text"} == {"resourceType", "id", "meta", "status", "code"}
    data = api.get(f"{report}&_summary=data").resources[0]
    assert data.keys() == whole.keys() - {"text"}
    assert api.get(f"{report}&_summary=false").resources[0] == whole
    counted = api.get(f"{report}&_summary=count").body
    assert (counted["total"], "entry" in counted) == (1, False)
    assert api.get(f"{report}&_summary=short").status == 400


def test_elements_are_chosen_and_the_mandatory_ones_kept(api: Api, exam: Order) -> None:
    some = api.get("/DiagnosticReport?status=final&_elements=effective,issued").resources[0]

    assert some.keys() == {
        "resourceType", "id", "meta", "status", "code", "effectiveDateTime", "issued"
    }  # fmt: skip
    assert some["meta"]["tag"][-1]["code"] == "SUBSETTED"
    patient = api.get("/Patient?identifier=4711&_elements=Patient.birthDate").resources[0]
    assert patient.keys() == {"resourceType", "id", "meta", "birthDate"}


def test_contained_resources_are_not_searched(api: Api) -> None:
    assert api.get("/Patient?_contained=true").status == 400
    assert api.get("/Patient?_contained=false").status == 200


def test_what_is_not_supported_is_said_with_its_reason(api: Api) -> None:
    answer = api.get("/Patient?phonetic=meier&_text=x")

    assert [each["diagnostics"] for each in answer.of("outcome")[0]["issue"]] == [
        f"ignored: phonetic ({NOT_SUPPORTED['Patient']['phonetic']})",
        "ignored: _text (there is no full text index)",
    ]
    strict = api.get("/Patient?phonetic=meier", Prefer="respond-async; handling=strict")
    assert strict.status == 400
    assert api.get("/Patient?phonetic=meier", Prefer="handling=lenient").status == 200


# --- ITI-118 and rows of scopes


def test_appointments_of_a_patient_of_an_unknown_system_are_none(api: Api, exam: Order) -> None:
    assert len(api.get(f"/Appointment?patient={patient_of(exam)}&date=2026-03-02").ids) == 1
    unknown = api.get("/Appointment?patient.identifier=urn:oid:9.9|4711&date=2026-03-02")
    assert (unknown.status, unknown.resources) == (200, [])


def test_inner_searches_see_only_the_rows_of_the_scopes(api: Api, exam: Order) -> None:
    observed(api, patient_of(exam), "2160-0")
    observed(api, patient_of(exam), "1-8")
    narrow = Api(token("system/Patient.rs", "system/Observation.rs?code=1-8", client="NARROW"))
    blind = Api(token("system/Patient.rs", client="BLIND"))

    assert len(narrow.get("/Observation").ids) == 1
    assert len(narrow.get("/Patient?_has:Observation:patient:code=1-8").ids) == 1
    assert narrow.get("/Patient?_has:Observation:patient:code=2160-0").ids == []
    assert len(narrow.get("/Patient?_revinclude=Observation:patient").of("include")) == 1
    assert narrow.get("/Observation?_summary=count").body["total"] == 1
    assert len(narrow.get(f"/Patient/{patient_of(exam)}/Observation").ids) == 1
    assert blind.get("/Patient?_has:Observation:patient:code=1-8").status == 403
    assert blind.get("/?_type=Patient,Observation").status == 403
    assert len(blind.get("/").ids) == 2
    assert blind.get(f"/Patient/{patient_of(exam)}/Observation").status == 403


def test_several_procedures_are_found_by_the_order_they_are_of(api: Api) -> None:
    order = make.order(
        procedures=tuple(
            ProcedureRequest(code=make.CT_HEAD, steps=(make.step_request(),)) for _ in range(2)
        )
    )

    based = api.get(query("ServiceRequest", ("based-on.identifier", order.placer_order_number)))

    assert len(based.ids) == 2
    assert api.get("/ServiceRequest?_has:ServiceRequest:based-on:intent=filler-order").ids == [
        str(order.public_id)
    ]
