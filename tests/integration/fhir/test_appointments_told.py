"""Appointments over FHIR: answered, found, and told to others (ITI-118, R4 12.11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.actors import OPERATOR
from ris.domain.exchange import Subscription
from ris.domain.orders import CancelOrder, HoldOrder, OrderReference, ReleaseOrder
from ris.domain.scheduling import (
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.models import Delivery, Device, DomainEvent, Order, Room
from ris.services import execute, outbox
from tests import make, people
from tests.integration.fhir import resources
from tests.integration.fhir.api import Answer, Api, found
from tests.integration.fhir.appointments import (
    NOBODY,
    appointment,
    change,
    create,
    free_slot,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("calendar")]


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
