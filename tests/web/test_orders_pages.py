"""Orders at the page: enter, change, hold, cancel, complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from ris.domain.orders import OrderDetails, Priority, ProcedureRequest, StepRequest
from ris.domain.values import Code
from ris.models import DomainEvent, Order, Patient, ProcedureDefinition
from tests import make
from tests.web.department import begin, booked_at, perform, person, today_at

As = Callable[[str], Client]


def order_form(patient: Patient, **overrides: Any) -> dict[str, Any]:
    """What the browser sends from the order page."""
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    return {
        "patient": str(patient.public_id),
        "token": "token-1",
        "procedure": str(definition.public_id),
        "side": "",
        "priority": "URGENT",
        "reason": "Headache for three days",
        "requester": "Ordonez, Olga",
        "transport": "Wheelchair",
        "comments": "",
        "again": "on",  # the patient is to have it already
        **overrides,
    }


@pytest.fixture
def patient(rooms: None) -> Patient:
    return make.order().patient


def test_order_is_placed_and_leads_to_the_slot_finder(as_: As, patient: Patient) -> None:
    client = as_("frontdesk")

    response = client.post("/orders/new/", order_form(patient, book="1"))

    order = Order.objects.latest("id")
    step = make.step_of(order)
    assert response.status_code == 303
    assert response["Location"] == f"/book/{step.public_id}/"
    assert (order.patient, order.priority) == (patient, "URGENT")
    assert (order.reason, order.requester) == ("Headache for three days", "Ordonez^Olga")
    assert order.entered_by == "Frontdesk Muster"
    assert (step.modality, step.duration_minutes, step.status) == ("CT", 20, "PENDING")


def test_double_click_places_one_order(as_: As, patient: Patient) -> None:
    client = as_("scheduler")
    before = Order.objects.count()

    first = client.post("/orders/new/", order_form(patient))
    second = client.post("/orders/new/", order_form(patient))

    assert Order.objects.count() == before + 1
    assert second.status_code == 303
    assert second["Location"] == first["Location"]


def test_missing_reason_is_shown_at_its_field_and_nothing_is_lost(
    as_: As, patient: Patient
) -> None:
    before = Order.objects.count()

    response = as_("scheduler").post("/orders/new/", order_form(patient, reason=""))

    text = response.content.decode()
    assert response.status_code == 422
    assert 'id="id_reason-error"' in text
    assert 'value="Ordonez, Olga"' in text
    assert Order.objects.count() == before


def test_procedure_that_needs_a_side_asks_for_it(as_: As, patient: Patient) -> None:
    knee = ProcedureDefinition.objects.get(code="CTKNEE")
    client = as_("scheduler")
    before = Order.objects.count()

    refused = client.post("/orders/new/", order_form(patient, procedure=str(knee.public_id)))
    unchanged = Order.objects.count()
    client.post("/orders/new/", order_form(patient, procedure=str(knee.public_id), side="L"))

    assert refused.status_code == 422
    assert "This procedure needs a side." in refused.content.decode()
    assert unchanged == before
    assert Order.objects.latest("id").procedures.get().laterality == "L"


def test_form_warns_of_open_orders_of_the_patient(as_: As, patient: Patient) -> None:
    text = as_("scheduler").get(f"/orders/new/?patient={patient.public_id}").content.decode()

    assert "This patient has open orders" in text


def test_order_for_a_deceased_patient_is_refused(as_: As, rooms: None) -> None:
    order = make.order(patient=make.patient(deceased=True))
    before = Order.objects.count()

    response = as_("scheduler").post("/orders/new/", order_form(order.patient))

    assert response.status_code == 409
    assert "this patient is recorded as deceased" in response.content.decode()
    assert Order.objects.count() == before


def test_cancel_needs_a_reason(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("scheduler")

    without = client.post(f"/orders/{order.public_id}/cancel/", {"reason": " "})
    order.refresh_from_db()
    kept = order.status
    with_reason = client.post(f"/orders/{order.public_id}/cancel/", {"reason": "Ordered twice"})

    order.refresh_from_db()
    event = DomainEvent.objects.get(name="OrderCanceled")
    assert (without.status_code, kept) == (422, "ACTIVE")
    assert (with_reason.status_code, order.status) == (303, "CANCELED")
    assert event.payload["reason"] == "Ordered twice"


def two_procedures() -> Order:
    """An order with a CT that is done and an ultrasound that waits."""
    order = make.order(
        procedures=(
            ProcedureRequest(code=make.CT_HEAD, steps=(StepRequest(start_at=today_at(11)),)),
            ProcedureRequest(code=Code("USABD", "TEST")),
        )
    )
    perform(order)
    order.refresh_from_db()
    return order


def test_cancel_after_one_exam_was_done_stops_the_rest(as_: As, rooms: None) -> None:
    order = two_procedures()
    client = as_("scheduler")
    page = client.get(f"/orders/{order.public_id}/").content.decode()

    response = client.post(f"/orders/{order.public_id}/cancel/", {"reason": "Went home"})

    order.refresh_from_db()
    assert "Stop the rest" in page
    assert response.status_code == 303
    assert order.status == "DISCONTINUED"


def test_order_in_progress_offers_no_cancel(as_: As, rooms: None) -> None:
    order = booked_at(today_at(11))
    begin(order)
    client = as_("scheduler")

    page = client.get(f"/orders/{order.public_id}/").content.decode()
    refused = client.post(f"/orders/{order.public_id}/cancel/", {"reason": "Went home"})

    order.refresh_from_db()
    assert "Cancel order" not in page
    assert "Stop the rest" not in page
    assert (refused.status_code, order.status) == (409, "ACTIVE")


def test_hold_takes_the_order_off_and_release_brings_it_back(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("scheduler")

    client.post(f"/orders/{order.public_id}/hold/", {"reason": "Creatinine missing"})
    order.refresh_from_db()
    held = order.status
    client.post(f"/orders/{order.public_id}/release/")

    order.refresh_from_db()
    assert (held, order.status) == ("ON_HOLD", "ACTIVE")


def test_change_of_the_request_is_refused_when_somebody_was_faster(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("scheduler")
    form = {"version": str(order.version), "priority": "STAT", "reason": "worse", "comments": ""}

    first = client.post(f"/orders/{order.public_id}/revise/", form)
    second = client.post(f"/orders/{order.public_id}/revise/", {**form, "reason": "other"})

    order.refresh_from_db()
    assert (first.status_code, second.status_code) == (303, 409)
    assert (order.priority, order.reason) == ("STAT", "worse")
    assert "Somebody else changed this order meanwhile." in second.content.decode()


def test_order_without_modality_is_completed_and_then_waits_for_a_time(
    as_: As, rooms: None
) -> None:
    order = make.order(procedures=(ProcedureRequest(code=Code("X99", "EHR", "Special")),))
    client = as_("scheduler")
    listed = client.get("/orders/?tab=needs-information").content.decode()

    response = client.post(
        f"/steps/{make.step_of(order).public_id}/complete/",
        {"modality": "us", "duration_minutes": "25"},
    )

    step = make.step_of(order)
    assert str(order.public_id) in listed
    assert response.status_code == 303
    assert (step.modality, step.duration_minutes) == ("US", 25)
    assert str(order.public_id) in client.get("/orders/").content.decode()


def test_unknown_order_is_a_page_that_says_so(as_: As, rooms: None) -> None:
    response = as_("scheduler").get("/orders/00000000-0000-7000-8000-000000000000/")

    assert response.status_code == 404
    assert "no such order" in response.content.decode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("novak", True),
        ("Nováková, Jana", True),
        ("MRN001", True),
        ("1970-05-03", True),
        ("x", False),
    ],
)
def test_list_is_narrowed(as_: As, rooms: None, text: str, found: bool) -> None:
    order = make.order(patient=person("Nováková", "Jana", "MRN001"))

    page = as_("scheduler").get("/orders/", {"q": text}).content.decode()

    assert (str(order.public_id) in page) is found


def test_stat_orders_come_first(as_: As, rooms: None) -> None:
    routine = make.order()
    stat = make.order(details=OrderDetails(priority=Priority.STAT))

    page = as_("scheduler").get("/orders/").content.decode()

    assert page.index(str(stat.public_id)) < page.index(str(routine.public_id))


def test_manager_marks_an_order_as_entered_in_error(as_: As, rooms: None) -> None:
    order = make.order()
    client = as_("manager")
    page = client.get(f"/orders/{order.public_id}/").content.decode()

    client.post(f"/orders/{order.public_id}/void/", {"reason": "Test order"})

    order.refresh_from_db()
    assert "Entered in error" in page
    assert order.status == "ENTERED_IN_ERROR"
