"""$book: an offer, an order or somebody new becomes an appointment (IHE ITI-117)."""

from __future__ import annotations

from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, ReplayMessage
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import CancelAppointment
from ris.models import (
    Appointment,
    Booking,
    DomainEvent,
    InboundMessage,
    Order,
    Patient,
)
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Api, token
from tests.integration.fhir.scheduling import (
    END,
    START,
    book,
    booked,
    find,
    hold,
    parameters,
    patient_of,
    to,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("calendar")]


def test_an_offer_is_booked_once_and_the_desk_and_scanner_know(api: Api) -> None:
    order = make.order()
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]
    reference = to(f"Appointment/{offer['id']}")

    found = booked(
        book(api, appointment___reference=reference, patient___reference=patient_of(order))
    )
    again = book(api, appointment___reference=reference)

    assert (found["status"], found["start"]) == ("booked", offer["start"])
    assert found["slot"] == offer["slot"]
    assert again.status == 409
    assert make.step_of(order).status == "SCHEDULED"
    assert DomainEvent.objects.filter(name="AppointmentBooked").count() == 1


def test_the_only_order_that_waits_is_meant_and_several_are_named(api: Api) -> None:
    reference = make.patient("P-TWO")
    first = make.order(patient=reference)
    offer = find(api, visit___type="CTHEAD").of("match")[0]
    given = {
        "appointment___reference": to(f"Appointment/{offer['id']}"),
        "patient___reference": patient_of(first),
    }
    second = make.order(patient=reference)

    unclear = book(api, **given)
    clear = booked(
        book(
            api,
            **given,
            referral___identifier={
                "system": "urn:ris:issuer:EHR", "value": second.placer_order_number,
            },
        )
    )  # fmt: skip
    rest = find(api, visit___type="CTHEAD").of("match")[0]
    only = booked(
        book(api, appointment___reference=to(f"Appointment/{rest['id']}"),
             patient___reference=patient_of(first))
    )  # fmt: skip

    assert (unclear.status, unclear.issue["code"]) == (422, "multiple-matches")
    assert str(first.public_id) in unclear.issue["diagnostics"]
    assert str(second.public_id) in unclear.issue["diagnostics"]
    assert clear["basedOn"] == [to(f"ServiceRequest/{second.public_id}")]
    assert only["basedOn"] == [to(f"ServiceRequest/{first.public_id}")]


def self_referral(allowed: bool) -> None:
    execute(
        ConfigureEndpoint(
            name="EHR",
            protocol=Protocol.FHIR,
            direction=Direction.IN,
            protocol_name="EHR",
            settings={"self_referral": allowed},
        ),
        actor=OPERATOR,
    )


@pytest.mark.parametrize("allowed", [True, False])
def test_a_new_patient_books_without_an_order_only_where_that_is_allowed(
    api: Api, allowed: bool
) -> None:
    self_referral(allowed)
    offer = find(api, visit___type="CTHEAD").of("match")[0]

    answer = book(
        api,
        appointment___reference=to(f"Appointment/{offer['id']}"),
        patient___resource=resources.patient("NEW-1"),
        visit___type="urn:ris:scheme:TEST|CTHEAD",
        reason="http://snomed.info/sct|25064002",
    )

    if not allowed:
        assert (answer.status, answer.issue["code"]) == (422, "business-rule")
        assert "create a ServiceRequest first" in answer.issue["diagnostics"]
        assert (Patient.objects.count(), Order.objects.count()) == (0, 0)
        return
    found = booked(answer)
    order = Order.objects.get()
    assert found["basedOn"] == [to(f"ServiceRequest/{order.public_id}")]
    assert order.procedures.get().code_value == "CTHEAD"
    assert order.reason_code["value"] == "25064002"
    assert order.patient.name.startswith("Lindqvist^Åsa")


