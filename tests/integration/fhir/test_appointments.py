"""Appointment and AppointmentResponse over FHIR (R4 12.10, 12.11; IHE ITI-118)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine

from ris.domain.actors import OPERATOR
from ris.domain.exchange import Subscription
from ris.domain.orders import CancelOrder, HoldOrder, OrderReference, ReleaseOrder
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import (
    BookAppointment,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.models import Appointment, Delivery, Device, DomainEvent, Order, Room
from ris.services import execute, outbox
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api, found

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
NOBODY = "00000000-0000-0000-0000-000000000000"
NOON, END = "2026-03-02T12:00:00Z", "2026-03-02T12:20:00Z"


@pytest.fixture(autouse=True)
def _calendar() -> Any:
    with time_machine.travel(MORNING, tick=False):
        make.site("UTC")
        make.device("CT1")
        make.definition()
        yield


def time(hour: str) -> dict[str, str]:
    return {"start": f"{hour}:00:00Z", "end": f"{hour}:20:00Z"}


def appointment(order: Order | None = None, **elements: Any) -> dict[str, Any]:
    """An appointment for an order; an element given as None is left out."""
    body: dict[str, Any] = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": NOON,
        "end": END,
        "participant": [],
    }
    if order is not None:
        body["basedOn"] = [{"reference": f"ServiceRequest/{order.public_id}"}]
        actor = {"reference": f"Patient/{order.patient.public_id}"}
        body["participant"] = [{"actor": actor, "status": "accepted"}]
    return {name: value for name, value in {**body, **elements}.items() if value is not None}


def free_slot(api: Api, at: str = NOON) -> str:
    answer = api.get(f"/Slot?start={quote(at)}&service-type=CTHEAD&status=free")
    [slot] = answer.of("match")
    return f"Slot/{slot['id']}"


def create(api: Api, order: Order | None = None, **elements: Any) -> dict[str, Any]:
    answer = api.post("/Appointment", appointment(order, **elements))
    assert answer.status == 201, answer.body
    return dict(answer.body)


def change(api: Api, before: dict[str, Any], **elements: Any) -> Answer:
    body = {name: value for name, value in {**before, **elements}.items() if value is not None}
    return api.put(f"/Appointment/{before['id']}", body)


# --- create


def test_with_a_slot_or_a_start_it_is_booked_and_the_worklist_has_it(api: Api) -> None:
    first, second = make.order(), make.order()

    by_slot = create(
        api, first, status="proposed", slot=[{"reference": free_slot(api)}], start=None, end=None
    )
    by_start = create(api, second, start="2026-03-02T13:00:00Z", end="2026-03-02T13:20:00Z")

    assert (by_slot["status"], by_slot["start"], by_slot["end"]) == ("booked", NOON, END)
    assert by_start["status"] == "booked"
    assert [each["actor"]["display"] for each in by_start["participant"][1:]] == [
        "CT1", "Room CT1",
    ]  # fmt: skip
    step = make.step_of(first)
    assert (step.status, step.station_ae_title) == ("SCHEDULED", "CT1")


def test_without_a_time_it_waits_and_becomes_what_the_desk_books(api: Api) -> None:
    order = make.order()

    asked = create(
        api,
        order,
        status="proposed",
        start=None,
        end=None,
        comment="mornings only",
        requestedPeriod=[{"start": "2026-03-05T08:00:00Z", "end": "2026-03-06T18:00:00Z"}],
    )
    waiting = make.step_of(order)
    execute(
        BookAppointment(step=str(waiting.public_id), device="CT1", start_at=make.NOON),
        actor=people.scheduler,
    )

    after = api.get(f"/Appointment/{asked['id']}").body
    assert (asked["status"], "start" in asked) == ("proposed", False)
    assert asked["requestedPeriod"][0]["end"] == "2026-03-06T18:00:00Z"
    assert (waiting.status, str(waiting.wished_at)[:10]) == ("PENDING", "2026-03-05")
    assert (after["status"], after["start"], after["comment"]) == ("booked", NOON, "mornings only")


def test_pending_holds_the_time_and_booked_makes_it_an_appointment(api: Api) -> None:
    order = make.order()
    slot = free_slot(api)

    held = create(api, order, status="pending")
    during = api.get(f"/{slot}").body["status"]
    booked = change(api, held, status="booked").body

    assert (held["status"], during) == ("pending", "busy-tentative")
    assert (booked["status"], api.get(f"/{slot}").body["status"]) == ("booked", "busy")


def test_a_hold_is_booked_at_the_time_that_is_held(api: Api) -> None:
    held = create(api, make.order(), status="pending")

    later = change(api, held, status="booked", slot=None, **time("2026-03-02T15"))
    longer = change(api, held, status="booked", slot=None, end="2026-03-02T12:40:00Z")
    elsewhere = change(
        api,
        held,
        status="booked",
        participant=[
            *(each for each in held["participant"] if "Patient/" in each["actor"]["reference"]),
            {
                "actor": {"reference": f"Device/{make.device('CT2')}"},
                "status": "accepted",
            },
        ],
    )
    booked = change(api, held, status="booked")

    for refused in (later, longer, elsewhere):
        assert (refused.status, refused.issue["expression"]) == (409, ["Appointment.start"])
        assert "another time is held" in refused.issue["diagnostics"]
    assert (booked.status, booked.body["status"], booked.body["start"]) == (200, "booked", NOON)


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    (time("2026-03-02T19"), 409, "free at that time"),
    (time("2026-03-01T12"), 409, "free at that time"),
    ({"slot": [{"reference": f"Slot/{NOBODY}"}]}, 422, "no such slot"),
    ({"end": None}, 422, "app-2"),
    ({"start": None, "end": None}, 422, "app-3"),
    ({"cancelationReason": {"text": "late"}}, 422, "app-4"),
    ({"participant": [{"status": "accepted"}]}, 422, "app-1"),
    ({"status": "fulfilled"}, 422, "when the modality says so"),
    ({"status": "waitlist"}, 422, "send it as proposed"),
    ({"basedOn": [{"reference": f"ServiceRequest/{NOBODY}"}]}, 422, "no such order"),
]


def test_what_cannot_be_booked_is_refused_in_words(api: Api) -> None:
    order = make.order()

    for elements, status, words in REFUSED:
        answer = api.post("/Appointment", appointment(order, **elements))

        assert answer.status == status, answer.body
        assert any(words in issue["diagnostics"] for issue in answer.body["issue"]), answer.body
    assert Appointment.objects.count() == 0


def test_without_an_order_it_is_refused_and_the_only_one_is_enough(api: Api) -> None:
    order = make.order()
    nobody = make.booked(make.NOON + timedelta(hours=3)).patient.public_id
    without = {"basedOn": None}

    guessed = create(api, order, **without)
    ordered = api.post(
        "/Appointment",
        appointment(
            None, participant=[{"actor": {"reference": f"Patient/{nobody}"}, "status": "accepted"}]
        ),
    )
    unnamed = api.post(
        "/Appointment", appointment(participant=[{"type": [{"text": "x"}], "status": "accepted"}])
    )

    assert guessed["basedOn"] == [{"reference": f"ServiceRequest/{order.public_id}"}]
    assert (ordered.status, ordered.issue["code"]) == (422, "business-rule")
    assert "create a ServiceRequest first" in ordered.issue["diagnostics"]
    assert (unnamed.status, unnamed.issue["code"]) == (422, "required")


def test_a_taken_time_and_a_second_booking_of_one_exam_are_conflicts(api: Api) -> None:
    order = make.order()
    slot = free_slot(api)
    create(api, order, slot=[{"reference": slot}])

    taken = api.post("/Appointment", appointment(make.order(), slot=[{"reference": slot}]))
    twice = api.post("/Appointment", appointment(order, start=END, end="2026-03-02T12:40:00Z"))

    assert (taken.status, taken.issue["code"]) == (409, "conflict")
    assert taken.issue["diagnostics"] == "that time is taken"
    assert (twice.status, Appointment.objects.count()) == (409, 1)


# --- change


def test_it_is_moved_canceled_and_cannot_come_back(api: Api) -> None:
    order = make.order()
    booked = create(api, order)

    moved = change(
        api, booked, start="2026-03-02T14:00:00Z", end="2026-03-02T14:30:00Z", minutesDuration=30
    ).body
    by_slot = change(
        api,
        moved,
        slot=[{"reference": free_slot(api, "2026-03-02T14:30:00Z")}],
        start=None,
        end=None,
        minutesDuration=None,
    )  # app-3 is not fulfilled by a slot alone
    canceled = change(api, moved, status="cancelled", cancelationReason={"text": "has a cold"}).body
    back = change(api, canceled, status="booked", cancelationReason=None)

    assert (moved["start"], moved["minutesDuration"]) == ("2026-03-02T14:00:00Z", 30)
    assert by_slot.status == 422
    assert (canceled["status"], canceled["cancelationReason"]["text"]) == (
        "cancelled", "has a cold",
    )  # fmt: skip
    assert canceled["basedOn"] == booked["basedOn"]  # still known what it was for
    assert back.status == 409
    assert (make.step_of(order).status, Appointment.objects.get().reason) == (
        "PENDING", "has a cold",
    )  # fmt: skip


def test_a_patch_moves_it_to_another_device(api: Api) -> None:
    make.device("CT2")
    booked = create(api, make.order())
    other = Device.objects.get(ae_title="CT2")

    answer = api.patch(
        f"/Appointment/{booked['id']}",
        [
            {
                "op": "replace",
                "path": "/participant/1/actor",
                "value": {"reference": f"Device/{other.public_id}"},
            },
            {"op": "remove", "path": "/participant/2"},
            {"op": "remove", "path": "/slot"},
        ],
    )

    assert answer.status == 200, answer.body
    assert answer.body["start"] == booked["start"]
    assert answer.body["participant"][1]["actor"]["identifier"]["value"] == "CT2"
    assert make.step_of(Order.objects.get()).station_ae_title == "CT2"


@pytest.mark.parametrize(
    ("status", "expected", "step"),
    [
        ("arrived", 200, "ARRIVED"),
        ("noshow", 200, "NO_SHOW"),
        ("checked-in", 403, "SCHEDULED"),  # who prepares the patient is in the room
        ("fulfilled", 422, "SCHEDULED"),
        ("entered-in-error", 422, "SCHEDULED"),
        ("proposed", 409, "SCHEDULED"),
    ],
)
def test_a_status_is_what_happened_and_who_may_say_so(
    api: Api, status: str, expected: int, step: str
) -> None:
    order = make.order()
    booked = create(api, order)

    answer = change(api, booked, status=status)

    assert answer.status == expected, answer.body
    assert make.step_of(order).status == step
    if expected == 200:
        assert answer.body["status"] == status


def test_it_stays_with_its_order_and_patient(api: Api) -> None:
    other = make.order()
    booked = create(api, make.order())
    order = {"reference": f"ServiceRequest/{other.public_id}"}
    patient = {
        "actor": {"reference": f"Patient/{other.patient.public_id}"}, "status": "accepted",
    }  # fmt: skip

    answers = [
        change(api, booked, basedOn=[order]),
        change(api, booked, participant=[patient]),
    ]

    assert [answer.status for answer in answers] == [422, 422]


def test_who_names_a_merged_record_means_the_survivor(api: Api) -> None:
    order = make.order()
    former = str(order.patient.public_id)
    request = f"/ServiceRequest/{order.public_id}"
    survivor = api.post("/Patient", resources.patient("S1")).body["id"]
    asked = appointment(order)
    execute(
        MergePatients(
            survivor=PatientReference(public_id=survivor),
            subsumed=PatientReference(public_id=former),
        ),
        actor=OPERATOR,
    )
    subject = {"reference": f"Patient/{former}"}

    changed = api.put(request, {**api.get(request).body, "subject": subject, "priority": "stat"})
    booked = api.post("/Appointment", asked)

    assert changed.status == 200, changed.body
    assert changed.body["subject"]["reference"] == f"Patient/{survivor}"
    assert booked.status == 201, booked.body
    assert booked.body["participant"][0]["actor"]["reference"] == f"Patient/{survivor}"


def test_it_is_canceled_not_deleted(api: Api) -> None:
    booked = create(api, make.order())

    answer = api.request("DELETE", f"/Appointment/{booked['id']}")

    assert (answer.status, answer.issue["code"]) == (405, "not-supported")
    assert "send one with the status cancelled" in answer.issue["diagnostics"]
    assert api.get(f"/Appointment/{booked['id']}").body["status"] == "booked"


def test_what_was_sent_beside_is_given_back(api: Api) -> None:
    booked = create(
        api,
        make.order(),
        appointmentType={"text": "follow-up"},
        supportingInformation=[{"reference": "https://ehr.example/Observation/1"}],
        patientInstruction="come sober",
    )

    again = api.get(f"/Appointment/{booked['id']}").body

    assert again["appointmentType"] == {"text": "follow-up"}
    assert again["patientInstruction"] == "come sober"
    assert again["supportingInformation"] == [{"reference": "https://ehr.example/Observation/1"}]


# --- answers


def respond(api: Api, appointment: dict[str, Any], actor: str, status: str) -> Answer:
    return api.post(
        "/AppointmentResponse",
        {
            "resourceType": "AppointmentResponse",
            "appointment": {"reference": f"Appointment/{appointment['id']}"},
            "actor": {"reference": actor},
            "participantStatus": status,
            "comment": "as said by telephone",
        },
    )


def test_an_answer_is_the_participants_status_and_a_patients_no_cancels(api: Api) -> None:
    order = make.order()
    booked = create(api, order)
    patient = f"Patient/{order.patient.public_id}"
    device = f"Device/{Device.objects.get().public_id}"

    unsure = respond(api, booked, patient, "tentative")
    broken = respond(api, booked, device, "declined")
    during = api.get(f"/Appointment/{booked['id']}").body
    respond(api, booked, patient, "declined")
    after = api.get(f"/Appointment/{booked['id']}").body

    assert (unsure.status, unsure.body["participantStatus"]) == (201, "tentative")
    assert broken.status == 201
    assert [each["status"] for each in during["participant"]] == [
        "tentative", "declined", "accepted",
    ]  # fmt: skip
    assert (during["status"], after["status"]) == ("booked", "cancelled")
    assert after["cancelationReason"]["text"] == "as said by telephone"
    assert found(api, "AppointmentResponse", appointment=booked["id"], part___status="declined")
    assert len(found(api, "AppointmentResponse", actor=patient)) == 2
    assert len(found(api, "AppointmentResponse", patient=patient)) == 2
    assert (
        found(api, "AppointmentResponse", location=f"Location/{Room.objects.get().public_id}") == []
    )


@pytest.mark.parametrize(
    ("actor", "status", "expected"),
    [
        ("Patient/00000000-0000-7000-8000-000000000001", "accepted", 422),
        ("Practitioner/1", "accepted", 422),
        ("Patient/{patient}", "needs-action", 422),
    ],
)
def test_an_answer_of_nobody_who_takes_part_is_refused(
    api: Api, actor: str, status: str, expected: int
) -> None:
    order = make.order()
    booked = create(api, order)

    answer = respond(api, booked, actor.format(patient=order.patient.public_id), status)

    assert answer.status == expected, answer.body


# --- search (ITI-118)


def test_appointments_are_found_by_what_they_have(api: Api) -> None:
    make.device("MR1", "MR")
    order = make.order(patient=make.patient("P-FIND"))
    other = create(api, make.order(), start="2026-03-03T09:00:00Z", end="2026-03-03T09:20:00Z")
    mine = create(api, order)["id"]
    device = Device.objects.get(ae_title="CT1")
    assert device.room is not None
    slot = api.get(f"/Appointment/{mine}").body["slot"][0]["reference"]

    def ids(**asked: Any) -> list[str]:
        return found(api, "Appointment", **asked)

    both = sorted([mine, other["id"]])
    assert ids(patient=f"Patient/{order.patient.public_id}") == [mine]
    assert ids(**{"patient.identifier": "urn:ris:issuer:HOSP|P-FIND"}) == [mine]
    assert ids(**{"patient.identifier": "urn:oid:9.9.9|P-FIND"}) == []  # nobody's numbers
    assert ids(date="2026-03-02") == [mine]
    assert ids(date=["ge2026-03-03", "lt2026-03-04"]) == [other["id"]]
    assert ids(slot=slot) == [mine]
    assert ids(slot=f"Slot/{NOBODY}") == []
    assert sorted(ids(location=f"Location/{device.room.public_id}")) == both
    assert sorted(ids(actor=f"Device/{device.public_id}")) == both
    assert ids(status="cancelled") == []
    assert sorted(ids(**{"service-type": "urn:ris:scheme:TEST|CTHEAD"})) == both
    assert ids(**{"service-type": "MRHEAD"}) == []
    assert sorted(ids(specialty="http://snomed.info/sct|394914008")) == both
    assert ids(**{"based-on": f"ServiceRequest/{order.public_id}"}) == [mine]
    assert ids(identifier="urn:x|1") == []
    assert ids(**{"slot:missing": "true"}) == []
    assert sorted(ids(**{"slot:missing": "false"})) == both
    assert ids(**{"service-type:not": "CTHEAD"}) == []
    assert ids(**{"reason-code": "25064002"}) == []


def test_a_canceled_appointment_is_still_found_by_its_order(api: Api) -> None:
    order = make.order()
    booked = create(api, order)
    change(api, booked, status="cancelled")

    assert found(
        api, "Appointment", status="cancelled", **{"based-on": f"ServiceRequest/{order.public_id}"}
    ) == [booked["id"]]


# --- what it is in the other protocols


def test_peers_hear_of_it_as_of_a_booking_on_a_page(api: Api) -> None:
    make.endpoint("RIS-HL7", sends=(Subscription.APPOINTMENTS,))
    booked = create(api, make.order())
    change(api, booked, start="2026-03-02T14:00:00Z", end="2026-03-02T14:20:00Z")
    change(api, api.get(f"/Appointment/{booked['id']}").body, status="cancelled")

    outbox.fan_out()

    names = list(DomainEvent.objects.filter(name__startswith="Appointment").values_list(
        "name", flat=True
    ).order_by("id"))  # fmt: skip
    assert names == ["AppointmentBooked", "AppointmentMoved", "AppointmentCanceled"]
    assert [row.message_type for row in Delivery.objects.order_by("id")] == [
        "SIU^S12", "SIU^S13", "SIU^S15",
    ]  # fmt: skip


def test_the_rows_of_the_state_table_for_appointment_and_slot(api: Api) -> None:
    """spec: rows 2 scheduled, 3 held, 4 moved, 5-6 on hold, 7 arrived, 8 prepared, 16, 17."""
    order, missed, gone = make.order(), make.order(), make.order()
    slot = free_slot(api)

    def states(one: dict[str, Any], where: str) -> tuple[str, str]:
        return (
            api.get(f"/Appointment/{one['id']}").body["status"],
            api.get(f"/{where}").body["status"],
        )

    held = create(api, order, status="pending")
    rows = {3: states(held, slot)}
    change(api, held, status="booked")
    rows[2] = states(held, slot)
    key = {"appointment": held["id"]}
    later = free_slot(api, "2026-03-02T13:00:00Z")
    execute(
        RescheduleAppointment(start_at=make.NOON + timedelta(hours=1), **key),
        actor=people.scheduler,
    )
    rows[4] = states(held, later)
    freed = api.get(f"/{slot}").body["status"]
    reference = OrderReference(public_id=str(order.public_id))
    execute(HoldOrder(order=reference), actor=people.ehr)
    rows[5] = states(held, later)
    execute(ReleaseOrder(order=reference), actor=people.ehr)
    rows[6] = states(held, later)
    execute(RecordArrival(**key, unchecked_reason="known here"), actor=people.frontdesk)
    rows[7] = states(held, later)
    execute(PrepareStep(step=str(make.step_of(order).public_id)), actor=people.technologist)
    rows[8] = states(held, later)
    no_show = create(api, missed)
    execute(RecordNoShow(appointment=no_show["id"]), actor=people.frontdesk)
    rows[17] = states(no_show, slot)
    revoked = create(api, gone)
    execute(CancelOrder(order=OrderReference(public_id=str(gone.public_id))), actor=OPERATOR)
    rows[16] = states(revoked, slot)

    assert rows == {
        2: ("booked", "busy"),
        3: ("pending", "busy-tentative"),
        4: ("booked", "busy"),
        5: ("pending", "busy"),
        6: ("booked", "busy"),
        7: ("arrived", "busy"),
        8: ("checked-in", "busy"),
        16: ("cancelled", "free"),
        17: ("noshow", "free"),
    }
    assert freed == "free"


def test_an_order_and_its_appointment_come_in_one_transaction(api: Api) -> None:
    request = resources.service_request(
        code={"coding": [{"system": "urn:ris:scheme:TEST", "code": "CTHEAD"}]}, orderDetail=None
    )
    wanted = appointment(
        basedOn=[{"reference": "urn:uuid:0a1f1c1e-0000-4000-8000-000000000001"}],
        participant=[
            {"actor": {"reference": f"Device/{Device.objects.get().public_id}"},
             "status": "accepted"}
        ],
    )  # fmt: skip

    answer = api.post(
        "",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": "urn:uuid:0a1f1c1e-0000-4000-8000-000000000002",
                    "resource": wanted,
                    "request": {"method": "POST", "url": "Appointment"},
                },
                {
                    "fullUrl": "urn:uuid:0a1f1c1e-0000-4000-8000-000000000001",
                    "resource": request,
                    "request": {"method": "POST", "url": "ServiceRequest"},
                },
            ],
        },
    )

    assert answer.status == 200, answer.body
    assert [entry["response"]["status"][:3] for entry in answer.body["entry"]] == ["201", "201"]
    order = Order.objects.get()
    assert found(api, "Appointment", **{"based-on": f"ServiceRequest/{order.public_id}"}) != []
    assert make.step_of(order).status == "SCHEDULED"
