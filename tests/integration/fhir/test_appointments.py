"""Appointment and AppointmentResponse over FHIR (R4 12.10, 12.11; IHE ITI-118)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.patients import MergePatients, PatientReference
from ris.domain.scheduling import BookAppointment
from ris.domain.values import Code
from ris.models import Appointment, Device, Order
from ris.services import execute
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api
from tests.integration.fhir.appointments import (
    END,
    NOBODY,
    NOON,
    appointment,
    change,
    create,
    free_slot,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("calendar")]


def time(hour: str) -> dict[str, str]:
    return {"start": f"{hour}:00:00Z", "end": f"{hour}:20:00Z"}


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
    assert taken.issue["expression"] == ["Appointment.start"]
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


def test_a_move_that_breaks_the_time_to_another_exam_is_a_conflict(api: Api) -> None:
    contrast = Code("CTCONTRAST", "TEST", "CT with contrast")
    first, then = make.definition(), make.definition(contrast)
    execute(
        SequenceProcedures(first=first, then=then, gap_at_most_minutes=60), actor=people.manager
    )
    patient = make.patient("MRN4")
    parts = (ProcedureRequest(code=contrast, steps=(make.step_request(),)),)
    make.booked(make.NOON, patient=patient)
    other = make.booked(make.NOON + timedelta(hours=1), patient=patient, procedures=parts)
    booked = api.get(f"/Appointment/{make.appointment_of(other).public_id}").body

    answer = change(
        api, booked, slot=None, start="2026-03-02T14:30:00Z", end="2026-03-02T14:50:00Z"
    )

    assert (answer.status, answer.issue["code"]) == (409, "conflict")
    assert answer.issue["expression"] == ["Appointment.start"]
    assert answer.issue["diagnostics"] == (
        "CT with contrast after CT head without contrast, 60 minutes at most"
    )
    assert make.step_of(other).start_at == make.NOON + timedelta(hours=1)


def test_who_is_here_goes_to_another_device_and_stays_arrived(api: Api) -> None:
    make.device("CT2")
    booked = create(api, make.order())
    change(api, booked, status="arrived")
    other = Device.objects.get(ae_title="CT2")

    def moved(start: str, end: str) -> Answer:
        present = api.get(f"/Appointment/{booked['id']}").body
        place = {"actor": {"reference": f"Device/{other.public_id}"}, "status": "accepted"}
        people = [present["participant"][0], place]
        return change(api, present, participant=people, slot=None, start=start, end=end)

    tomorrow = moved("2026-03-03T12:00:00Z", "2026-03-03T12:20:00Z")
    today = moved("2026-03-02T14:00:00Z", "2026-03-02T14:20:00Z")

    assert (tomorrow.status, tomorrow.issue["code"]) == (409, "conflict")
    assert tomorrow.issue["diagnostics"] == (
        "the patient is here: for another day, take the arrival back first"
    )
    assert (today.status, today.body["status"]) == (200, "arrived"), today.body
    step = make.step_of(Order.objects.get())
    assert (step.status, step.station_ae_title) == ("ARRIVED", "CT2")


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