def test_a_patient_resource_is_matched_by_qualified_numbers_only(api: Api) -> None:
    order = make.order(patient=make.patient("P-KNOWN"))
    offer = find(api, visit___type="CTHEAD").of("match")[0]
    reference = {"appointment___reference": to(f"Appointment/{offer['id']}")}
    known = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:ris:issuer:HOSP", "value": "P-KNOWN"}],
        "name": [{"family": "Berg", "given": ["Anna"]}],
        "birthDate": "1970-05-03",
    }
    same_name = {**known, "identifier": [{"system": "urn:ris:issuer:OTHER", "value": "77"}]}
    stranger = {**known, "name": [{"family": "Olsen"}], "birthDate": "1999-01-01"}

    guessed = book(api, **reference, patient___resource=same_name)
    mistaken = book(api, **reference, patient___resource=stranger)
    found = booked(book(api, **reference, patient___resource=known))

    assert guessed.status == 422  # the same name and birth date are not enough
    assert (mistaken.status, mistaken.issue["code"]) == (409, "duplicate")
    assert found["participant"][0]["actor"] == patient_of(order)


def test_an_appointment_resource_is_booked_moved_and_canceled(api: Api) -> None:
    order = make.order()
    wanted = {
        "resourceType": "Appointment",
        "status": "proposed",
        "start": "2026-03-02T09:00:00Z",
        "end": "2026-03-02T09:30:00Z",
        "basedOn": [to(f"ServiceRequest/{order.public_id}")],
        "participant": [{"actor": patient_of(order), "status": "accepted"}],
    }

    first = booked(book(api, appointment___resource=wanted))
    moved = booked(
        book(
            api,
            appointment___resource={
                **wanted,
                "id": first["id"],
                "status": "booked",
                "start": "2026-03-02T11:00:00Z",
                "end": "2026-03-02T11:30:00Z",
            },
        )
    )
    canceled = booked(
        book(
            api,
            appointment___reference=to(f"Appointment/{first['id']}"),
            appointment___resource={
                **wanted,
                "status": "cancelled",
                "cancelationReason": {"text": "is on holiday"},
            },
        )
    )

    assert (first["status"], first["start"]) == ("booked", "2026-03-02T09:00:00Z")
    assert (moved["id"], moved["start"]) == (first["id"], "2026-03-02T11:00:00Z")
    assert (canceled["status"], canceled["cancelationReason"]) == (
        "cancelled", {"text": "is on holiday"},
    )  # fmt: skip
    assert make.step_of(order).status == "PENDING"
    assert Booking.objects.filter(live=True).count() == 0


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"comment": "soon"}, 422),
        ({"appointment___reference": to("Appointment/offer-00")}, 404),
        ({"appointment___reference": to("Patient/1")}, 422),
        ({"appointment___reference": to("Appointment/1"), "strange": "x"}, 400),
    ],
)
def test_a_booking_that_means_nothing_is_refused(
    api: Api, given: dict[str, Any], status: int
) -> None:
    answer = book(api, **given)

    assert (answer.status, answer.body["resourceType"]) == (status, "OperationOutcome")
    assert Appointment.objects.count() == 0


def test_an_offer_for_one_patient_is_not_booked_for_another(api: Api) -> None:
    order, other = make.order(), make.order()
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]

    answer = book(
        api,
        appointment___reference=to(f"Appointment/{offer['id']}"),
        patient___reference=patient_of(other),
    )

    assert (answer.status, make.step_of(order).status) == (422, "PENDING")


@pytest.mark.parametrize("scope", ["system/Appointment.crs", "system/Appointment.u?status=noshow"])
def test_who_may_only_make_appointments_moves_none_by_booking(api: Api, scope: str) -> None:
    order = make.order()
    wanted = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2026-03-02T09:00:00Z",
        "end": "2026-03-02T09:30:00Z",
        "basedOn": [to(f"ServiceRequest/{order.public_id}")],
        "participant": [{"actor": patient_of(order), "status": "accepted"}],
    }
    maker = Api(token("system/Appointment.crs", scope, client="Portal"))
    first = booked(book(maker, appointment___resource={**wanted, "status": "proposed"}))

    canceled = book(
        maker, appointment___resource={**wanted, "id": first["id"], "status": "cancelled"}
    )

    assert (canceled.status, canceled.issue["code"]) == (403, "forbidden")
    assert api.get(f"/Appointment/{first['id']}").body["status"] == "booked"


