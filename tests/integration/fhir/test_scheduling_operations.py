"""``Appointment/$find``, ``$hold`` and ``$book`` (IHE ITI Scheduling 1.0.1, ITI-115 to ITI-117)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import OPERATOR, TIMER
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol, ReplayMessage
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import CancelAppointment, ExpireHolds
from ris.models import (
    Appointment,
    Booking,
    DomainEvent,
    InboundMessage,
    Order,
    Patient,
    Room,
    Site,
)
from ris.services import execute
from tests import make
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api, token

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
START, END = "2026-03-02", "2026-03-02"


@pytest.fixture(autouse=True)
def _calendar() -> Any:
    with time_machine.travel(MONDAY, tick=False):
        make.site("UTC")
        make.device("CT1")
        make.definition()
        yield


def parameters(**given: Any) -> dict[str, Any]:
    """Parameters; ``a___b`` is ``a-b``, the type of a value follows from what it is."""
    rows: list[dict[str, Any]] = []
    for name, value in given.items():
        for each in value if isinstance(value, list) else [value]:
            row: dict[str, Any] = {"name": name.replace("___", "-")}
            if isinstance(each, str):
                is_date = row["name"] in {"start", "end"}
                row["valueDateTime" if is_date else "valueString"] = each
            elif "resourceType" in each:
                row["resource"] = each
            elif "reference" in each:
                row["valueReference"] = each
            elif "repeat" in each:
                row["valueTiming"] = each
            else:
                row["valueIdentifier"] = each
            rows.append(row)
    return {"resourceType": "Parameters", "parameter": rows}


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def find(api: Api, **given: Any) -> Answer:
    answer = api.post("/Appointment/$find", parameters(**{"start": START, "end": END, **given}))
    assert answer.status == 200, answer.body
    return answer


def hold(api: Api, offer: dict[str, Any]) -> Answer:
    body = parameters(appointment___reference=to(f"Appointment/{offer['id']}"))
    return api.post("/Appointment/$hold", body)


def book(api: Api, **given: Any) -> Answer:
    return api.post("/Appointment/$book", parameters(**given))


def patient_of(order: Order) -> dict[str, str]:
    return to(f"Patient/{order.patient.public_id}")


def told(answer: Answer) -> list[str]:
    return [each["start"][11:16] for each in answer.of("match")]


def booked(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    [found] = answer.of("match")
    return found


# --- $find


def test_what_is_found_can_be_shown_held_and_booked(api: Api) -> None:
    order = make.order()

    answer = find(api, patient___reference=patient_of(order))

    assert (answer.body["type"], answer.body["total"]) == ("searchset", 30)
    first = answer.of("match")[0]
    assert (first["status"], first["minutesDuration"]) == ("proposed", 20)
    assert (first["start"], first["end"]) == ("2026-03-02T08:00:00Z", "2026-03-02T08:20:00Z")
    assert first["basedOn"] == [to(f"ServiceRequest/{order.public_id}")]
    assert [each["actor"].get("display", "") for each in first["participant"]] == [
        "", "CT 1", "Room CT1",
    ]  # fmt: skip
    assert first["requestedPeriod"] == [
        {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}
    ]
    assert api.get(f"/{first['slot'][0]['reference']}").body["status"] == "free"
    assert Appointment.objects.count() == 0  # nothing is taken by looking


def test_held_times_and_the_patients_other_appointments_are_left_out(api: Api) -> None:
    make.device("MR1", "MR")
    reference = make.patient("P-BUSY")
    busy = make.booked(MONDAY + timedelta(hours=1), patient=reference)
    order = make.order(patient=reference)
    before = find(api, visit___type="TEST-none|CTHEAD").body["total"]
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]

    hold(api, offer)
    left = find(api, visit___type="urn:ris:scheme:TEST|CTHEAD")
    elsewhere = find(api, visit___type="MR", patient___reference=patient_of(busy))

    assert before == 0  # a code of another system is another code
    assert told(left)[:2] == ["08:40", "09:00"]
    assert told(elsewhere)[0] == "08:40"  # once the patient is out of the CT, and not held there


# What is asked beside the day, and how many times there are then.
NARROWED: list[tuple[dict[str, Any], int]] = [
    ({}, 20),
    ({"visit___type": "CTHEAD"}, 30),
    ({"visit___type": ["CTHEAD", "MRKNEE"]}, 30),
    ({"visit___type": "MRKNEE"}, 0),
    ({"specialty": "http://snomed.info/sct|394914008"}, 20),
    ({"specialty": "http://snomed.info/sct|394579002"}, 0),
    ({"location___string": "room ct"}, 20),
    ({"location___string": "Basement"}, 0),
    ({"location___reference": to("Location/{room}")}, 20),
    ({"location___reference": to("Location/{site}")}, 0),
    ({"organization": to("Organization/{site}")}, 20),
    ({"organization": to("Organization/{room}")}, 0),
    ({"timing": {"repeat": {"dayOfWeek": ["mon"], "timeOfDay": ["09:00:00"]}}}, 2),
    ({"timing": {"repeat": {"dayOfWeek": ["tue"]}}}, 0),
    ({"timing": {"repeat": {"when": ["AFT"]}}}, 12),
    ({"end": "2026-03-02T10:00:00Z"}, 4),
]


def test_every_input_parameter_narrows_what_is_found(api: Api) -> None:
    keys = {
        "room": str(Room.objects.get().public_id),
        "site": str(Site.objects.get().public_id),
    }

    found = []
    for given, _ in NARROWED:
        asked = {
            name: to(value["reference"].format(**keys)) if "reference" in value else value
            for name, value in given.items()
        }
        found.append((given, find(api, **asked).body["total"]))

    assert found == NARROWED


def test_the_ends_of_the_calendar_are_times_like_others(api: Api) -> None:
    odd = {"repeat": {"timeOfDay": ["09:00:60"], "_timeOfDay": [None]}}
    nothing = {"extension": [{"url": "urn:x", "valueCode": "none"}]}
    empty = {"repeat": {"timeOfDay": [None], "_timeOfDay": [nothing]}}

    assert find(api, timing=odd).body["total"] == 1
    assert find(api, timing=empty).body["total"] == 20
    assert api.get("/Appointment/$find?start=2026-03-02&end=9999-12-31").status == 400
    month = api.get("/Appointment/$find?start=2026-03-02&end=2026-03")
    days = api.get("/Appointment/$find?start=2026-03-02&end=2026-03-31")
    assert month.body["total"] == days.body["total"] > 20


def test_what_does_not_narrow_is_said(api: Api) -> None:
    answer = find(
        api,
        practitioner={"reference": "Practitioner/00000000-0000-7000-8000-000000000001"},
        insurance___reference=to("InsurancePlan/1"),
        reason="http://snomed.info/sct|25064002",
    )

    [remark] = answer.of("outcome")
    assert remark["issue"][0]["diagnostics"] == (
        "did not narrow the times: practitioner, insurance-reference, reason"
    )


def test_the_count_limits_what_is_given_and_total_says_all(api: Api) -> None:
    body = parameters(start=START, end=END)

    posted = api.post("/Appointment/$find?_count=3", body)
    got = api.get("/Appointment/$find?start=2026-03-02&end=2026-03-02&_count=2&visit-type=CTHEAD")

    assert (len(posted.of("match")), posted.body["total"]) == (3, 20)
    assert (len(got.of("match")), got.body["total"]) == (2, 30)


SENSELESS: list[tuple[dict[str, Any], int, str]] = [
    ({"end": END}, 422, "start is required"),
    ({"start": START}, 422, "end is required"),
    ({"start": "2026-03-03", "end": "2026-03-01"}, 422, "end is after start"),
    ({"start": "2026-03-01", "end": "2026-12-31"}, 422, "62 days"),
    ({"start": START, "end": END, "nonsense": "1"}, 400, "unknown parameter 'nonsense'"),
    (
        {
            "start": START,
            "end": END,
            "patient___resource": {"resourceType": "Patient", "identifier": [{"value": "1"}]},
        },
        422,
        "identifier with system",
    ),
]


def test_a_search_that_makes_no_sense_is_refused(api: Api) -> None:
    for given, status, words in SENSELESS:
        answer = api.post("/Appointment/$find", parameters(**given))

        assert answer.status == status, answer.body
        assert words in answer.issue["diagnostics"]


# --- $hold


def test_a_hold_is_pending_until_it_runs_out(api: Api) -> None:
    order = make.order()
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]

    with time_machine.travel(MONDAY, tick=False) as clock:
        held = hold(api, offer).body
        slot = offer["slot"][0]["reference"]
        during = api.get(f"/{slot}").body["status"]
        clock.shift(timedelta(minutes=11))
        execute(ExpireHolds(), actor=TIMER)

    after = api.get(f"/Appointment/{held['id']}").body
    assert (held["resourceType"], held["status"]) == ("Appointment", "pending")
    assert {each["status"] for each in held["participant"]} == {"tentative"}
    assert (during, api.get(f"/{slot}").body["status"]) == ("busy-tentative", "free")
    assert (after["status"], after["cancelationReason"]["text"]) == (
        "cancelled", "the hold ran out",
    )  # fmt: skip


def test_a_time_that_is_gone_is_fatal_and_not_found(api: Api) -> None:
    first, second = make.order(), make.order()
    offers = [
        find(api, patient___reference=patient_of(order)).of("match")[0] for order in (first, second)
    ]
    hold(api, offers[0])

    taken = hold(Api(token(client="Portal")), offers[1])
    forged = hold(api, {"id": offers[1]["id"][:-1] + "x"})

    assert (taken.status, taken.issue["severity"], taken.issue["code"]) == (
        409, "fatal", "not-found",
    )  # fmt: skip
    assert (forged.status, forged.issue["severity"], forged.issue["code"]) == (
        404, "fatal", "not-found",
    )  # fmt: skip
    assert Appointment.objects.count() == 1


def test_what_one_client_holds_another_cannot_book(api: Api) -> None:
    order = make.order()
    offer = find(api, patient___reference=patient_of(order)).of("match")[0]
    held = hold(api, offer).body
    rival = Api(token(client="Portal"))

    by_offer = book(rival, appointment___reference=to(f"Appointment/{offer['id']}"))
    by_hold = book(rival, appointment___reference=to(f"Appointment/{held['id']}"))
    own = book(api, appointment___reference=to(f"Appointment/{held['id']}"))

    assert (by_offer.status, by_hold.status) == (409, 409)
    assert "held by somebody else" in by_hold.issue["diagnostics"]
    assert (booked(own)["id"], booked(own)["status"]) == (held["id"], "booked")


def test_a_time_held_for_nobody_yet_is_booked_for_an_order(api: Api) -> None:
    order = make.order()
    offer = find(api, visit___type="CTHEAD").of("match")[0]
    held = hold(api, offer).body

    answer = book(
        api,
        appointment___reference=to(f"Appointment/{held['id']}"),
        based___on=to(f"ServiceRequest/{order.public_id}"),
        comment="comes by taxi",
    )

    found = booked(answer)
    assert "Patient" not in str(held["participant"])
    assert (found["id"], found["status"], found["comment"]) == (
        held["id"], "booked", "comes by taxi",
    )  # fmt: skip
    assert found["participant"][0]["actor"] == patient_of(order)


# --- $book


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
