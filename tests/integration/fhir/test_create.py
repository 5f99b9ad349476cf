"""Creating requests and patients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.models import (
    AuditEvent,
    DomainEvent,
    InboundMessage,
    Order,
    Patient,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import BASE, Api, token

pytestmark = pytest.mark.django_db


def step() -> ScheduledProcedureStep:
    return ScheduledProcedureStep.objects.get()


# --- requests


def test_a_request_with_a_time_is_scheduled_before_it_is_answered(api: Api) -> None:
    make.device()
    make.definition()

    answer = api.post(
        "/ServiceRequest",
        resources.service_request("4711", occurrenceDateTime="2026-03-02T13:00:00+01:00"),
    )

    assert answer.status == 201
    order = Order.objects.get()
    assert (order.placer_order_number, order.placer_issuer) == ("4711", resources.ORDERS)
    assert order.priority == "URGENT"
    assert order.requester == "Dr. Nils Holm"
    assert (step().status, step().station_ae_title) == ("SCHEDULED", "CT1")
    assert step().start_at == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_the_answer_says_where_the_request_is_and_shows_it(api: Api) -> None:
    answer = api.post("/ServiceRequest", resources.service_request("4711"))

    order = Order.objects.get()
    assert answer.headers["Location"] == f"{BASE}/ServiceRequest/{order.public_id}/_history/1"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert "GMT" in answer.headers["Last-Modified"]
    assert answer.body["id"] == str(order.public_id)
    assert (answer.body["status"], answer.body["intent"]) == ("active", "order")
    assert answer.body["subject"]["reference"] == f"Patient/{order.patient.public_id}"
    assert api.get(answer.headers["Location"]).body == answer.body


def test_a_request_without_a_time_waits_for_a_scheduler(api: Api) -> None:
    api.post("/ServiceRequest", resources.service_request())

    assert (step().status, step().modality) == ("PENDING", "CT")


def test_of_several_codes_the_one_the_catalog_knows_is_taken(api: Api) -> None:
    make.device()
    make.definition()
    codes = [
        {"system": "http://snomed.info/sct", "code": "77477000", "display": "CT"},
        {"system": f"urn:ris:scheme:{make.CT_HEAD.scheme}", "code": make.CT_HEAD.value},
    ]
    said = resources.service_request("4711", code={"coding": codes}, orderDetail=None)

    first = api.post("/ServiceRequest", said)
    again = api.post("/ServiceRequest", said)

    assert (first.status, again.status) == (201, 200)
    procedure = step().procedure
    assert procedure.definition is not None
    assert (procedure.code_value, procedure.code_scheme) == ("CTHEAD", "TEST")
    assert (step().modality, step().description) == ("CT", "CT head without contrast")
    assert first.body["code"]["coding"] == codes
    other = {**first.body, "code": {"coding": codes, "text": "CT of the head"}}
    assert api.put(f"/ServiceRequest/{first.body['id']}", other).status == 200
    assert step().procedure.definition == procedure.definition


def test_a_long_clinical_question_is_no_reason_to_refuse_an_order(api: Api) -> None:
    question = "Sudden headache since the morning, worse when lying down. " * 20

    answer = api.post("/ServiceRequest", resources.service_request(reasonCode=[{"text": question}]))

    assert answer.status == 201
    assert Order.objects.get().reason == question.strip()


def test_a_request_for_a_known_patient_does_not_register_another(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body["id"]

    answer = api.post(
        "/ServiceRequest",
        resources.service_request(contained=None, subject={"reference": f"{BASE}/Patient/{known}"}),
    )

    assert answer.body["subject"]["reference"] == f"Patient/{known}"
    assert Patient.objects.count() == 1


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": {"system": resources.MRN, "value": "1"}},
        {"reference": f"Patient?identifier={resources.MRN}|1"},
    ],
    ids=["logical", "conditional"],
)
def test_a_patient_may_be_named_by_a_number(api: Api, subject: dict[str, Any]) -> None:
    known = api.post("/Patient", resources.patient("1")).body["id"]

    answer = api.post("/ServiceRequest", resources.service_request(contained=None, subject=subject))

    assert answer.body["subject"]["reference"] == f"Patient/{known}"


def test_a_contained_patient_with_a_known_number_is_the_known_one(api: Api) -> None:
    known = api.post("/Patient", resources.patient("1")).body["id"]

    answer = api.post(
        "/ServiceRequest",
        resources.service_request(contained=[resources.patient("1", id="p")]),
    )

    assert answer.body["subject"]["reference"] == f"Patient/{known}"


def test_a_request_may_bring_its_study_and_accession_number(api: Api) -> None:
    numbers = [
        {"type": resources.typed("ACSN"), "system": "urn:oid:1.2.276.0.76.3", "value": "ACC1"},
        {"system": "urn:dicom:uid", "value": "urn:oid:1.2.276.0.99.1"},
    ]

    api.post("/ServiceRequest", resources.service_request(identifier=numbers))

    order = Order.objects.get()
    assert (order.accession_number, order.accession_issuer) == ("ACC1", "1.2.276.0.76.3")
    assert order.procedures.get().study_instance_uid == "1.2.276.0.99.1"


def test_a_request_on_hold_is_held(api: Api) -> None:
    make.device()

    answer = api.post(
        "/ServiceRequest",
        resources.service_request(status="on-hold", occurrenceDateTime="2026-03-02T13:00:00+01:00"),
    )

    assert (answer.status, answer.body["status"]) == (201, "on-hold")
    assert Order.objects.get().status == "ON_HOLD"


def test_the_same_request_again_is_answered_with_the_one_that_is_there(api: Api) -> None:
    request = resources.service_request("4711")
    first = api.post("/ServiceRequest", request)

    again = api.post("/ServiceRequest", request)

    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    assert Order.objects.count() == 1


def test_another_request_under_a_known_number_is_refused(api: Api) -> None:
    first = api.post("/ServiceRequest", resources.service_request("4711"))
    events = DomainEvent.objects.count()

    other = api.post("/ServiceRequest", resources.service_request("4711", priority="stat"))

    assert (other.status, other.issue["code"]) == (409, "duplicate")
    assert f"ServiceRequest/{first.body['id']}" in other.issue["diagnostics"]
    assert other.issue["expression"] == ["ServiceRequest.identifier"]
    assert (Order.objects.count(), DomainEvent.objects.count()) == (1, events)


def test_the_number_of_a_client_without_system_is_its_own(api: Api) -> None:
    other = Api(token(client="OTHER"))
    request = resources.service_request(identifier=[{"value": "1"}])

    first = api.post("/ServiceRequest", request)
    second = other.post("/ServiceRequest", request)

    assert (first.status, second.status) == (201, 201)
    assert first.body["identifier"][0]["system"] == "urn:ris:issuer:EHR"
    assert second.body["identifier"][0]["system"] == "urn:ris:issuer:OTHER"


def test_a_refused_request_is_kept_and_changes_nothing(api: Api) -> None:
    answer = api.post("/ServiceRequest", resources.service_request(priority="now"))

    assert (answer.status, answer.issue["code"]) == (422, "code-invalid")
    message = InboundMessage.objects.get()
    assert (message.state, message.outcome, message.protocol) == ("REJECTED", "422", "fhir")
    assert message.error == "'now' is not in request-priority"
    assert (Order.objects.count(), Patient.objects.count()) == (0, 0)


def test_a_request_is_kept_as_it_came_but_for_its_token(api: Api) -> None:
    body = b'{ "resourceType":"ServiceRequest" , "status":"active"}'

    api.post("/ServiceRequest", body, Prefer="return=minimal")

    message = InboundMessage.objects.get()
    assert bytes(message.raw).splitlines() == [
        b"POST http://testserver/fhir/ServiceRequest HTTP/1.1",
        b"Content-Type: application/fhir+json",
        b"Prefer: return=minimal",
        b"",
        body,
    ]
    assert (message.message_type, message.sender) == ("POST ServiceRequest", "EHR")


def test_a_message_leads_to_its_order_and_was_answered(api: Api) -> None:
    api.post("/ServiceRequest", resources.service_request("4711"))

    message = InboundMessage.objects.get()
    assert (message.state, message.outcome, message.reply_state) == ("APPLIED", "201", "SENT")
    assert [order.placer_order_number for order in message.orders.all()] == ["4711"]


def test_a_refused_message_leads_to_the_order_it_names(api: Api) -> None:
    api.post("/ServiceRequest", resources.service_request("4711"))

    api.post("/ServiceRequest", resources.service_request("4711", priority="stat"))

    refused = InboundMessage.objects.get(state="REJECTED")
    assert [order.placer_order_number for order in refused.orders.all()] == ["4711"]
    assert refused.error_path == "ServiceRequest.identifier"


# --- the client's settings


def configure(**settings: Any) -> None:
    execute(
        ConfigureEndpoint(
            name="EHR over FHIR",
            protocol=Protocol.FHIR,
            direction=Direction.IN,
            protocol_name="EHR",
            settings=settings,
        ),
        actor=OPERATOR,
    )


def test_an_order_is_of_the_endpoint_that_sent_it(api: Api) -> None:
    configure()

    api.post("/ServiceRequest", resources.service_request())

    source = Order.objects.get().source
    assert source is not None
    assert source.name == "EHR over FHIR"


def test_an_endpoint_may_name_the_system_of_its_numbers(api: Api) -> None:
    configure(issuer="urn:oid:1.2.3")

    api.post("/ServiceRequest", resources.service_request(identifier=[{"value": "1"}]))

    assert Order.objects.get().placer_issuer == "1.2.3"


def test_an_endpoint_may_leave_the_time_to_a_scheduler(api: Api) -> None:
    make.device()
    configure(wait_for_scheduler=True)

    api.post(
        "/ServiceRequest",
        resources.service_request(occurrenceDateTime="2026-03-02T13:00:00+01:00"),
    )

    assert step().status == "PENDING"


def test_a_strict_endpoint_refuses_codes_outside_the_catalog(api: Api) -> None:
    configure(strict_catalog=True)

    answer = api.post("/ServiceRequest", resources.service_request())

    assert answer.status == 422
    assert answer.issue["expression"] == ["ServiceRequest.code"]


# --- conditional create


def test_a_conditional_create_finds_what_is_there(api: Api) -> None:
    first = api.post("/Patient", resources.patient("1"))

    again = api.post(
        "/Patient",
        resources.patient("2", name=[{"family": "Other"}]),
        If_None_Exist=f"identifier={resources.MRN}|1",
    )

    assert (again.status, again.body["id"]) == (200, first.body["id"])
    assert again.headers["Location"] == first.headers["Location"]
    assert Patient.objects.count() == 1


def test_a_conditional_create_creates_what_is_not_there(api: Api) -> None:
    answer = api.post(
        "/Patient", resources.patient("1"), If_None_Exist=f"?identifier={resources.MRN}|1"
    )

    assert (answer.status, Patient.objects.count()) == (201, 1)


def test_the_condition_may_stand_in_the_address(api: Api) -> None:
    request = resources.service_request("4711")

    first = api.post("/ServiceRequest?identifier=4711", request)
    again = api.post("/ServiceRequest?identifier=4711", {**request, "priority": "stat"})

    assert (first.status, again.status) == (201, 200)
    assert again.body["id"] == first.body["id"]


def test_how_the_answer_is_written_is_no_condition(api: Api) -> None:
    answer = api.post("/Patient?_format=json&_pretty=true", resources.patient("1"))

    assert (answer.status, Patient.objects.count()) == (201, 1)


def test_a_condition_that_finds_several_is_refused(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))
    api.post("/Patient", resources.patient("2"))

    answer = api.post("/Patient", resources.patient("3"), If_None_Exist="family=Lindqvist")

    assert (answer.status, answer.issue["code"]) == (412, "multiple-matches")
    assert Patient.objects.count() == 2


@pytest.mark.parametrize("condition", ["colour=red", "identifier", "identifier="])
def test_a_condition_that_is_not_understood_is_refused(api: Api, condition: str) -> None:
    answer = api.post("/Patient", resources.patient("1"), If_None_Exist=condition)

    assert answer.status == 400
    assert Patient.objects.count() == 0


def test_a_conditional_create_needs_the_scope_to_search() -> None:
    api = Api(token("system/Patient.c"))

    answer = api.post("/Patient", resources.patient("1"), If_None_Exist="identifier=1")

    assert answer.status == 403
    assert Patient.objects.count() == 0


def test_a_request_with_an_idempotency_key_is_applied_once(api: Api) -> None:
    request = resources.service_request(identifier=None)

    first = api.post("/ServiceRequest", request, Idempotency_Key="k-1")
    again = api.post("/ServiceRequest", request, Idempotency_Key="k-1")

    assert (again.status, again.body, again.headers["ETag"]) == (
        201,
        first.body,
        first.headers["ETag"],
    )
    assert (Order.objects.count(), InboundMessage.objects.count()) == (1, 1)
    assert InboundMessage.objects.get().repeats == 1


def test_a_key_used_for_something_else_is_a_new_message_and_flagged(api: Api) -> None:
    api.post("/Patient", resources.patient("1"), Idempotency_Key="k-1")

    answer = api.post("/Patient", resources.patient("2"), Idempotency_Key="k-1")

    assert answer.status == 201
    assert InboundMessage.objects.filter(key_reused=True).count() == 1


# --- Prefer


@pytest.mark.parametrize("said", ["return=minimal", 'respond-async, Return = "minimal"'])
def test_a_client_may_want_no_body(api: Api, said: str) -> None:
    answer = api.post("/Patient", resources.patient(), Prefer=said)

    assert (answer.status, answer.body) == (201, None)
    assert answer.headers["Location"].startswith(f"{BASE}/Patient/")


def test_a_client_may_want_an_outcome(api: Api) -> None:
    answer = api.post("/Patient", resources.patient(), Prefer="return=OperationOutcome")

    assert answer.issue == {
        "severity": "information",
        "code": "informational",
        "diagnostics": f"created: {answer.headers['Location']}",
    }


# --- patients


def test_a_number_that_is_masked_is_no_reason_to_refuse_a_patient(api: Api) -> None:
    masked = {
        "system": "http://hl7.org/fhir/sid/us-ssn",
        "_value": {"extension": [{"url": "urn:x:rendered", "valueString": "xxx-xx-1234"}]},
    }
    said = resources.patient("1")

    answer = api.post("/Patient", {**said, "identifier": [*said["identifier"], masked]})
    order = api.post("/ServiceRequest", resources.service_request(identifier=[masked]))

    assert answer.status == 201
    assert masked in answer.body["identifier"]
    assert [each.value for each in Patient.objects.first().identifiers.all()] == ["1"]  # type: ignore[union-attr]
    assert (order.status, Order.objects.get().placer_order_number) == (201, "")


def test_of_very_many_given_names_those_are_used_that_a_device_has_room_for(api: Api) -> None:
    given = ["María", "del", "Carmen", "Concepción", "Trinidad", "Auxiliadora"]
    name = {"family": "García Fernández de la Vega", "given": given}

    answer = api.post("/Patient", resources.patient("1", name=[name]))

    assert answer.status == 201
    assert answer.body["name"] == [name]
    assert Patient.objects.get().name == (
        "García Fernández de la Vega^María^del Carmen Concepción Trinidad"
    )


def test_a_patient_is_registered(api: Api) -> None:
    answer = api.post("/Patient", resources.patient("1"))

    row = Patient.objects.get()
    assert (answer.status, answer.body["id"]) == (201, str(row.public_id))
    assert (row.name, row.birth_date, row.sex) == ("Lindqvist^Åsa^Maria", "1961-11-08", "F")
    assert (row.identifiers.get().value, row.identifiers.get().issuer) == ("1", resources.MRN)
    assert answer.body["name"] == [
        {"use": "official", "family": "Lindqvist", "given": ["Åsa", "Maria"]}
    ]


def test_a_number_that_is_taken_is_refused(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))

    answer = api.post("/Patient", resources.patient("1"))

    assert (answer.status, answer.issue["code"]) == (409, "duplicate")
    assert answer.issue["expression"] == ["Patient.identifier"]
    assert Patient.objects.count() == 1


def test_a_patient_without_number_gets_one_of_ours(api: Api) -> None:
    make.site()

    answer = api.post("/Patient", {**resources.patient(), "identifier": []}, Prefer="")

    assert answer.status == 400  # R4 has no empty lists

    answer = api.post(
        "/Patient", {k: v for k, v in resources.patient().items() if k != "identifier"}
    )

    assert answer.body["identifier"][0]["system"] == "urn:ris:issuer:HOSP"


def test_a_create_is_audited_with_its_client(api: Api) -> None:
    api.post("/Patient", resources.patient("1"))

    row = AuditEvent.objects.get(action="RegisterPatient")
    assert (row.actor_kind, row.actor_name, row.address) == ("client", "EHR", "127.0.0.1")
    assert row.patient == Patient.objects.get()