def test_the_operations_ask_for_scopes_and_changes_for_post(api: Api) -> None:
    reader = Api(token("system/Appointment.rs", client="Reader"))

    assert api.get("/Appointment/$hold").status == 405
    assert api.get("/Appointment/$book").status == 405
    assert find(reader).status == 200
    assert hold(reader, {"id": "offer-00"}).status == 403
    assert book(reader, appointment___reference=to("Appointment/1")).status == 403


def test_the_operations_are_declared_with_their_definitions(api: Api) -> None:
    rows = api.get("/metadata").body["rest"][0]["resource"]
    [found] = [row for row in rows if row["type"] == "Appointment"]

    declared = {each["name"]: each["definition"] for each in found["operation"]}
    for name in ("find", "hold", "book"):
        assert declared[name] == (
            f"https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/appointment-{name}"
        )


def test_after_a_merge_the_survivor_has_the_hold(api: Api) -> None:
    kept, gone = make.order(), make.order()
    offer = find(api, patient___reference=patient_of(gone)).of("match")[0]
    held = hold(api, offer).body
    execute(
        MergePatients(
            survivor=PatientReference(public_id=str(kept.patient.public_id)),
            subsumed=PatientReference(public_id=str(gone.patient.public_id)),
        ),
        actor=OPERATOR,
    )

    found = booked(book(api, appointment___reference=to(f"Appointment/{held['id']}")))

    assert found["participant"][0]["actor"] == patient_of(kept)


def test_a_refused_booking_is_kept_and_can_be_applied_again(api: Api) -> None:
    order, other = make.order(), make.order()
    offer = find(api, visit___type="CTHEAD").of("match")[0]
    reference = {"appointment___reference": to(f"Appointment/{offer['id']}")}
    first = booked(book(api, **reference, based___on=to(f"ServiceRequest/{order.public_id}")))
    refused = book(api, **reference, based___on=to(f"ServiceRequest/{other.public_id}"))
    message = InboundMessage.objects.get(state="REJECTED")

    execute(CancelAppointment(appointment=first["id"], reason="moved away"), actor=OPERATOR)
    execute(ReplayMessage(message=str(message.public_id)), actor=OPERATOR)

    message.refresh_from_db()
    assert (refused.status, message.message_type) == (409, "POST Appointment/$book")
    assert (message.state, make.step_of(other).status) == ("APPLIED", "SCHEDULED")


# What a client may see of orders, and whether it may name one that is active by its number.
@pytest.mark.parametrize(
    ("scope", "reaches"),
    [
        ("system/ServiceRequest.r", True),
        ("system/ServiceRequest.r?status=active", True),
        ("system/ServiceRequest.rs?status=on-hold", False),
        ("system/Task.rs", False),
    ],
)
def test_a_number_leads_only_to_orders_that_the_scopes_reach(
    api: Api, scope: str, reaches: bool
) -> None:
    order = make.order()
    portal = Api(token("system/Appointment.crus", "system/Patient.rs", scope, client="Portal"))
    number = {"value": order.placer_order_number}
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]
    reference = to(f"Appointment/{offer['id']}")

    asked = portal.post(
        "/Appointment/$find",
        parameters(start=START, end=END, referral___identifier=number),
    )
    answer = book(portal, appointment___reference=reference, referral___identifier=number)

    assert (asked.status, answer.status) == ((200, 200) if reaches else (422, 422))
    assert make.step_of(order).status == ("SCHEDULED" if reaches else "PENDING")
    if not reaches:
        assert asked.issue["diagnostics"] == "there is no such order here"


@pytest.mark.parametrize(("state", "status"), [("active", 200), ("on-hold", 422)])
def test_a_row_filter_holds_for_an_order_that_is_named_by_its_id(
    api: Api, state: str, status: int
) -> None:
    order = make.order()
    scopes = ("system/Appointment.crus", f"system/ServiceRequest.r?status={state}")
    portal = Api(token(*scopes, client="Portal"))
    offer = find(api).of("match")[0]

    answer = book(
        portal,
        appointment___reference=to(f"Appointment/{offer['id']}"),
        based___on=to(f"ServiceRequest/{order.public_id}"),
    )

    assert answer.status == status
    assert make.step_of(order).status == ("SCHEDULED" if status == 200 else "PENDING")
