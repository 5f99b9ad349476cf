"""``Appointment/$find``, ``$hold`` and ``$book`` (IHE ITI Scheduling 1.0.1, ITI-115 to ITI-117)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import TIMER
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.scheduling import ExpireHolds
from ris.domain.values import Code
from ris.models import (
    Appointment,
    Room,
    Site,
)
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Answer, Api, token
from tests.integration.fhir.scheduling import (
    END,
    MONDAY,
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


def told(answer: Answer) -> list[str]:
    return [each["start"][11:16] for each in answer.of("match")]


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


def test_order_that_is_booked_finds_the_times_it_can_be_moved_to(api: Api) -> None:
    contrast = Code("CTCONTRAST", "TEST", "CT with contrast")
    first, then = make.definition(), make.definition(contrast)
    execute(
        SequenceProcedures(first=first, then=then, gap_minutes=30, gap_at_most_minutes=60),
        actor=people.manager,
    )
    patient = make.patient("MRN-TIED")
    parts = (ProcedureRequest(code=contrast, steps=(make.step_request(),)),)
    make.booked(MONDAY + timedelta(hours=1), patient=patient)
    other = make.booked(MONDAY + timedelta(hours=2), patient=patient, procedures=parts)
    number = {"system": "urn:ris:filler-order-number", "value": other.filler_order_number}

    answer = find(api, referral___identifier=number)
    resource = api.get(f"/Appointment/{make.appointment_of(other).public_id}").body
    offer = answer.of("match")[-1]
    moved = {name: offer[name] for name in ("slot", "start", "end")}
    answers = book(api, appointment___resource={**resource, **moved})

    assert told(answer) == ["09:00", "09:20"]  # as long after the first as the catalog wants
    assert offer["basedOn"] == [to(f"ServiceRequest/{other.public_id}")]
    assert [each["issue"][0]["diagnostics"] for each in answer.of("outcome")] == [
        "the exam is booked already: write the slot of an offer to its Appointment"
    ]
    assert booked(answers)["start"] == "2026-03-02T09:20:00Z"
    assert make.step_of(other).start_at == MONDAY + timedelta(hours=2, minutes=20)


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
    assert api.get("/Appointment/$find?start=2026-03-02&end=9999-12-31").status == 422
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
    (left,) = got.of("outcome")
    assert left["issue"][0]["diagnostics"] == "the first 2 of 30: ask with _count or a later start"


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
